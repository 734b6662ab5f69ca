"""The bundles that ship: whole, and like the recordings they were trained on."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.examination import examine
from spikeloop.models.measures.decoding import r_squared
from spikeloop.models.measures.likeness import STATISTICS, distance, independent_units, statistics_of
from spikeloop.models.measures.response import response_likeness
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.models.recordings.recording import Recording, with_lead
from spikeloop.models.recordings.simulated_cortex import make_cortex, respond
from spikeloop.models.recordings.windows import hold_out
from spikeloop.streamer.commands.main import main
from spikeloop.streamer.source import open_source


@pytest.fixture(scope="module")
def generated() -> np.ndarray:
    return open_source(read_bundle("retina"), 0, "cpu").take(2000 * 32).reshape(2000, 32, 50)


@pytest.mark.parametrize("name", shipped_bundles())
def test_a_shipped_bundle_is_whole_and_named_as_its_folder(name):
    bundle = read_bundle(name)
    assert bundle.card.name == name
    assert bundle.critic
    assert bundle.card.training["recording"]["origin"]


def test_what_the_retina_bundle_streams_has_its_references_statistics(generated):
    """Without the recording: far nearer to the reference than independent units at the same rates are."""
    reference = read_bundle("retina").reference
    found = statistics_of(generated)
    shuffled = statistics_of(independent_units(generated, 2000, np.random.Generator(np.random.Philox(0))))
    assert np.corrcoef(found["rates"], reference["rates"])[0, 1] > 0.99
    for name in ("covariance", "lag-1 covariance", "population count", "autocorrelation"):
        assert distance(name, found[name], reference[name]) < 0.35 * distance(name, shuffled[name], reference[name])


def test_the_retina_bundle_is_like_the_repeats_it_never_saw(retina):
    bundle = read_bundle("retina")
    settings = bundle.card.training["settings"]
    examination = examine(retina, settings["hold_out"], bundle.card.window_bins, seed=1)
    likeness = examination.judge(
        lambda windows: open_source(bundle, 0, "cpu").take(windows * 32).reshape(windows, 32, 50)
    )
    ratios = {each.statistic: each.ratio for each in likeness}
    assert np.mean(list(ratios.values())) <= 1.5
    assert max(ratios.values()) <= 3


def test_the_retina_bundle_carries_what_was_measured_of_it():
    realism = read_bundle("retina").card.realism
    assert "held out from training" in realism["judged_on"]
    assert set(realism["statistics"]) == set(STATISTICS)
    assert realism["two_sample_auc"] <= 0.65
    assert 0.45 <= realism["memorisation_auc"] <= 0.55


def test_the_movie_bundle_answers_to_the_movie_as_the_cells_it_never_saw(retina: Recording):
    bundle = read_bundle("retina-movie")
    training, held_out = hold_out(retina, bundle.card.training["settings"]["hold_out"])
    repeats, bins = held_out.counts.shape[:2]
    phases = np.tile(np.arange(bins, dtype=np.float32), repeats)[:, np.newaxis]
    answers = open_source(bundle, 0, "cpu").take(len(phases), phases).reshape(held_out.counts.shape)
    random = np.random.Generator(np.random.Philox(0))
    found = response_likeness(answers, training.counts, held_out.counts, random)
    assert found.psth_correlation >= 0.97 * found.psth_reachable
    assert found.noise_correlation.ratio <= 1.5


def test_the_simulated_cortex_and_its_bundle_prefer_the_same_directions_at_the_same_rates():
    velocity = random_reaches(30_000, seed=5).velocity_cm_s
    truth = make_cortex()
    real = respond(truth, velocity, seed=6)
    model = open_source(read_bundle("m1-sim"), 0, "cpu").take(len(velocity), velocity.astype(np.float32))
    assert np.corrcoef(real.mean(axis=0), model.mean(axis=0))[0, 1] > 0.99
    found = [np.linalg.lstsq(velocity, counts - counts.mean(axis=0, dtype=np.float64), rcond=None)[0]
             for counts in (real, model)]  # fmt: skip
    tuned = np.hypot(*found[0]) > np.median(np.hypot(*found[0]))
    turned = np.angle(np.exp(1j * (np.arctan2(found[0][1], found[0][0]) - np.arctan2(found[1][1], found[1][0]))))
    assert np.degrees(np.abs(turned[tuned])).mean() < 8


def test_a_decoder_trained_on_the_motor_cortex_bundle_reads_the_real_one(data_folder: Path):
    bundle = read_bundle("m1_jango")
    recording = with_lead(find_recording("m1_jango", folder=data_folder), bundle.card.latency_bins)
    training, held_out = hold_out(recording, bundle.card.training["settings"]["hold_out"])
    answers = open_source(bundle, 0, "cpu").take(training.bins, training.conditions[0])
    decoder, found = RidgeDecoder(), []
    for counts in (training.counts[0], answers):
        decoder.fit(counts, training.conditions[0])
        found.append(r_squared(held_out.conditions[0], decode(decoder, held_out.counts[0])))
    real, synthetic = found
    assert np.all(synthetic >= 0.9 * real)


def test_a_kalman_filter_moves_the_cursor_of_the_simulated_cortex_to_nearly_every_target(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["closedloop", "--json"])  # as it comes: the simulated user, 64 center-out trials
    assert ended.value.code == 0
    (kalman,) = json.loads(capsys.readouterr().out)["decoders"]
    assert kalman["closed_loop"]["trials"] == 64
    assert kalman["closed_loop"]["success_rate"]["value"] >= 0.95
