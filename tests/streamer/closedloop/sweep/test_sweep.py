"""Sweeps: the same figures on every engine, whatever is killed meanwhile, and nothing twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from spikeloop.__main__ import main
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.batch import dask as dask_engine
from spikeloop.streamer.batch import processes
from spikeloop.streamer.batch.cells import CellFolder
from spikeloop.streamer.batch.engine import FAILED
from spikeloop.streamer.batch.slurm import ShareEngine
from spikeloop.streamer.closedloop.sweep import sweep as sweeping
from spikeloop.streamer.closedloop.sweep.cells import Cell, cells_of
from spikeloop.streamer.closedloop.sweep.sweep import sweep
from spikeloop.streamer.closedloop.sweep.work import run_task
from tests.support.compared import CHANNELS, UNITS, tiny
from tests.support.html_outline import Outline
from tests.support.tiny import tiny_stream_bundle

QUICK: dict[str, Any] = {"trials": 1, "calibration_s": 10.0}
TWO: dict[str, Any] = QUICK | {"trials": 2}
THREE: dict[str, Any] = QUICK | {"trials": 3}
DEADLY = """
import os, signal
from pathlib import Path

class Kills:
    '''Kills its process, once, in its first step; then it stands still.'''
    def fit(self, counts, kinematics): ...
    def step(self, counts):
        killed = Path(__file__).with_suffix(".killed")
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [0.0, 0.0]

class KillsAlways(Kills):
    def step(self, counts):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return str(tiny(tmp_path_factory.mktemp("bundle") / "tiny"))


@pytest.fixture
def deadly(tmp_path) -> str:
    (tmp_path / "deadly.py").write_text(DEADLY)
    return f"python:{tmp_path / 'deadly.py'}"


@pytest.fixture
def here(monkeypatch) -> list[int]:
    """Every sweep runs in this process; the places of the cells that ran."""
    ran: list[int] = []

    class Here(ShareEngine):
        def run(self, work, tasks):
            for task, answer in super().run(work, tasks):
                ran.append(task.place)
                yield task, answer

    monkeypatch.setattr(sweeping, "open_engine", lambda text, workers: Here(0, 1))
    return ran


def documents(out: Path) -> set[str]:
    return {file.read_text() for file in (out / "cells").iterdir()}


def one_by_one(cells: tuple[Cell, ...]) -> set[str]:
    """The documents of cells that run one after another in this process."""
    return {run_task(cell.task) for cell in cells}


def test_cells_on_processes_of_which_one_is_killed_are_those_of_one_process(path, deadly, tmp_path):
    decoders = ["kalman", f"{deadly}:Kills", "oracle"]
    result = sweep(
        decoders, tmp_path / "out", bundles=[path], perturbations=["none", "drop:0.5+noise:5"], seeds=range(1),
        workers=2, in_process=True, **QUICK,
    )  # fmt: skip
    assert (tmp_path / "deadly.killed").exists()
    cells = cells_of([path], decoders, ["none", "drop:0.5+noise:5"], [0], {"in_process": True} | QUICK)
    assert len(result.rows) == result.cells == len(cells) == 6
    assert documents(tmp_path / "out") == one_by_one(cells)


