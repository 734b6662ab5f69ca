import numpy as np
import pytest
import sklearn.linear_model
import sklearn.metrics
import sklearn.model_selection

from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoder_comparison import DecoderComparison, compare_decoders, cross_validate
from spikeloop.models.measures.decoding import Decodable
from tests.models.reaching import reaching


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


def test_data_that_do_not_fit_are_refused(random):
    data = reaching(random, 100)
    with pytest.raises(BadInputError, match="units and columns of the test data"):
        compare_decoders(data, Decodable(data.counts, data.kinematics[:, 1:]), data)
    for folds, kinematics in ((1, data.kinematics), (101, data.kinematics), (5, data.kinematics[1:])):
        with pytest.raises(BadInputError, match="expected 2 folds or more"):
            cross_validate(KalmanDecoder, Decodable(data.counts, kinematics), folds)
