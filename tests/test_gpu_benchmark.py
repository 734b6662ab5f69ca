"""`make gpu` where there is no GPU: it says so, and what it measures can be tried on the CPU."""

import subprocess

import pytest

from benchmarks import gpu
from spikeloop.exporters.bundle import load_bundle
from tests.support.places import REPOSITORY


def test_without_a_gpu_nothing_is_measured_and_that_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="no NVIDIA GPU was found .* nothing was measured"):
        gpu.measure(1.0)


def test_a_gpu_without_a_runtime_that_knows_it_is_named(monkeypatch):
    found = subprocess.CompletedProcess([], 0, "Card X\n", "")
    monkeypatch.setattr(gpu.subprocess, "run", lambda *given, **options: found)
    monkeypatch.setattr(gpu.import_onnxruntime(), "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SystemExit, match=r"^Card X: expected an ONNX Runtime with CUDA, found one with CPU"):
        gpu.measure(1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def rows(folder):
    return gpu.units_by_streams(folder, 0.02, ("cpu",), (6,), (1, 3))


def test_the_table_has_a_row_for_each_number_of_units_and_streams(rows):
    assert [(row["units"], row["streams"]) for row in rows] == [(6, 1), (6, 3)]
    assert all(row["cpu: times real time, all streams"] > 0 for row in rows)


def test_a_bin_that_is_cut_out_of_the_graph_can_be_run_with_inputs_and_outputs_bound(rows, folder):
    ways = gpu.one_bin(load_bundle(folder / "6"), "cpu")
    assert list(ways) == ["by the engine", "its graph alone, bound"]
    assert all(float(took) > 0 for took in ways.values())


def test_make_gpu_runs_the_tests_that_need_one_and_then_the_benchmark():
    recipe = (REPOSITORY / "Makefile").read_text().partition("\ngpu:")[2].partition("\n\n")[0]
    assert "tests/test_gpu.py" in recipe
    assert "benchmarks gpu" in recipe
    assert "--write" in recipe
