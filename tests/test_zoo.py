"""The bundles that ship: whole, and like the recordings they were trained on."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import bundles, load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.measures.decoding_scores import r_squared
from spikeloop.models.measures.response import response_similarity
from spikeloop.models.measures.similarity import distance, independent_units, statistics_of
from spikeloop.models.measures.table import SPIKE_STATISTICS
from spikeloop.models.recordings.conditioning import with_lead
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.simulated_cortex import make_cortex, respond
from spikeloop.models.recordings.windows import hold_out
from spikeloop.models.training.validation import prepare_validation
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.launch.suitability import stretches_of
from spikeloop.streamer.stream.source import open_source


@pytest.fixture(scope="module")
def generated() -> np.ndarray:
    return open_source(load_bundle("retina"), 0, "cpu").next(2000 * 32).reshape(2000, 32, 50)


TWO_MINUTES = {  # SHA-256 of two minutes of counts, by bundle and seed, as every version since 0.1.0 streams them
    ("retina", 0): "1bf0fc68c759c817553c4c7712e3fddd5d299cf621ab714fbe7545167fc416fc",
    ("retina", 1): "6a1d03345c4d7c3b307b7df2dacb054f0858cc522c2a412497f1d59a68456ff1",
    ("retina-movie", 0): "fe58cc2b18d51104887b940162592f375ae736682cf31239b4066da0b877433f",
    ("retina-movie", 1): "ca397c5288c231f4667e96d189138e509eb5022ee7ecc5ef04c1ee040ff22ec6",
    ("m1_jango", 0): "9570e535e29cc727325622f79c51cfe3b3b9c74fafe6c5a0c37ded6cd99c0a8b",
    ("m1_jango", 1): "7aef13d4e984038c9213e22ed80d9d3e9406c1fc1cf118e8798bf37bed7727ae",
    ("m1-sim", 0): "25b595461b40f3352cd5ab275e293c7004adb57c9ef94a7798e12dc1833e782b",
    ("m1-sim", 1): "9728deaa446e459783e32983937c1a380829623c0fc26b98d799047d507dfb8f",
    ("spike-gan-retina", 0): "e3234353a900bdffdf9b9f51a19bc2cf437f616b9194c8c6ff11b6e9e1c9c70f",
    ("spike-gan-retina", 1): "4271e528049a9ed5fae2a15c075d04d0dea3a9adf2918c13ea5cf2359662ba54",
}


@pytest.mark.parametrize(("name", "seed"), TWO_MINUTES)
def test_a_shipped_bundle_streams_the_same_spikes_as_ever(name, seed):
    bundle = load_bundle(name)
    feed = open_offline_drive(None, bundle.card.channels)
    bins = round(120 / bundle.card.bin_size_s)
    counts = open_source(bundle, seed, "cpu").next(bins, feed.next(bins))
    assert sha256(counts.tobytes()).hexdigest() == TWO_MINUTES[name, seed]


@pytest.mark.parametrize("name", bundles())
def test_a_shipped_bundle_is_whole_and_named_as_its_folder(name):
    bundle = load_bundle(name)
    assert bundle.card.name == name
    assert bundle.critic
    assert bundle.card.training["recording"]["origin"]


def test_what_the_retina_bundle_streams_has_its_references_statistics(generated):
    """Without the recording: far nearer to the reference than independent units at the same rates are."""
    reference = load_bundle("retina").reference
    found = statistics_of(generated)
    shuffled = statistics_of(independent_units(generated, 2000, np.random.Generator(np.random.Philox(0))))
    assert np.corrcoef(found["rates"], reference["rates"])[0, 1] > 0.99
    for name in ("covariance", "lag_1_covariance", "population_count", "autocorrelation"):
        assert distance(name, found[name], reference[name]) < 0.35 * distance(name, shuffled[name], reference[name])


def test_the_retina_bundle_is_like_the_repeats_it_never_saw(retina):
    bundle = load_bundle("retina")
    settings = bundle.card.training["settings"]
    validation = prepare_validation(retina, settings["hold_out"], bundle.card.window_bins, seed=1)
    similarity = validation.judge(
        lambda windows: open_source(bundle, 0, "cpu").next(windows * 32).reshape(windows, 32, 50)
    )
    ratios = {each.statistic: each.ratio for each in similarity}
    assert np.mean(list(ratios.values())) <= 1.5
    assert max(ratios.values()) <= 3


def test_the_retina_bundle_carries_what_was_measured_of_it():
    realism = load_bundle("retina").card.realism
    assert "held out from training" in realism["judged_on"]
    assert set(realism["statistics"]) == set(SPIKE_STATISTICS)
    assert realism["two_sample_auc"] <= 0.7
    assert 0.45 <= realism["memorisation_auc"] <= 0.55


def test_windows_of_the_papers_spike_gan_are_nearer_to_the_repeats_they_never_saw_than_independent_units(retina):
    bundle = load_bundle("spike-gan-retina")
    assert (bundle.card.kind, bundle.card.window_bins) == ("window", 32)
    validation = prepare_validation(retina, bundle.card.training["settings"]["hold_out"], 32, seed=1)
    stream = open_source(bundle, 0, "cpu")
    similarity = validation.judge(lambda windows: stream.next(windows * 32).reshape(windows, 32, 50))
    assert np.mean([each.ratio for each in similarity]) <= 2.5
    for each in similarity:
        assert each.statistic == "rates" or each.error < 0.6 * each.ceiling


def test_the_calcium_bundle_is_like_the_trials_it_never_saw(data_folder: Path):
    recording, bundle = read_recording("calcium_odor", folder=data_folder), load_bundle("calcium_odor")
    assert bundle.card.signal == "fluorescence"
    validation = prepare_validation(recording, bundle.card.training["settings"]["hold_out"], 32, seed=1)
    traces = open_source(bundle, 0, "cpu")
    ratios = [each.ratio for each in validation.judge(lambda windows: traces.next(windows * 32).reshape(-1, 32, 49))]
    assert np.mean(ratios) <= 2


def test_the_movie_bundle_answers_to_the_movie_as_the_cells_it_never_saw(retina: Recording):
    bundle = load_bundle("retina-movie")
    training, held_out = hold_out(retina, bundle.card.training["settings"]["hold_out"])
    repeats, bins = held_out.counts.shape[:2]
    phases = np.tile(np.arange(bins, dtype=np.float32), repeats)[:, np.newaxis]
    answers = open_source(bundle, 0, "cpu").next(len(phases), phases).reshape(held_out.counts.shape)
    random = np.random.Generator(np.random.Philox(0))
    found = response_similarity(answers, training.counts, held_out.counts, random)
    assert found.psth_correlation >= 0.97 * found.psth_reachable
    assert found.noise_correlation.ratio <= 1.5


def test_the_simulated_cortex_and_its_bundle_prefer_the_same_directions_at_the_same_rates():
    velocity = random_reaches(30_000, seed=5).velocity_cm_s
    truth = make_cortex()
    real = respond(truth, velocity, seed=6)
    model = open_source(load_bundle("m1-sim"), 0, "cpu").next(len(velocity), velocity.astype(np.float32))
    assert np.corrcoef(real.mean(axis=0), model.mean(axis=0))[0, 1] > 0.99
    found = [np.linalg.lstsq(velocity, counts - counts.mean(axis=0, dtype=np.float64), rcond=None)[0]
             for counts in (real, model)]  # fmt: skip
    tuned = np.hypot(*found[0]) > np.median(np.hypot(*found[0]))
    turned = np.angle(np.exp(1j * (np.arctan2(found[0][1], found[0][0]) - np.arctan2(found[1][1], found[1][0]))))
    assert np.degrees(np.abs(turned[tuned])).mean() < 8


def test_a_decoder_trained_on_the_motor_cortex_bundle_reads_the_real_one(data_folder: Path):
    bundle = load_bundle("m1_jango")
    recording = with_lead(read_recording("m1_jango", folder=data_folder), bundle.card.latency_bins)
    training, held_out = hold_out(recording, bundle.card.training["settings"]["hold_out"], stretches_of(bundle.card))
    answers = open_source(bundle, 0, "cpu").next(training.bins, training.conditions[0])
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