@pytest.mark.long
def test_cells_on_workers_of_dask_of_which_one_is_killed_are_those_of_one_process(path, deadly, tmp_path):
    from distributed import LocalCluster

    decoders = ["kalman", f"{deadly}:Kills", "oracle", "chance"]
    local: Any = LocalCluster
    with local(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        result = sweep(
            decoders, tmp_path / "out", bundles=[path], seeds=[5], engine=f"dask:{cluster.scheduler_address}",
            in_process=True, **QUICK,
        )  # fmt: skip
    assert (tmp_path / "deadly.killed").exists()
    cells = cells_of([path], decoders, ["none"], [5], {"in_process": True} | QUICK)
    assert len(result.rows) == result.cells == len(cells) == 4
    assert documents(tmp_path / "out") == one_by_one(cells)


def test_a_cell_that_always_kills_its_process_is_named_and_the_others_are_kept(path, deadly, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "ATTEMPTS", 1)
    with pytest.raises(
        FailureError,
        match="1 of 2 cells could not run: .*:KillsAlways, none, seed 0: its process died, 1 times; the others are in",
    ):
        sweep(
            ["oracle", f"{deadly}:KillsAlways"], tmp_path / "out", bundles=[path], seeds=[0], workers=1,
            in_process=True, **QUICK,
        )  # fmt: skip
    assert len(documents(tmp_path / "out")) == 1


def test_no_cell_that_is_done_runs_again(path, tmp_path, here):
    out = tmp_path / "out"
    first = sweep(["oracle"], out, bundles=[path], seeds=range(3), **QUICK)
    assert here == [0, 1, 2]
    again = sweep(["oracle"], out, bundles=[path], seeds=range(3), **QUICK)
    assert here == [0, 1, 2]
    assert again.to_dict() == first.to_dict()
    more = sweep(["oracle", "chance"], out, bundles=[path], seeds=range(4), **QUICK)
    assert here[3:] == [1, 3, 5, 6, 7]  # chance, and the fourth seed
    assert [row["seed"] for row in more.rows] == [0, 0, 1, 1, 2, 2, 3, 3]
    sweep(["oracle"], out, bundles=[path], seeds=range(1), **TWO)
    assert here[8:] == [0]


def test_an_interrupted_sweep_goes_on_where_it_was(path, tmp_path, here):
    def interrupt(done: int, cells: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        sweep(["oracle"], out, bundles=[path], seeds=range(4), on_cell=interrupt, **QUICK)
    assert not (out / "results.parquet").exists()
    counts = []
    result = sweep(["oracle"], out, bundles=[path], seeds=range(4), on_cell=lambda *now: counts.append(now), **QUICK)
    assert here == [0, 1, 2, 3]
    assert counts == [(2, 4), (3, 4), (4, 4)]
    assert result.table == out / "results.parquet"


def test_a_damaged_cell_runs_again(path, tmp_path, here):
    out = tmp_path / "out"
    first = sweep(["oracle"], out, bundles=[path], seeds=[0], **QUICK)
    (file,) = (out / "cells").iterdir()
    whole = file.read_text()
    cell = json.loads(whole)
    damaged: list[Any] = [{}, [], cell | {"seed": 5}, cell | {"trials": "x"}, cell | {"times_s": [[]]}, {FAILED: "x"}]
    for text in (whole[:50], whole.replace(f'"successes": {cell["successes"]}', '"successes": NaN'),
                 *map(json.dumps, damaged)):  # fmt: skip
        file.write_text(text)
        assert sweep(["oracle"], out, bundles=[path], seeds=[0], **QUICK).rows == first.rows
        assert file.read_text() == whole
    assert len(here) == 1 + 2 + len(damaged)


def test_a_cell_depends_on_the_content_of_bundle_and_decoder(path, deadly, tmp_path):
    bundle, decoder = str(tmp_path / "bundle"), f"{deadly}:Kills"
    shutil.copytree(path, bundle)

    def cell() -> Cell:
        return cells_of([bundle], [decoder], ["none"], [0], {})[0]

    first = cell()
    assert cell() == first
    (tmp_path / "deadly.py").write_text(f"{DEADLY}\n# another")
    second = cell()
    tiny_stream_bundle(Path(bundle), UNITS + 1, CHANNELS, bin_size_s=0.02)
    assert len({first.key, second.key, cell().key}) == 3
    answer = json.loads(run_task(first.task))
    assert "the worker found another bundle or decoder of that name" in answer["could not run"]


def test_processes_of_a_job_share_the_cells_and_the_last_writes_the_table(path, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    results = []
    for process in ("1", "0"):
        monkeypatch.setenv("SLURM_PROCID", process)
        results.append(sweep(["oracle"], tmp_path, bundles=[path], seeds=range(3), engine="slurm", **QUICK))
    assert [(len(result.rows), result.table is None) for result in results] == [(1, True), (3, False)]


def test_the_table_holds_every_cell_with_its_trials(path, tmp_path, here):
    result = sweep(["oracle", "chance"], tmp_path, bundles=[path], seeds=[3, 1], **THREE)
    assert result.table is not None
    table = pyarrow.parquet.read_table(result.table)
    assert table.to_pylist() == list(result.rows)
    first = result.rows[0]
    assert (first["decoder"], first["seed"], first["trials"], first["outcomes"]) == ("oracle", 3, 3, ["success"] * 3)
    assert first["time_to_target_s"] == pytest.approx(np.mean(first["times_s"]))
    assert [row["times_s"] for row in result.rows if row["decoder"] == "chance"] == [[None] * 3] * 2
    assert table.schema.field("time_to_target_s").type == pyarrow.float64()
    assert result.page is not None
    page = Outline(result.page.read_text())
    assert f"{path}, perturbations: none" in page.text
    assert page.tags.count("tr") == 3
    assert str(result).splitlines()[0] == "4 of 4 cells; means over seeds, 95 % intervals"


def test_a_decoder_that_fails_is_a_row_with_the_reason(path, tmp_path, here):
    (tmp_path / "broken.py").write_text(
        "class Broken:\n  def fit(self, *_): ...\n  def step(self, counts): return [float('nan'), 0.0]\n"
    )
    broken = f"python:{tmp_path / 'broken.py'}:Broken"
    result = sweep([broken, "oracle"], tmp_path / "out", bundles=[path], seeds=[0], in_process=True, **QUICK)
    assert "expected step to give finite numbers" in result.rows[0]["failure"]
    assert (result.rows[0]["successes"], result.rows[0]["outcomes"], result.rows[1]["failure"]) == (0, ["lost"], "")
    assert result.page is not None
    assert "expected step to give finite numbers" in Outline(result.page.read_text()).text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "threads"}, "--engine: expected processes, dask:ADDRESS, slurm or slurm:I/N, found 'threads'"),
        ({"engine": "dask:"}, "--engine: expected processes"),
        ({"engine": "slurm"}, "--engine slurm: expected to run in a job, .*found no SLURM_JOB_ID"),
        ({"engine": "dask:localhost:1", "workers": 2}, "--workers: expected none with --engine dask:localhost:1"),
        ({"workers": 0}, "--workers: expected a whole number from 1 to 1024, found 0"),
        ({"decoders": "kalman"}, "--decoder: expected different texts, found 'kalman'"),
        ({"decoders": []}, "--decoder: expected different texts"),
        ({"bundles": ["m1-sim", "m1-sim"]}, "--bundle: expected different texts"),
        ({"perturbations": ["none", 3]}, "--perturb: expected different texts"),
        ({"perturbations": ["none", "drop:0.3+gravity:1"]}, "--perturb: expected .*found 'gravity:1'"),
        ({"decoders": ["kalman", "Kalman"]}, "found 'Kalman'"),
        ({"seeds": [1, 1]}, "--seed: expected a different seed"),
        ({"clock": "real"}, "clock: expected no such option in a sweep"),
        ({"decoders": ["lsl:Stream"]}, "lives in real time"),
        ({"trials": 0}, "--trials: expected"),
        ({"calibration_s": 5.0}, "--calibration: expected 0 or 10 to 36000 s, found 5"),
        ({"in_process": "no"}, "in_process: expected True or False, found 'no'"),
        ({"out": 3}, "--out: expected"),
    ],
)
def test_what_can_not_be_is_refused_before_any_cell(path, tmp_path, changes, message, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    given: dict[str, Any] = {"decoders": ["oracle"], "out": tmp_path / "out", "bundles": [path]} | QUICK | changes
    with pytest.raises(BadInputError, match=message):
        sweep(**given)
    assert not (tmp_path / "out").exists()


def test_where_there_is_no_scheduler_that_is_said(path, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_engine, "CONNECTS_WITHIN_S", 0.2)
    with pytest.raises(FailureError, match="--engine dask:127.0.0.1:1: expected a scheduler of Dask there, found none"):
        sweep(["oracle"], tmp_path, bundles=[path], engine="dask:127.0.0.1:1", **QUICK)


def test_the_command_prints_its_results_and_says_how_to_go_on(path, tmp_path, here, capsys, monkeypatch):
    words = ["sweep", "--out", tmp_path, "--bundle", path, "--decoder", "oracle", "--sessions", 2, "--trials", 1,
             "--calibration", 10]  # fmt: skip
    monkeypatch.setattr(CellFolder, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, words)])
    assert stopped.value.code == 130
    assert "interrupted: 0 of 2 sessions are in" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(sweeping, "open_engine", lambda text, workers: ShareEngine(0, 1))
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, words), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (stopped.value.code, found["cells"], found["done"], len(found["rows"])) == (0, 2, 2, 2)
    with pytest.raises(SystemExit):
        main([*map(str, words)])
    assert f"table: {tmp_path / 'results.parquet'}\npage: {tmp_path / 'results.html'}" in capsys.readouterr().out


def test_each_history_has_cells_of_its_own(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sweeping, "open_engine", lambda text, workers: ShareEngine(0, 1))
    words = ["sweep", "--out", tmp_path, "--bundle", path, "--decoder", "ridge", "--sessions", 1, "--trials", 2,
             "--calibration", 10, "--json"]  # fmt: skip
    times_s = []
    for history_ms in (20, 200, 20):
        with pytest.raises(SystemExit):
            main([*map(str, words), "--history-ms", str(history_ms)])
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        times_s.append(row["time_to_target_s"])
    assert times_s[0] == times_s[2] != times_s[1]
