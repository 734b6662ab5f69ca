"""Long generations: on every engine the spikes of one process, whatever is killed or interrupted meanwhile."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeloop
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.batch import processes
from spikeloop.streamer.batch.slurm import ShareEngine
from spikeloop.streamer.launch.long_generation import generate_files as module
from spikeloop.streamer.launch.long_generation.generate_files import generate_files
from spikeloop.streamer.launch.long_generation.parts import Parts
from tests.support.command_line import fails, run
from tests.support.tiny import tiny_bundle, tiny_stream_bundle
from tests.support.tiny_baseline import tiny_baseline

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
SIZE = 70 * 4  # counts of a part: 70 bins of 4 units
DURATION_S = 0.5  # 500 bins of a causal bundle, eight parts


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(module, "PART_COUNTS", SIZE)


@pytest.fixture
def here(monkeypatch) -> list[int]:
    """All is generated in this process; the first bins of the parts that were."""
    put, firsts = Parts.put, list[int]()

    def noted(self, first, *rest):
        firsts.append(first)
        put(self, first, *rest)

    monkeypatch.setattr(Parts, "put", noted)
    monkeypatch.setattr(module, "open_engine", lambda text, workers: ShareEngine(0, 1))
    return firsts


@pytest.fixture(scope="module")
def causal(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_stream_bundle(path, channels=CHANNELS, slow=2)
    return str(path)


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


def same_as_in_one_process(bundle, path: Path, seed: int = 0, *options: str, duration_s: float = DURATION_S) -> bool:
    whole = path.with_name(f"one-{seed}.npz")
    run("generate", bundle, "--duration", duration_s, "--seed", seed, "--out", whole, *options)
    found, expected = arrays(path), arrays(whole)
    return found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in found)


def test_a_causal_model_on_processes_gives_the_spikes_of_one(causal, tmp_path):
    drive = tmp_path / "drive.npz"
    np.savez(drive, condition=np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype(np.float32))
    found = generate_files(
        causal, tmp_path / "a.npz", DURATION_S, seed=3, sessions=2, condition=f"file:{drive}", workers=2
    )
    assert [(file.path.name, file.seed, file.shape) for file in found.files] == [
        ("a-3.npz", 3, (500, 4)), ("a-4.npz", 4, (500, 4))
    ]  # fmt: skip
    assert found.waiting == ()
    for seed in (3, 4):
        assert same_as_in_one_process(causal, tmp_path / f"a-{seed}.npz", seed, "--condition", f"file:{drive}")
    assert not (tmp_path / "a.npz.parts").exists()


def test_windows_of_a_model_of_windows_are_generated_apart(tmp_path, here):
    tiny_bundle(tmp_path / "tiny", units=3, bins=16)
    generate_files(tmp_path / "tiny", tmp_path / "a.npz", DURATION_S)
    assert here == [0, 128, 256, 384]
    assert same_as_in_one_process(tmp_path / "tiny", tmp_path / "a.npz")


def test_each_part_of_a_model_of_windows_needs_none_of_the_others(tmp_path, monkeypatch, here):
    """Each is a task of its own, whose order does not matter."""

    class Backwards(ShareEngine):
        def run(self, work, tasks):
            return super().run(work, tasks[::-1])

    tiny_bundle(tmp_path / "tiny", units=3, bins=16)
    monkeypatch.setattr(module, "open_engine", lambda text, workers: Backwards(0, 1))
    generate_files(tmp_path / "tiny", tmp_path / "a.npz", DURATION_S)
    assert here == [384, 256, 128, 0]
    assert same_as_in_one_process(tmp_path / "tiny", tmp_path / "a.npz")


@pytest.mark.parametrize("family", ["k_pairwise", "dichotomized_gaussian"])
def test_a_baseline_is_generated_too(tmp_path, here, family):
    bundle = tiny_baseline(tmp_path / "tiny", family)
    duration_s = 5000 * bundle.card.bin_size_s
    generate_files(tmp_path / "tiny", tmp_path / "a.npz", duration_s)
    assert same_as_in_one_process(tmp_path / "tiny", tmp_path / "a.npz", duration_s=duration_s)


@pytest.mark.parametrize("kept", [1, 4, 7])
def test_an_interrupted_generation_goes_on_with_the_same_bits(causal, tmp_path, here, monkeypatch, kept):
    put = Parts.put

    def interrupt(self, first, *rest):
        if len(here) == kept:
            raise KeyboardInterrupt
        put(self, first, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Parts, "put", interrupt)
        generate_files(causal, tmp_path / "a.npz", DURATION_S)
    assert here == [70 * part for part in range(kept)]
    assert not (tmp_path / "a.npz").exists()
    generate_files(causal, tmp_path / "a.npz", DURATION_S)
    assert here == [70 * part for part in range(8)]  # none twice
    assert same_as_in_one_process(causal, tmp_path / "a.npz")


def test_a_killed_worker_is_replaced_by_one_that_goes_on(causal, tmp_path, monkeypatch):
    started, start = [], processes._started

    def noted(work):
        started.append(start(work))
        return started[-1]

    def kill_the_first():
        while not any((tmp_path / "a.npz.parts").glob("*-*00.npz")):
            time.sleep(0.001)
        os.kill(started[0].pid, signal.SIGKILL)

    monkeypatch.setattr(processes, "_started", noted)
    thread = threading.Thread(target=kill_the_first)
    thread.start()
    generate_files(causal, tmp_path / "a.npz", 20.0, workers=1)
    thread.join()
    assert len(started) == 2
    assert same_as_in_one_process(causal, tmp_path / "a.npz", duration_s=20.0)


@pytest.mark.long
def test_workers_of_dask_give_the_spikes_of_one_process(causal, tmp_path):
    from distributed import LocalCluster

    local: Any = LocalCluster
    with local(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        generate_files(causal, tmp_path / "a.npz", DURATION_S, engine=f"dask:{cluster.scheduler_address}")
    assert same_as_in_one_process(causal, tmp_path / "a.npz")


def test_processes_of_a_job_write_the_files_of_their_own_seeds(causal, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    written = []
    for process in ("1", "0"):
        monkeypatch.setenv("SLURM_PROCID", process)
        found = generate_files(causal, tmp_path / "a.npz", DURATION_S, sessions=3, engine="slurm")
        written.append(([file.seed for file in found.files], [path.name for path in found.waiting]))
    assert written == [([1], ["a-0.npz", "a-2.npz"]), ([0, 2], ["a-1.npz"])]
    assert same_as_in_one_process(causal, tmp_path / "a-2.npz", 2)
    assert not (tmp_path / "a.npz.parts").exists()


def test_a_damaged_part_is_said_and_generated_again(causal, tmp_path, here, monkeypatch):
    def full_disk(*_):
        raise FailureError("no space")

    with monkeypatch.context() as patch, pytest.raises(FailureError, match="no space"):
        patch.setattr(module, "write_generated", full_disk)
        generate_files(causal, tmp_path / "a.npz", DURATION_S)
    (third,) = (tmp_path / "a.npz.parts").glob("*-140.npz")
    third.write_bytes(third.read_bytes()[:-100])
    with pytest.raises(FailureError, match=r"-140.npz: damaged, or gone; the same command generates it again"):
        generate_files(causal, tmp_path / "a.npz", DURATION_S)
    generate_files(causal, tmp_path / "a.npz", DURATION_S)
    assert same_as_in_one_process(causal, tmp_path / "a.npz")


def test_parts_of_another_condition_seed_or_bundle_are_not_taken(causal, tmp_path, here, monkeypatch):
    drive = tmp_path / "drive.npz"
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_generated", lambda *_: (_ for _ in ()).throw(FailureError("no space")))
        for value in (0.5, -0.5, -0.5):
            np.savez(drive, condition=np.full((500, 2), value, np.float32))
            with pytest.raises(FailureError):
                generate_files(causal, tmp_path / "a.npz", DURATION_S, condition=f"file:{drive}")
        with pytest.raises(FailureError):
            generate_files(causal, tmp_path / "a.npz", DURATION_S, seed=1, condition=f"file:{drive}")
    assert len(here) == 3 * 8  # the third time they were there


def test_parts_from_other_kinds_of_processors_are_not_mixed(causal, tmp_path, here, monkeypatch):
    put = Parts.put
    monkeypatch.setattr(
        Parts, "put", lambda self, first, counts, provider, state: put(self, first, counts, f"kind {first > 99}", state)
    )
    with pytest.raises(FailureError, match="generated on kind False, found bin 140 generated on kind True"):
        generate_files(causal, tmp_path / "a.npz", DURATION_S)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "threads"}, "--engine: expected processes, dask:ADDRESS, slurm or slurm:I/N, found 'threads'"),
        ({"engine": "slurm"}, "--engine slurm: expected to run in a job"),
        ({"sessions": 0}, "--sessions: expected a whole number from 1 to 10000, found 0"),
        ({"duration_s": 0}, "--duration: expected at least one bin"),
        ({"seed": -1}, "--seed: expected"),
        ({"out": "a.csv"}, "--out: expected a file ending in .npz"),
        ({"condition": "lsl:Stream"}, "--condition: lsl:STREAM is live"),
        ({"condition": [1.0, 2.0]}, "--condition: expected text"),
        ({"device": "tpu"}, "--device: expected"),
        ({"workers": 0}, "--workers: expected a whole number from 1"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_generated(causal, tmp_path, monkeypatch, changes, message):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"out": "a.npz", "duration_s": 1.0} | changes
    with pytest.raises(BadInputError, match=message):
        generate_files(causal, **given)
    assert not list(tmp_path.iterdir())


def test_a_file_where_parts_are_to_be_kept_is_found_before_anything_is_generated(causal, tmp_path, here):
    (tmp_path / "a.npz.parts").touch()
    with pytest.raises(FailureError, match=r"could not write .*a\.npz\.parts \(a file is there\)"):
        generate_files(causal, tmp_path / "a.npz", DURATION_S)
    assert here == []


def test_a_worker_that_finds_another_bundle_says_so(causal, tmp_path, here, monkeypatch):
    monkeypatch.setattr(module, "run_stretch", lambda task: run_with(task, bundle_sha256="0" * 64))
    from spikeloop.streamer.launch.long_generation.stretch import run_stretch

    def run_with(task: str, **changes: Any) -> str:
        return run_stretch(json.dumps(json.loads(task) | changes))

    with pytest.raises(FailureError, match="1 of 1 parts could not be generated: .*found another bundle or condition"):
        generate_files(causal, tmp_path / "a.npz", DURATION_S)


def test_the_command_prints_its_files_and_says_how_to_go_on(causal, tmp_path, here, capsys, monkeypatch):
    words = ["generate", causal, "--duration", DURATION_S, "--out", tmp_path / "a.npz", "--engine", "processes"]
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        code, said = fails(capsys, *words)
    assert (code, "the same command goes on" in said) == (130, True)
    run(*words, "--sessions", 2, "--json")
    document = json.loads(capsys.readouterr().out)
    assert [(file["seed"], file["shape"]) for file in document["files"]] == [(0, [500, 4]), (1, [500, 4])]
    run(*words)
    assert f"{tmp_path / 'a.npz'}: spikes [500, 4]" in capsys.readouterr().out.replace("(500, 4)", "[500, 4]")
    for options in (["--workers", 2], ["--sessions", 2]):
        code, said = fails(capsys, *words[:-2], *options)
        assert (code, "--workers, --sessions: expected --engine with them" in said) == (2, True)
    for options in (["--windows", 3],):
        code, said = fails(capsys, *words, *options)
        assert (code, f"expected --out and --duration with it, found {options[0]}" in said) == (2, True)


def test_python_has_it_by_its_public_name():
    assert spikeloop.generate_files is generate_files
