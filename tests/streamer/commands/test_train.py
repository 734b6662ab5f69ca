"""Training and export from the command line, killed and resumed as a user would."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training.checkpoint import CHECKPOINT, read_checkpoint
from tests.support.command_line import fails
from tests.support.training import calibrate_briefly, train_small_models


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    recording = correlated_groups(windows=80, window_bins=64, units=6, spike_probability=0.1, seed=1)
    path = tmp_path_factory.mktemp("data") / "recording.npz"
    np.savez(path, spikes=recording.counts, bin_size_s=recording.bin_size_s)
    return path


def train(data: Path, out: Path, *options: object) -> list[object]:
    return ["train", "--data", data, "--out", out, "--device", "cpu", *options]


def succeed(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in arguments])
    assert stopped.value.code == 0


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    calibrate_briefly(monkeypatch)


QUICK = (
    "from spikeloop.models.training import run, trainer; trainer.SAVE_EVERY_S = 0.1;"
    "run.CALIBRATION_WINDOWS, run.CALIBRATION_ROUNDS = 64, 2;"
    "from spikeloop.__main__ import main; main()"
)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_train_export_stream_by_command_line(start, data, tmp_path, stream_name, capsys, monkeypatch):
    train_small_models(monkeypatch)
    succeed(*train(data, tmp_path / "run", "--steps", 5, "--condition", "phase", "--json"))
    document = json.loads(capsys.readouterr().out)
    assert (document["steps"], document["judged_on"], document["device"]) == (5, "held-out repeats", "cpu")
    assert {row["statistic"] for row in document["realism"]} >= {"covariance", "population_count"}
    for row in document["realism"]:
        assert row["ratio"] == pytest.approx(row["error"] / row["floor"])
    succeed("export", tmp_path / "run", "--out", tmp_path / "mine.zip", "--json")
    bundle = load_bundle(tmp_path / "mine.zip")
    assert json.loads(capsys.readouterr().out)["sha256"] == bundle.sha256
    assert [(each.name, each.period) for each in bundle.card.channels] == [("phase", 64)]
    stream = start("stream", tmp_path / "mine.zip", "--name", stream_name, "--duration", 0.5, "--json")
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0, errors
    assert json.loads(printed)["bundle"] == "mine"


@pytest.mark.parametrize("family", ["causal_gan", "vae", "vae_gan"])
def test_what_was_recorded_beside_the_spikes_drives_a_model_with_a_lead(data, tmp_path, random, family):
    with np.load(data) as arrays:
        velocity = random.standard_normal((80, 64, 1))
        np.savez(tmp_path / "driven.npz", **arrays, conditions=velocity, condition_names=["velocity"])
    options = ("--family", family, "--condition", "recorded", "--lead-ms", 5, "--steps", 2, "--json")
    succeed(*train(tmp_path / "driven.npz", tmp_path / "run", *options))
    _, description = read_checkpoint(tmp_path / "run")
    assert (description["settings"]["family"], description["settings"]["lead_bins"]) == (family, 5)
    assert [each["name"] for each in description["recording"]["channels"]] == ["velocity"]
    assert description["recording"]["bins"] == 59


def test_a_killed_run_goes_on_from_its_last_checkpoint_as_if_it_had_not_been_killed(start, data, tmp_path, capsys):
    """SIGKILL at any moment leaves a whole checkpoint. Saves are made more often here than every minute."""
    killed = start(*train(data, tmp_path / "cut", "--steps", 10**6), program=QUICK)
    deadline = time.monotonic() + 250
    while steps_in(tmp_path / "cut") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    steps = steps_in(tmp_path / "cut")
    for out in ("cut", "whole"):
        succeed(*train(data, tmp_path / out, "--steps", steps + 2))
        printed = capsys.readouterr()
        assert "E/F" in printed.out
        assert (f"resuming at step {steps}" in printed.err) == (out == "cut")
    cut, whole = (read_checkpoint(tmp_path / out)[0] for out in ("cut", "whole"))
    assert steps_in(tmp_path / "cut") == steps_in(tmp_path / "whole") == steps + 2
    for name, value in whole.items():
        np.testing.assert_array_equal(value, cut[name])


def steps_in(folder: Path) -> int:
    return read_checkpoint(folder)[1]["steps"] if (folder / CHECKPOINT).exists() else 0


def test_ctrl_c_keeps_what_was_learned(start, data, tmp_path):
    out = tmp_path / "interrupted"
    process = start(*train(data, out, "--steps", 10**6), program=QUICK)
    deadline = time.monotonic() + 250
    while steps_in(out) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    steps = steps_in(out)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert steps_in(out) >= steps
    assert not list(out.glob("*.part"))


def test_a_full_disk_is_told_and_leaves_nothing_half_written(data, tmp_path, capsys):
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        code, said = fails(capsys, *train(data, tmp_path / "full", "--steps", 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "could not write a checkpoint" in " ".join(said.split())
    assert not list((tmp_path / "full").glob("*checkpoint*"))


def test_it_says_before_it_starts_what_to_expect(data, tmp_path, capsys):
    succeed(*train(data, tmp_path / "run", "--steps", 1, "--family", "spike_gan"))
    said = " ".join(capsys.readouterr().err.split())
    for part in ("preset fast, for at most one spike in a bin", "trains on 4,096 bins of 6 units", "steps of"):
        assert part in said


@pytest.mark.parametrize("lead_ms", ["nan", "inf", -1, 64])
def test_a_lead_that_is_none_is_told(data, tmp_path, capsys, lead_ms):
    with np.load(data) as arrays:
        np.savez(tmp_path / "driven.npz", **arrays, conditions=np.zeros((80, 64, 1)))
    options = ("--condition", "recorded", "--lead-ms", lead_ms)
    code, said = fails(capsys, *train(tmp_path / "driven.npz", tmp_path / "out", *options))
    assert code == 2
    assert f"--lead-ms: expected 0 to 63 (less than a repeat), found {lead_ms}" in " ".join(said.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "retna"], "no recording named 'retna'; there are retina"),
        (["--data", "no.npz"], "no such file"),
        (["--family", "gan"], "no family named 'gan'"),
        (["--preset", "slow"], "no preset named 'slow'"),
        (["--family", "k_pairwise", "--steps", 5], "k_pairwise is fitted in one go"),
        (["--hold-out", 9999], "lower --hold-out"),
        (["--steps", 0], "expected more than 0"),
        (["--minutes", -1], "expected more than 0"),
        (["--hold-out", 1], "expected to hold out"),
        (["--seed", -1], "--seed: expected"),
        (["--condition", "recorded"], "recording has none recorded; expected an array `conditions`"),
        (["--condition", "phase", "--lead-ms", 5], "--lead-ms: a phase is known ahead"),
        (["--lead-ms", 5], "expected --condition recorded beside it"),
        (["--condition", "phase", "session-time"], "and session-time go together, found ['phase', 'session-time']"),
        (["--condition", "phase", "--family", "spike_gan"], "spike_gan answers to nothing; choose causal_gan, vae"),
        (["--condition", "phase", "--family", "k_pairwise"], "k_pairwise answers to nothing"),
    ],
)
def test_options_out_of_range_are_told(data, tmp_path, capsys, options, message):
    code, said = fails(capsys, *train(data, tmp_path / "out", *options))
    assert code == 2
    assert message in said
    assert not (tmp_path / "out").exists()


def test_without_torch_training_says_what_to_install(data, tmp_path):
    hide = "import importlib.util as u; real = u.find_spec;"
    hide += "u.find_spec = lambda name, *a: None if name == 'torch' else real(name, *a);"
    program = hide + "from spikeloop.__main__ import main; main()"
    command = [sys.executable, "-c", program, *map(str, train(data, tmp_path / "out"))]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 1
    assert "torch not installed, which training needs; pip install" in outcome.stderr


def test_a_phase_of_too_few_repeats_is_refused_as_its_end_would_never_be_learned(tmp_path, capsys):
    np.savez(tmp_path / "few.npz", spikes=np.eye(40, 3, dtype=np.uint8)[np.newaxis].repeat(4, 0), bin_size_s=0.02)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--data", str(tmp_path / "few.npz"), "--condition", "phase", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "expected at least 5 repeats, as one in 5 is held out, found 4" in capsys.readouterr().err
