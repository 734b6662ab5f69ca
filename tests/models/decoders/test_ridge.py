import numpy as np
import pytest
import sklearn.linear_model

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.ridge import PENALTIES, WIENER_PENALTIES, RidgeDecoder, fit_ridge
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import Decodable, r_squared
from tests.support.reaching import reaching


def histories(counts, history_bins):
    padded = np.concatenate([np.tile(counts.mean(axis=0), (history_bins - 1, 1)), counts])
    return np.concatenate([padded[lag : lag + len(counts)] for lag in range(history_bins)], axis=1)


def fit(data, **options):
    decoder = RidgeDecoder(**options)
    decoder.fit(data.counts, data.kinematics)
    assert decoder.regression is not None
    return decoder, decoder.regression


def test_ridge_is_scikit_learns_on_the_same_histories(random):
    data = reaching(random, 800)
    decoder, found = fit(data, history_bins=3)
    seen = histories(data.counts, 3)
    deviations = np.tile(data.counts.std(axis=0), 3)
    standardised = (seen - np.tile(data.counts.mean(axis=0), 3)) / deviations
    decoded = decode(decoder, data.counts)
    for column, penalty in enumerate(found.penalties):
        centred = data.kinematics[:, column] - data.kinematics[:, column].mean()
        ridge = sklearn.linear_model.Ridge(alpha=float(penalty) * 800, fit_intercept=False).fit(standardised, centred)
        np.testing.assert_allclose(found.weights[:, :, column].ravel(), ridge.coef_ / deviations, rtol=1e-6)
        expected = ridge.predict(standardised) + data.kinematics[:, column].mean()
        np.testing.assert_allclose(decoded[:, column], expected, rtol=1e-6)


def test_the_wiener_filter_is_scikit_learns_least_squares(random):
    data = reaching(random, 800)
    decoder, found = fit(data, history_bins=4, penalties=WIENER_PENALTIES)
    seen = histories(data.counts, 4) - np.tile(data.counts.mean(axis=0), 4)
    offset = data.kinematics.mean(axis=0)
    least_squares = sklearn.linear_model.LinearRegression(fit_intercept=False).fit(seen, data.kinematics - offset)
    np.testing.assert_allclose(found.weights.reshape(48, 4), least_squares.coef_.T, atol=1e-6)
    np.testing.assert_allclose(decode(decoder, data.counts), least_squares.predict(seen) + offset, rtol=1e-6)


def test_the_penalty_chosen_errs_least_on_blocks_left_out(random):
    data = reaching(random, 400)
    _, found = fit(data, history_bins=2)
    standardised = histories((data.counts - data.counts.mean(axis=0)) / data.counts.std(axis=0), 2)
    errors = np.zeros((len(PENALTIES), 4))
    for left_out in np.array_split(np.arange(400), 5):
        kept = np.setdiff1d(np.arange(400), left_out)
        for row, penalty in enumerate(PENALTIES):
            ridge = sklearn.linear_model.Ridge(alpha=penalty * len(kept), fit_intercept=False)
            ridge.fit(standardised[kept], data.kinematics[kept] - data.kinematics.mean(axis=0))
            missed = data.kinematics[left_out] - data.kinematics.mean(axis=0) - ridge.predict(standardised[left_out])
            errors[row] += np.square(missed).sum(axis=0)
    np.testing.assert_array_equal(found.penalties, np.array(PENALTIES)[errors.argmin(axis=0)])


def test_noisier_columns_get_larger_penalties(random):
    data = reaching(random, 1500)
    kinematics = np.stack([data.kinematics[:, 0], random.standard_normal(1500)], axis=1)
    penalties = fit_ridge(data.counts, kinematics, 10, PENALTIES).penalties
    assert penalties[1] > penalties[0]


def test_only_a_history_reads_what_came_earlier(random):
    training, test = reaching(random, 6000), reaching(random, 2000)
    late, later = (Decodable(each.counts[4:], each.kinematics[:-4]) for each in (training, test))
    with_history, without = (
        r_squared(later.kinematics, decode(fit(late, history_bins=bins)[0], later.counts)) for bins in (10, 1)
    )
    assert (with_history > without + 0.05).all()


def test_motor_cortex_tells_the_wrists_force(data_folder):
    recording = read_recording("m1_jango", folder=data_folder)
    counts, kinematics = recording.counts[0], recording.conditions[0]
    decoder, _ = fit(Decodable(counts[:14_400], kinematics[:14_400]))
    found = r_squared(kinematics[14_400:], decode(decoder, counts[14_400:]))
    np.testing.assert_allclose(found, [0.671, 0.801, 0.464, 0.644], atol=0.01)


def test_too_few_bins_histories_and_penalties_are_refused(random):
    data = reaching(random, 100)
    for counts, history_bins in ((data.counts[:54], 10), (data.counts, 20)):
        with pytest.raises(BadInputError, match="5 blocks of more than"):
            RidgeDecoder(history_bins).fit(counts, data.kinematics[: len(counts)])
    for history_bins, penalties in ((0, PENALTIES), (1, ()), (1, (1.0, 0.0))):
        with pytest.raises(BadInputError, match="history_bins of 1 or more and penalties above 0"):
            RidgeDecoder(history_bins, penalties)
