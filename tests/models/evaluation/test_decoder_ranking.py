"""Decoders compared offline, on recorded counts and on a model's."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.decoders.cross_validation import cross_validate, score_segments
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.evaluation.decoder_ranking import (
    OfflineTask,
    Split,
    answered,
    as_recorded,
    compare_offline,
    decodable_of,
)
from spikeloop.models.evaluation.rank_agreement import rank_correlation
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.measures.decoding_scores import Decodable
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from tests.support.reaching import moving

NAMES = ("velocity x", "velocity y")


def recording_of(data: Decodable, repeats: int = 1) -> Recording:
    """With the kinematics as conditions."""
    counts, kinematics = (each.reshape(repeats, -1, each.shape[1]) for each in (data.counts, data.kinematics))
    return with_conditions(from_counts(counts, 0.02), kinematics, NAMES)


@pytest.fixture
def recording(random) -> Recording:
    return recording_of(moving(random, 1200))


def make(name, bin_size_s):
    return {
        "kalman": KalmanDecoder,
        "wiener": lambda: RidgeDecoder(1, WIENER_PENALTIES),
        "long": lambda: RidgeDecoder(round(0.2 / bin_size_s), WIENER_PENALTIES),
    }[name]()


def test_repeats_are_joined_in_whole_runs(random):
    recording = recording_of(moving(random, 66), repeats=3)  # of 22 bins: 5 runs of 4
    found = decodable_of(recording, (1,), width=4)
    np.testing.assert_array_equal(found.counts, recording.counts[:, :20].reshape(60, -1))
    np.testing.assert_array_equal(found.kinematics, recording.conditions[:, :20, 1].reshape(60, 1))


def test_kinematics_come_by_the_lag_later_than_counts(recording):
    found = decodable_of(recording, (0, 1), lag_bins=3)
    np.testing.assert_array_equal(found.counts, recording.counts[0, :-3])
    np.testing.assert_array_equal(found.kinematics, recording.conditions[0, 3:])


@pytest.mark.parametrize(("lag_bins", "width"), [(19, 2), (0, 21)])
def test_a_repeat_too_short_for_a_lag_and_a_run_is_refused(random, lag_bins, width):
    recording = recording_of(moving(random, 60), repeats=3)
    with pytest.raises(BadInputError, match=f"at least {lag_bins + width} bins"):
        decodable_of(recording, (0,), lag_bins, width)


def test_fluorescence_is_refused(random):
    imaged = with_conditions(from_fluorescence(random.random((200, 3)), 0.1), random.random((200, 2)), NAMES)
    with pytest.raises(BadInputError, match="needs spike counts"):
        compare_offline(make, ["kalman"], OfflineTask((0, 1)), imaged)


def test_a_recording_is_cross_validated_at_every_width(recording):
    seen = []
    task = OfflineTask((1, 0), lag_bins=1, widths=(2, 1), folds=4)
    scores = compare_offline(make, ["long", "kalman"], task, recording, on_progress=lambda: seen.append(None))
    assert [(each.decoder, each.bin_size_s) for each in scores] == [
        ("long", 0.04), ("kalman", 0.04), ("long", 0.02), ("kalman", 0.02),
    ]  # fmt: skip
    assert len(seen) == 4
    for score, width in zip(scores, (2, 2, 1, 1), strict=True):
        data = decodable_of(recording, (1, 0), 1, width)
        expected = cross_validate(lambda score=score: make(score.decoder, score.bin_size_s), data, 4, width)
        np.testing.assert_array_equal(score.recorded.r_squared, expected.r_squared)
        np.testing.assert_array_equal(score.recorded.correlation, expected.correlation)
        assert score.generated is None


class FailsAtWideBins(KalmanDecoder):
    """Of bins of 40 ms, whose counts are higher."""

    def fit(self, counts, kinematics):
        if counts.max() > 4:
            raise FailureError("too much")
        super().fit(counts, kinematics)


def test_a_decoder_that_fails_has_no_score_at_any_width_and_ends_no_other(recording):
    def make_one(name, bin_size_s):
        return FailsAtWideBins() if name == "fails" else make(name, bin_size_s)

    task = OfflineTask((0, 1), widths=(1, 4, 8))
    counts = np.minimum(recording.counts, 2)
    recording, failed, done = replace(recording, counts=counts), [], []
    scores = compare_offline(
        make_one, ["fails", "kalman"], task, recording, on_progress=lambda: done.append(None),
        on_failure=lambda name, error: failed.append((name, str(error))),
    )  # fmt: skip
    alone = compare_offline(make_one, ["kalman"], task, recording)
    assert failed == [("fails", "too much")]
    assert len(done) == 6
    for score, expected in zip(scores, alone, strict=True):
        assert (score.decoder, score.bin_size_s) == ("kalman", expected.bin_size_s)
        np.testing.assert_array_equal(score.recorded.r_squared, expected.recorded.r_squared)
    with pytest.raises(FailureError, match="too much"):
        compare_offline(make_one, ["fails", "kalman"], task, recording)


def test_a_split_is_fitted_on_one_part_and_judged_on_the_other(random, recording):
    other = recording_of(moving(random, 600))
    task = OfflineTask((0, 1))
    (score,) = compare_offline(make, ["kalman"], task, Split(recording, other), Split(other, recording))
    one, two = (decodable_of(each, (0, 1)) for each in (recording, other))
    for found, training, test in ((score.recorded, one, two), (score.generated, two, one)):
        expected = score_segments(KalmanDecoder, training, test)
        assert found is not None
        np.testing.assert_array_equal(found.r_squared, expected.r_squared)


@pytest.mark.parametrize(("widths", "folds", "refused"), [((1,), 61, True), ((1,), 60, False), ((1, 13), 5, True)])
def test_too_few_bins_in_a_fold_are_refused_before_any_decoder_is_made(recording, widths, folds, refused):
    class Reached(Exception):
        pass

    def none(name, bin_size_s):
        raise Reached

    expected, message = (BadInputError, "at least 20 bins in each") if refused else (Reached, None)
    with pytest.raises(expected, match=message):
        compare_offline(none, ["kalman"], OfflineTask((0, 1), widths=widths, folds=folds), recording)


def test_a_model_answers_to_what_drove_it_and_is_read_at_the_movement_of_the_moment(recording):
    """Its counts are the sign of the condition that they were given, so they show the bins by which it leads."""
    given = []

    def stream(bins, conditions):
        given.append(conditions)
        return (conditions > 0).astype(np.uint8).repeat(6, axis=1)

    parts = split_as_trained(recording, "model", recording.channels, lead_bins=3, every=5)
    split, own = answered(stream, parts), as_recorded(parts)
    moved = recording.conditions[0]
    np.testing.assert_array_equal(np.concatenate(given), moved[3:])
    assert [len(each) for each in given] == [split.training.bins, split.held_out.bins]
    first = split.training.bins
    for part, recorded, begin in ((split.training, own.training, 0), (split.held_out, own.held_out, first)):
        bins = slice(begin, begin + part.bins)
        np.testing.assert_array_equal(part.conditions[0], moved[bins])
        np.testing.assert_array_equal(recorded.conditions[0], moved[bins])
        np.testing.assert_array_equal(recorded.counts[0], recording.counts[0, bins])
        later = moved[begin + 3 : begin + 3 + part.bins]
        np.testing.assert_array_equal(part.counts[0, :, ::6], later > 0)


def test_repeats_are_answered_one_by_one(random):
    recording = recording_of(moving(random, 600), repeats=10)
    parts = split_as_trained(recording, "model", recording.channels, lead_bins=0, every=5)
    split = answered(lambda bins, conditions: np.full((bins, 12), len(conditions), np.uint8), parts)
    assert split.training.counts.shape == (8, 60, 12)
    assert split.held_out.counts.shape == (2, 60, 12)
    assert (split.held_out.counts == 60).all()


def test_a_twin_ranks_decoders_alike_and_noise_scores_none(random):
    """Other counts of the same tuning, beside counts that know nothing of the movement."""
    training, test = (recording_of(moving(random, bins)) for bins in (2000, 1000))
    recorded = Split(training, test)
    shuffled = [replace(each, counts=each.counts[:, random.permutation(each.bins)]) for each in (training, test)]
    twins = [recording_of(moving(random, bins)) for bins in (2000, 1000)]
    names, task = ["kalman", "wiener", "long"], OfflineTask((0, 1))
    alike = compare_offline(make, names, task, recorded, Split(*twins))
    assert rank_correlation(alike) == pytest.approx(1)
    for score in compare_offline(make, names, task, recorded, Split(*shuffled)):
        assert score.generated is not None
        assert score.generated.r_squared.mean() < 0.05 < 0.3 < score.recorded.r_squared.mean()
