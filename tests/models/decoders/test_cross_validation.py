import itertools

import numpy as np
import pytest
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.model_selection

from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.cross_validation import (
    DecoderComparison,
    compare_decoders,
    cross_validate,
    score_segments,
)
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import Decodable, fold_mean
from tests.support.reaching import moving, reaching


def test_more_of_the_same_teaches_as_much_and_swapped_units_nothing(random):
    training, same, test = reaching(random, 3000), reaching(random, 3000), reaching(random, 1500)
    rows = compare_decoders(training, same, test)
    assert [(row.decoder, row.column) for row in rows] == [(name, k) for name in ("ridge", "Kalman") for k in range(4)]
    for row in rows:
        assert row.ratio == pytest.approx(1, abs=0.1)
        assert row.ratio == row.synthetic / row.real
    swapped = Decodable(np.roll(same.counts, 1, axis=1), same.kinematics)
    for row in compare_decoders(training, swapped, test):
        assert row.synthetic < 0.3 < row.real
    assert np.isnan(DecoderComparison("ridge", 0, real=-0.1, synthetic=0.5).ratio)


def test_cross_validation_is_scikit_learns(random):
    data = reaching(random, 502)
    found = cross_validate(lambda: RidgeDecoder(1, WIENER_PENALTIES), data, folds=4)
    model, folds = sklearn.linear_model.LinearRegression(), sklearn.model_selection.KFold(4)
    for row, (kept, left_out) in enumerate(folds.split(data.counts)):
        decoded = model.fit(data.counts[kept], data.kinematics[kept]).predict(data.counts[left_out])
        truth = data.kinematics[left_out]
        expected = sklearn.metrics.r2_score(truth, decoded, multioutput="raw_values")
        np.testing.assert_allclose(found.r_squared[row], expected, atol=1e-6)
        correlations = [np.corrcoef(*pair)[0, 1] for pair in zip(truth.T, decoded.T, strict=True)]
        np.testing.assert_allclose(found.correlation[row], correlations, atol=1e-6)


def test_cross_validation_tells_a_reader_from_chance(random):
    data = reaching(random, 3000)
    read, guessed = (cross_validate(make, data) for make in (KalmanDecoder, lambda: ChanceDecoder(random)))
    assert read.r_squared.shape == read.correlation.shape == (5, 4)
    assert (read.correlation > 0.5).all()
    assert (guessed.r_squared.mean(axis=0) < 0).all()
    assert (np.abs(guessed.correlation.mean(axis=0)) < 0.3).all()


def test_segments_of_test_data_are_scored_each_by_itself(random):
    training, test = reaching(random, 1000), reaching(random, 103)
    found = score_segments(KalmanDecoder, training, test, segments=4)
    decoder = KalmanDecoder()
    decoder.fit(training.counts, training.kinematics)
    decoded = np.stack([decoder.step(counts) for counts in test.counts])
    bounds = [0, 26, 52, 78, 103]
    for row, (begin, end) in enumerate(itertools.pairwise(bounds)):
        expected = sklearn.metrics.r2_score(test.kinematics[begin:end], decoded[begin:end], multioutput="raw_values")
        np.testing.assert_allclose(found.r_squared[row], expected)
    assert found.correlation.shape == (4, 4)
    for segments in (1, 104):
        with pytest.raises(BadInputError, match="2 segments or more of 103 bins"):
            score_segments(KalmanDecoder, training, test, segments)


def held(training, test, width):
    """What least squares decode from wide bins, held over each."""
    seen, told, counts = (
        each.reshape(-1, width, each.shape[1]) for each in (training.counts, training.kinematics, test.counts)
    )
    model = sklearn.linear_model.LinearRegression().fit(seen.sum(axis=1), told.mean(axis=1))
    return model.predict(counts.sum(axis=1)).repeat(width, axis=0)


def test_what_is_decoded_from_wide_bins_is_held_and_judged_by_every_bin(random):
    training, test = moving(random, 202), moving(random, 103)
    found = score_segments(lambda: RidgeDecoder(1, WIENER_PENALTIES), training, test, segments=4, width=4)
    seen, read = (
        Decodable(each.counts[:bins], each.kinematics[:bins]) for each, bins in ((training, 200), (test, 100))
    )
    decoded = held(seen, read, 4)
    for row, (begin, end) in enumerate(itertools.pairwise([0, 28, 52, 76, 100])):  # of 7, 6, 6 and 6 runs
        truth = test.kinematics[begin:end]
        expected = sklearn.metrics.r2_score(truth, decoded[begin:end], multioutput="raw_values")
        np.testing.assert_allclose(found.r_squared[row], expected, atol=1e-6)


def test_cross_validation_of_wide_bins_holds_out_whole_runs(random):
    data = moving(random, 403)
    found = cross_validate(lambda: RidgeDecoder(1, WIENER_PENALTIES), data, folds=3, width=4)
    for row, (begin, end) in enumerate(itertools.pairwise([0, 136, 268, 400])):  # of 34, 33 and 33 runs
        kept = np.r_[:begin, end:400]
        training, test = (Decodable(data.counts[bins], data.kinematics[bins]) for bins in (kept, np.arange(begin, end)))
        expected = sklearn.metrics.r2_score(test.kinematics, held(training, test, 4), multioutput="raw_values")
        np.testing.assert_allclose(found.r_squared[row], expected, atol=1e-6)


def test_bytes_do_not_wrap_around_when_they_are_summed(random):
    data = moving(random, 400)
    full = Decodable((data.counts * 30).astype(np.uint8), data.kinematics)
    one, other = (cross_validate(lambda: RidgeDecoder(1, WIENER_PENALTIES), each, width=8) for each in (data, full))
    assert data.counts.max() * 30 < 256 < (data.counts * 30).reshape(50, 8, -1).sum(axis=1).max()
    np.testing.assert_allclose(one.r_squared, other.r_squared, atol=1e-6)


def test_the_interval_of_a_mean_over_folds_is_students_t(random):
    scores = random.random(7)
    found = fold_mean(scores)
    low, high = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((scores.mean(), low, high))


def test_data_that_do_not_fit_are_refused(random):
    data = reaching(random, 100)
    with pytest.raises(BadInputError, match="units and columns of the test data"):
        compare_decoders(data, Decodable(data.counts, data.kinematics[:, 1:]), data)
    for folds, kinematics in ((1, data.kinematics), (101, data.kinematics), (5, data.kinematics[1:])):
        with pytest.raises(BadInputError, match="expected 2 folds or more"):
            cross_validate(KalmanDecoder, Decodable(data.counts, kinematics), folds)
