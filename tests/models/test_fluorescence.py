"""Imaging all the way: learned, judged, resumed, exported, generated, evaluated and streamed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import Settings, load_gan_family
from spikeloop.models.measures.similarity import independent_units, statistics_of
from spikeloop.models.measures.table import SPIKE_STATISTICS, TRACE_STATISTICS
from spikeloop.models.recordings.checks import checked_fluorescence
from spikeloop.models.recordings.recording import Recording, from_fluorescence
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.models.training.checkpoint import read_checkpoint
from spikeloop.models.training.run import Training
from spikeloop.models.training.trainer import train
from spikeloop.streamer.stream.source import open_source
from tests.support.training import export_no_importance

FRAMES = 40


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Decaying transients, most of them shared."""
    random = np.random.Generator(np.random.Philox(5))
    light = np.zeros((60, FRAMES, 4))
    for frame in range(1, FRAMES):
        shared, own = random.random((60, 1)) < 0.2, random.random((60, 4)) < 0.05
        light[:, frame] = 0.8 * light[:, frame - 1] + random.gamma(2.0, 3.0, (60, 4)) * (shared | own)
    return from_fluorescence(light, 0.05, name="imaged")


def small(**options) -> Settings:
    sizes = {"features": 8, "batch": 8, "state_size": 16, "drive_size": 8, "likelihood_batch": 8, "critic_lead": 1}
    config = replace(load_gan_family("causal_gan").presets["short"], **(sizes | options))
    return Settings("causal_gan", "short", config)


def test_traces_are_judged_by_their_own_statistics_and_counts_by_theirs(recording):
    windows = cut_windows(recording, 8)
    assert list(statistics_of(windows)) == list(TRACE_STATISTICS)
    assert list(statistics_of(windows.astype(np.uint8))) == list(SPIKE_STATISTICS)
    np.testing.assert_allclose(statistics_of(windows)["means"], recording.counts.mean(axis=(0, 1)), rtol=1e-5)


def test_an_validation_tells_traces_of_the_same_cells_from_independent_ones(recording):
    run = Training(recording, small(), "cpu")
    random = np.random.Generator(np.random.Philox(1))
    real = cut_windows(run.validation.training, 8)
    assert list(run.validation.reference()) == list(TRACE_STATISTICS)

    def perfect(windows):
        return cut_windows(run.validation.training, 32)[random.integers(48, size=windows)]

    def independent(windows):
        return independent_units(perfect(48), windows, random)

    assert real.dtype == np.float32
    ratios = [{each.statistic: each.ratio for each in run.validation.judge(each)} for each in (perfect, independent)]
    assert list(ratios[0]) == list(TRACE_STATISTICS)
    for name in ("autocorrelation", "covariance", "lag_1_covariance"):
        assert ratios[1][name] > 1.5 * ratios[0][name]
    assert run.validation.distance_to_training(independent) > 1.5 * run.validation.distance_to_training(perfect)


def test_the_odds_of_transients_are_not_shifted_but_the_stage_is_chosen(recording, tmp_path, monkeypatch):
    run = Training(recording, small(likelihood_steps=2), "cpu")
    errors = {0: 1.0, 1: 2.0}  # the second stage did harm
    monkeypatch.setattr(
        type(run.validation),
        "distance_to_training",
        lambda self, sample: errors[int(not run.model.keeps_first_stage)],
    )
    similarity = train(run, tmp_path, None, steps=4)
    assert [each.statistic for each in similarity] == list(TRACE_STATISTICS)
    assert not run.model.calibration.any()
    assert run.model.keeps_first_stage


def test_a_resumed_training_goes_on_as_if_nothing_had_happened(recording, tmp_path):
    whole, first, second = (Training(recording, small(likelihood_steps=2), "cpu") for _ in range(3))
    train(whole, tmp_path / "whole", None, steps=4)
    train(first, tmp_path / "cut", None, steps=3)
    train(second, tmp_path / "cut", None, steps=4)
    assert whole.similarity == second.similarity
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())


def run(capsys, *arguments: object) -> dict:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments), "--json"])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return json.loads(printed.out)


@pytest.mark.parametrize("largest", [1e16, 1e39, 1e300])
def test_traces_whose_squares_float32_does_not_hold_are_refused(largest):
    traces = np.ones((50, 2))
    traces[7, 1] = largest
    with pytest.raises(BadInputError, match="fluorescence of at most 1e\\+15, found .*; divide all by its scale"):
        checked_fluorescence(traces, "bright")


@pytest.fixture
def data(recording, tmp_path) -> Path:
    path = tmp_path / "imaged.npz"
    np.savez(path, fluorescence=recording.counts, bin_size_s=recording.bin_size_s)
    return path


@pytest.mark.long
@pytest.mark.usefixtures("few_trees")
def test_from_a_file_of_traces_to_a_stream_of_them(start, data, tmp_path, stream_name, capsys, monkeypatch):
    monkeypatch.setitem(load_gan_family("causal_gan").presets, "traces", small().config)
    export_no_importance(monkeypatch)
    out, mine = tmp_path / "run", tmp_path / "mine"
    trained = run(capsys, "train", "--data", data, "--condition", "none", "--out", out, "--steps", 3, "--device", "cpu")
    assert [row["statistic"] for row in trained["realism"]] == list(TRACE_STATISTICS)
    arrays, _ = read_checkpoint(out)
    assert {name.removeprefix("reference.") for name in arrays if name.startswith("reference.")} == set(
        TRACE_STATISTICS
    )
    run(capsys, "export", out, "--out", mine)
    bundle = load_bundle(mine)
    assert (bundle.card.signal, set(bundle.reference)) == ("fluorescence", set(TRACE_STATISTICS))
    run(capsys, "generate", mine, "--duration", 2, "--out", tmp_path / "traces.npz")
    with np.load(tmp_path / "traces.npz") as written:
        traces = next(value for value in written.values() if value.ndim == 2)
    np.testing.assert_array_equal(traces, open_source(bundle, 0, "cpu").next(FRAMES))
    judged = run(capsys, "evaluate", mine, "--data", data, "--report", tmp_path / "report.html")
    assert [row["statistic"] for row in judged["statistics"]] == [
        *TRACE_STATISTICS, "cross_correlograms", "participation_ratio"
    ]  # fmt: skip
    assert judged["judged_on"] == "1 of 5 repeats, held out from training"
    streamed = start("stream", mine, "--name", stream_name, "--duration", 0.5, "--json")
    printed, errors = streamed.communicate(timeout=280)
    assert streamed.returncode == 0, errors
    assert json.loads(printed)["bins"] == 10


def test_the_file_is_read_as_it_was_recorded(recording, data):
    read = read_recording(data)
    assert read.signal == "fluorescence"
    np.testing.assert_array_equal(read.counts, recording.counts)
