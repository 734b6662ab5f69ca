"""Sweeps of `decode`: the figures of `compare_decoders`, the same on every engine, and nothing twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import spikeloop
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.batch.slurm import ShareEngine
from spikeloop.streamer.launch.compare_decoders import compare_decoders
from spikeloop.streamer.launch.decode_sweep import decode_sweep as module
from spikeloop.streamer.launch.decode_sweep.cells import run_task
from spikeloop.streamer.launch.decode_sweep.decode_sweep import decode_sweep
from tests.support.command_line import fails, printed_by, run
from tests.support.html_outline import Outline

RECORDING = "m1-sim:20"
BROKEN = "class Broken:\n  def fit(self, *_): raise ValueError('not today')\n  def step(self, counts): ...\n"


@pytest.fixture
def here(monkeypatch) -> list[int]:
    """Every sweep runs in this process; the places of the cells that ran."""
    ran: list[int] = []

    class Here(ShareEngine):
        def run(self, work, tasks):
            for task, answer in super().run(work, tasks):
                ran.append(task.place)
                yield task, answer

    monkeypatch.setattr(module, "open_engine", lambda text, workers: Here(0, 1))
    return ran


def documents(out: Path) -> set[str]:
    return {file.read_text() for file in (out / "cells").iterdir()}


def test_figures_are_those_of_compare_decoders(tmp_path, here):
    result = decode_sweep(
        [RECORDING], ["ridge:2", "chance"], tmp_path, decoder_bins_s=[0.04, 0.1], seeds=[3, 4], folds=3
    )
    rows = {(row["decoder"], row["bin_ms"], row["seed"]): row for row in result.rows}
    assert len(rows) == 8
    for seed in (3, 4):
        alone = compare_decoders(RECORDING, ["ridge:2", "chance"], decoder_bins_s=[0.04, 0.1], seed=seed, folds=3)
        for score in alone.comparison.scores:
            row = rows[score.decoder, 1000 * score.bin_size_s, seed]
            assert row["r_squared_of_folds"] == score.recorded.r_squared.mean(axis=1).tolist()
            assert row["r_squared"] == score.recorded.r_squared.mean()
            assert row["falcon_r_squared"] == np.mean(score.recorded.variance_weighted)
            assert row["generated_r_squared"] is None
            assert row["history_ms"] == (None if score.history_s is None else pytest.approx(1000 * score.history_s))


def test_cells_on_processes_are_those_of_one(tmp_path):
    result = decode_sweep([RECORDING], ["kalman", "chance"], tmp_path, bundles=["none", "m1-sim"], workers=2)
    cells = module._cells([RECORDING], ["kalman", "chance"], ["none", "m1-sim"], (), [0], {})
    assert len(result.rows) == result.cells == 4
    assert documents(tmp_path) == {run_task(cell.task) for cell in cells}
    assert [row["generated_r_squared"] is None for row in result.rows] == [True, True, False, False]


def test_no_cell_that_is_done_runs_again_unless_its_recording_has_changed(tmp_path, here):
    recording = read_recording(RECORDING)
    path, out = tmp_path / "session.npz", tmp_path / "out"
    write_recording(recording, path)
    decode_sweep([str(path)], ["chance"], out)
    decode_sweep([str(path)], ["chance", "kalman"], out, seeds=[0, 1])
    assert here == [0, 1, 2, 3]
    decode_sweep([str(path)], ["chance"], out, folds=4)
    assert here[4:] == [0]
    write_recording(replace(recording, counts=recording.counts[..., ::-1]), path)
    decode_sweep([str(path)], ["chance"], out)
    assert here[5:] == [0]


def test_table_and_page_hold_every_cell(tmp_path, here):
    result = decode_sweep([RECORDING], ["kalman"], tmp_path, seeds=[0, 1])
    assert result.table is not None
    assert result.page is not None
    assert pyarrow.parquet.read_table(result.table).to_pylist() == list(result.rows)
    page = Outline(result.page.read_text())
    assert f"{RECORDING}, bundle: none" in page.text
    assert page.tags.count("tr") == 2
    assert str(result).splitlines()[0] == "2 of 2 cells; means over seeds, 95 % intervals"


def test_a_decoder_that_fails_is_a_row_with_the_reason(tmp_path, here):
    (tmp_path / "broken.py").write_text(BROKEN)
    broken = f"python:{tmp_path / 'broken.py'}:Broken"
    result = decode_sweep([RECORDING], [broken, "chance"], tmp_path / "out", in_process=True)
    assert "ValueError: not today" in result.rows[0]["failure"]
    assert result.rows[0]["r_squared"] is None
    assert result.rows[1]["failure"] == ""
    assert result.page is not None
    assert "ValueError: not today" in Outline(result.page.read_text()).text


def test_a_worker_that_finds_another_recording_says_so(tmp_path):
    (cell,) = module._cells([RECORDING], ["chance"], ["none"], (), [0], {})
    answer = run_task(json.dumps(json.loads(cell.task) | {"recording_sha256": "0" * 64}))
    assert "the worker found another recording of that name" in answer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recordings": []}, "RECORDING: expected different texts"),
        ({"recordings": [RECORDING, RECORDING]}, "RECORDING: expected different texts"),
        ({"decoders": "kalman"}, "--decoder: expected different texts, found 'kalman'"),
        ({"decoders": ["Kalman"]}, "found 'Kalman'"),
        ({"decoders": ["oracle"]}, "oracle"),
        ({"bundles": []}, "--bundle: expected different texts"),
        ({"bundles": ["nothing"]}, "nothing"),
        ({"decoder_bins_s": [0.03]}, "--bin-ms: expected 1 or more whole bins of 20 ms each, found 30 ms"),
        ({"decoder_bins_s": [0.1, 0.1]}, "--bin-ms: expected different widths"),
        ({"seeds": []}, "--seed: expected different seeds"),
        ({"seeds": [1, 1]}, "--seed: expected different seeds"),
        ({"folds": 1}, "--folds: expected"),
        ({"target": ["speed"]}, "speed"),
        ({"held_out": ["m1-sim:30"]}, "held_out: expected no such option in a sweep of decode"),
        ({"engine": "threads"}, "--engine: expected processes, dask:ADDRESS, slurm or slurm:I/N"),
    ],
)
def test_what_can_not_be_is_refused_before_any_cell(tmp_path, changes, message):
    given: dict[str, Any] = {"recordings": [RECORDING], "decoders": ["chance"], "out": tmp_path / "out"} | changes
    with pytest.raises((BadInputError, FailureError), match=message):
        decode_sweep(**given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("taken", [".", "cells", "results.parquet", "results.html"])
def test_what_is_in_the_way_of_the_results_is_found_before_any_cell(tmp_path, taken):
    out = tmp_path / "out"
    if taken in (".", "cells"):  # a file where a folder is to be
        (out / taken).parent.mkdir(exist_ok=True)
        (out / taken).touch()
    else:
        (out / taken).mkdir(parents=True)
    with pytest.raises(FailureError, match=f"could not write {out}"):
        decode_sweep(["absent.npz"], ["chance"], out)


def test_the_command_prints_the_table_and_says_how_to_go_on(tmp_path, here, capsys, monkeypatch):
    words = ["decodesweep", RECORDING, "--out", tmp_path, "--decoder", "chance", "--sessions", 2]
    document = printed_by(capsys, *words)
    assert (document["cells"], document["done"], len(document["rows"])) == (2, 2, 2)
    run(*words)
    assert f"table: {tmp_path / 'results.parquet'}\npage: {tmp_path / 'results.html'}" in capsys.readouterr().out
    monkeypatch.setattr(module, "run_cells", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    code, said = fails(capsys, *words)
    assert (code, "the same command goes on" in said) == (130, True)


def test_python_has_it_by_its_public_name():
    assert spikeloop.decode_sweep is decode_sweep
