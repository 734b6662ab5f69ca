"""Whatever lies behind the end of a short repeat is no data: nothing that reads a recording changes with it."""

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.exporters.pages.responses import draw_decoding
from spikeloop.exporters.pages.windows import window_sections
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import OfflineTask, compare_offline, decodable_of
from spikeloop.models.evaluation.responses import evaluate_responses, respond, split_as_trained
from spikeloop.models.evaluation.windows import evaluate, windows_of_samples
from spikeloop.models.families.dichotomized_gaussian import DichotomizedGaussianConfig
from spikeloop.models.families.dichotomized_gaussian import fit as fit_gaussian
from spikeloop.models.families.k_pairwise import KPairwiseConfig
from spikeloop.models.families.k_pairwise import fit as fit_pairwise
from spikeloop.models.families.population import population_of
from spikeloop.models.families.registry import suited_preset
from spikeloop.models.recordings.conditioning import with_conditions, with_lead, with_phase, without_last_bins
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.repeats import join_recorded, split_repeats
from spikeloop.models.recordings.requirements import require_binary
from spikeloop.models.training.validation import describe_recording, prepare_validation
from tests.support.unequal import unequal, with_garbage

LENGTHS = [40, 64, 97, 33, 50, 120, 20, 71, 35, 90] * 4


@pytest.fixture(scope="module")
def recording():
    return unequal(LENGTHS)


def joined(recording: Recording) -> Recording:
    """The same bins as one repeat without an end."""
    counts, values = (join_recorded(part, recording.lengths) for part in (recording.counts, recording.conditions))
    names = [channel.name for channel in recording.channels]
    return with_conditions(from_counts(counts, recording.bin_size_s), values, names)


def same(one, other) -> None:
    """Make sure that two results hold the same numbers."""
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            same(mine, its)
    elif isinstance(one, float):
        assert one == other or (np.isnan(one) and np.isnan(other))
    else:
        assert one == other


def recorded_of(recording: Recording) -> list:
    """All that a recording holds."""
    parts = [split_repeats(part, recording.lengths) for part in (recording.counts, recording.conditions)]
    return [*parts, recording.bins_of_repeats, recording.starts_s]


@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=20).filter(lambda found: len(set(found)) > 1),
    lead=st.integers(0, 8),
)
@settings(max_examples=40, deadline=None)
def test_recordings_and_their_parts_say_the_same_with_garbage_behind_short_repeats(lengths, lead):
    recording = unequal(lengths)
    garbage = with_garbage(recording)
    same(garbage.rates_hz, recording.rates_hz)
    same(garbage.rates_hz, joined(recording).rates_hz)
    same(describe_recording(garbage), describe_recording(recording))
    same(asdict(population_of(garbage)), asdict(population_of(recording)))
    require_binary(garbage, "a model")
    assert suited_preset("causal_gan", garbage) == suited_preset("causal_gan", recording)
    if lead < max(lengths):
        same(recorded_of(with_lead(garbage, lead)), recorded_of(with_lead(recording, lead)))
        same(recorded_of(without_last_bins(garbage, lead)), recorded_of(without_last_bins(recording, lead)))


def test_a_lead_is_cut_from_each_repeats_own_end(recording):
    long = [i for i, bins in enumerate(LENGTHS) if bins > 20]
    led = with_lead(with_garbage(recording), 20)
    alone = [with_lead(part_of(recording, slice(i, i + 1)), 20) for i in long]
    assert led.bins_of_repeats.tolist() == [one.bins for one in alone]
    same(split_repeats(led.counts, led.lengths), [one.counts[0] for one in alone])
    same(split_repeats(led.conditions, led.lengths), [one.conditions[0] for one in alone])


def test_conditions_are_ranged_by_what_was_recorded(recording):
    values = with_garbage(recording).conditions + 100
    driven = with_conditions(recording, values, ["a", "b"])
    assert min(channel.low for channel in driven.channels) > 1
    assert np.isfinite(driven.conditions).all()


def test_a_phase_needs_repeats_of_one_length(recording):
    with pytest.raises(BadInputError, match=r"expected repeats of one length.*found 20 to 120 bins; cut them"):
        with_phase(recording)


def test_baselines_fit_recorded_bins_alone(recording):
    few = KPairwiseConfig(chains=256, steps=20)
    for fit in (partial(fit_pairwise, config=few), partial(fit_gaussian, config=DichotomizedGaussianConfig(lags=5))):
        same(dict(fit(with_garbage(recording)).arrays()), dict(fit(recording).arrays()))
    same(dict(fit_pairwise(with_garbage(recording), few).arrays()), dict(fit_pairwise(joined(recording), few).arrays()))
    model = fit_gaussian(recording, DichotomizedGaussianConfig(lags=5))
    assert len(model.thresholds) == 1  # of every bin, as the repeats are those of no stimulus


