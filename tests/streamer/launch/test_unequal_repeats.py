"""A recording in trials of unequal length, all the way: trained on, exported, streamed, judged, decoded."""

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.bundle import Bundle
from spikeloop.models.families import causal_gan
from spikeloop.models.recordings.conditioning import without_conditions
from tests.support.tiny import tiny_stream_bundle
from tests.support.training import calibrate_briefly
from tests.support.unequal import unequal, with_garbage

pytestmark = pytest.mark.usefixtures("brief_verdicts")

LENGTHS = [40, 64, 97, 33, 50, 120, 20, 71, 35, 90] * 8


@pytest.fixture(scope="module")
def recordings() -> list[spikeloop.Recording]:
    """One recording, with nothing and with nonsense behind its short trials."""
    return [unequal(LENGTHS), with_garbage(unequal(LENGTHS))]


@pytest.fixture(scope="module")
def driven(recordings, tmp_path_factory) -> Bundle:
    """A bundle that answers to the recording's velocities, and was not trained."""
    path = tmp_path_factory.mktemp("driven") / "tiny"
    return tiny_stream_bundle(path, channels=recordings[0].channels, bin_size_s=recordings[0].bin_size_s)


def test_a_network_learns_from_recorded_bins_alone(recordings, tmp_path, monkeypatch, capsys):
    small = causal_gan.CausalGanConfig(
        likelihood_steps=1, likelihood_batch=4, batch=4, critic_lead=1, features=4, encoder_size=4, lead_in_bins=16,
        state_size=8, drive_size=8,
    )  # fmt: skip
    monkeypatch.setitem(causal_gan.PRESETS, "fast", small)
    calibrate_briefly(monkeypatch)
    options = {"preset": "fast", "steps": 2, "device": "cpu", "condition": "recorded", "lead_ms": 40, "hold_out": 3}
    models = [spikeloop.train(each, out=tmp_path / str(i), **options) for i, each in enumerate(recordings)]
    told = " ".join(capsys.readouterr().err.split())
    assert "8 of 80 repeats, shorter than a window of 32 bins, are left out" in told
    assert models[0].similarity == models[1].similarity


def test_a_baseline_is_trained_exported_streamed_and_judged(recordings, tmp_path):
    recording = without_conditions(recordings[1])
    model = spikeloop.train(recording, out=tmp_path / "run", family="dichotomized_gaussian", hold_out=3)
    bundle = model.export(tmp_path / "mine.zip")
    assert bundle.card.training["recording"]["repeats"] == len(LENGTHS)
    assert spikeloop.generate(bundle, 1.0).counts.shape == (1, 50, 4)
    report = spikeloop.evaluate(bundle, recording, hold_out=3)
    assert "held out from training" in report.judged_on
    assert "shorter than a window" in report.judged_on
    assert 0 < report.mean_ratio < 3  # as near as another recording, or almost


def test_answers_to_conditions_are_judged(recordings, driven):
    report = spikeloop.evaluate(driven, recordings[1], hold_out=3)
    assert report.answers is not None
    assert report.answers.continuous is not None
    assert report.subject.samples.lengths is not None
    assert np.isfinite(report.mean_ratio)


def test_decoders_are_ranked_on_a_bundles_answers(recordings, driven, tmp_path):
    rankings = [
        spikeloop.compare_decoders(recording, ["ridge:3", "kalman", "chance"], bundle=driven, folds=3)
        for recording in recordings
    ]
    assert rankings[0].to_dict() == rankings[1].to_dict()
    rankings[1].write_report(tmp_path / "ranking.html")