def test_a_dichotomized_gaussian_is_alike_of_repeats_that_never_had_padding():
    """Of 30 repeats of 50 bins, kept as they are or as if one of them were a bin longer than recorded."""
    equal = unequal([50] * 30)
    counts = np.concatenate([equal.counts, np.full((30, 1, 4), 200, np.uint8)], axis=1)
    counts = np.concatenate([counts, np.zeros((1, 51, 4), np.uint8)])
    padded = replace(equal, counts=counts, driven_by=None, channels=(), lengths=(*[50] * 30, 1))
    config = DichotomizedGaussianConfig(lags=5, repeats_for_phases=1000)
    one, other = fit_gaussian(part_of(padded, slice(0, 30)), config), fit_gaussian(equal, config)
    same(dict(one.arrays()), dict(other.arrays()))
    whole = fit_gaussian(padded, config)
    np.testing.assert_allclose(whole.thresholds, other.thresholds, atol=0.01)
    np.testing.assert_allclose(whole.filter, other.filter, atol=0.02)


def test_validation_leaves_short_repeats_out(recording):
    one, other = (prepare_validation(each, 5, 32, 0) for each in (recording, with_garbage(recording)))
    same(one.reference(), other.reference())
    same(one.expected_counts(), other.expected_counts())
    same([asdict(row) for row in one.judge(sampled)], [asdict(row) for row in other.judge(sampled)])
    assert min(one.training.bins_of_repeats) >= 32
    assert min(one.judged.bins_of_repeats) >= 32


def sampled(windows: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(5)).binomial(1, 0.15, (windows, 32, 4)).astype(np.uint8)


def test_evaluations_of_windows_are_the_same(recording):
    parts = [split_as_trained(each, "model", (), 0, 4) for each in (recording, with_garbage(recording))]
    found = [evaluate(sampled(900), part.training, part.held_out) for part in parts]
    same(found[0].to_dict(), found[1].to_dict())
    same(windows_of_samples(with_garbage(recording), 16), windows_of_samples(recording, 16))
    assert "unequal length" in window_sections(found[1], parts[1].held_out, None)[-1].content


def test_samples_of_the_recording_itself_are_like_it(recording):
    """Were padding in it, silent windows would make up a third of either."""
    parts = split_as_trained(with_garbage(recording), "model", (), 0, 4)
    found = evaluate(windows_of_samples(unequal(LENGTHS * 4, seed=0), 16), parts.training, parts.held_out)
    assert found.mean_ratio < 3
    assert found.held_out.max() == 1


def answer(bins: int, conditions: np.ndarray) -> np.ndarray:
    assert conditions.shape == (bins, 2)
    assert np.isfinite(conditions).all()
    return (conditions[:, [0, 1, 0, 1]] > [0, 0, 1, 1]).astype(np.uint8)


@pytest.mark.parametrize("lead", [0, 3])
def test_answers_are_judged_at_recorded_bins(lead):
    recording = unequal([*LENGTHS, *LENGTHS, *LENGTHS])
    documents = []
    for each in (recording, with_garbage(recording)):
        parts = split_as_trained(each, "model", each.channels, lead, 4)
        judged = evaluate_responses(respond(answer, parts, 2), parts)
        documents.append(judged.to_dict())
        assert "R²" in draw_decoding(judged)
    same(*documents)


def test_decoders_are_fitted_and_scored_on_recorded_bins(recording):
    task = OfflineTask((0, 1), lag_bins=2, widths=(1, 3), folds=5)
    decoders = {"ridge": RidgeDecoder, "Kalman": KalmanDecoder}
    scores = [
        compare_offline(lambda name, size: decoders[name](), tuple(decoders), task, each)
        for each in (recording, with_garbage(recording))
    ]
    for one, other in zip(*scores, strict=True):
        same(one.recorded.r_squared, other.recorded.r_squared)
        same(one.recorded.correlation, other.recorded.correlation)


@pytest.mark.parametrize("width", [1, 3, 25])
def test_wide_bins_lie_inside_repeats(recording, width):
    found = decodable_of(with_garbage(recording), (1, 0), 2, width)
    alone = [
        decodable_of(part_of(recording, slice(i, i + 1)), (1, 0), 2, width)
        for i, bins in enumerate(LENGTHS)
        if bins >= 2 + width
    ]
    same(found.counts, np.concatenate([one.counts for one in alone]))
    same(found.kinematics, np.concatenate([one.kinematics for one in alone]))
