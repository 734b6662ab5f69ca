import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import sklearn.linear_model
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoder_comparison import DecoderComparison, augmentation_curve, compare_decoders
from spikeloop.models.measures.decoding import Decodable, fit_kalman, fit_ridge, r_squared
from spikeloop.models.recordings.catalogue import find_recording


def reaching(random, bins, units=12, delay=0, depth=0.5):
    """Counts of units tuned to position and velocity of a damped random walk, told `delay` bins later."""
    velocity = scipy.signal.lfilter([0.5], [1, -0.85], random.standard_normal((bins + delay, 2)), axis=0)
    position = scipy.signal.lfilter([0.3], [1, -0.95], velocity, axis=0)
    kinematics = np.concatenate([position, velocity], axis=1)
    tuning = np.random.default_rng(3).standard_normal((4, units)) * depth
    counts = random.poisson(np.exp(np.clip(kinematics @ tuning, -3, 3))).astype(np.uint8)
    return Decodable(counts[delay:], kinematics[:bins] + 5.0)


def test_ridge_is_scikit_learns_on_the_same_histories(random):
    data = reaching(random, 800)
    decoder = fit_ridge(data.counts, data.kinematics, history_bins=3)
    standardised = (data.counts - data.counts.mean(axis=0)) / data.counts.std(axis=0)
    padded = np.concatenate([np.zeros((2, 12)), standardised])
    histories = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)
    decoded = decoder.decode(data.counts)
    for column, penalty in enumerate(decoder.penalties):
        centred = data.kinematics[:, column] - data.kinematics[:, column].mean()
        ridge = sklearn.linear_model.Ridge(alpha=float(penalty) * 800, fit_intercept=False).fit(histories, centred)
        expected = ridge.predict(histories) + data.kinematics[:, column].mean()
        np.testing.assert_allclose(decoded[:, column], expected, rtol=1e-6)


def test_the_kalman_filter_settles_where_the_riccati_equation_says(random):
    data = reaching(random, 3000)
    decoder = fit_kalman(data.counts, data.kinematics)
    z, x = (data.counts - decoder.mean) / decoder.scale, data.kinematics - decoder.offset
    a = np.linalg.lstsq(x[:-1], x[1:], rcond=None)[0].T
    h = np.linalg.lstsq(x, z, rcond=None)[0].T
    w, q = np.cov((x[1:] - x[:-1] @ a.T).T, bias=True), np.cov((z - x @ h.T).T, bias=True) + 1e-3 * np.eye(12)
    prior = scipy.linalg.solve_discrete_are(a.T, h.T, w, q)
    gain = prior @ h.T @ np.linalg.inv(h @ prior @ h.T + q)
    np.testing.assert_allclose(decoder.gain, gain, atol=1e-4)
    np.testing.assert_allclose(decoder.carry, (np.eye(4) - gain @ h) @ a, atol=1e-4)


def test_decoding_is_the_textbook_recursion_once_settled(random):
    data = reaching(random, 2000)
    decoder = fit_kalman(data.counts, data.kinematics)
    state, states = np.zeros(4), []
    for bin_counts in data.counts[:50]:
        state = decoder.carry @ state + decoder.gain @ ((bin_counts - decoder.mean) / decoder.scale)
        states.append(state + decoder.offset)
    np.testing.assert_allclose(decoder.decode(data.counts[:50]), states)


@pytest.mark.parametrize("fit", [fit_ridge, fit_kalman])
def test_decoders_read_tuned_units_and_nothing_from_untuned_ones(random, fit):
    training, test = reaching(random, 6000), reaching(random, 2000)
    decoder = fit(training.counts, training.kinematics)
    assert (r_squared(test.kinematics, decoder.decode(test.counts)) > 0.6).all()
    training, test = reaching(random, 6000, depth=0), reaching(random, 2000, depth=0)
    decoder = fit(training.counts, training.kinematics)
    assert (np.abs(r_squared(test.kinematics, decoder.decode(test.counts))) < 0.1).all()


@pytest.mark.parametrize("fit", [fit_ridge, fit_kalman])
def test_decoders_know_no_bin_that_is_yet_to_come(random, fit):
    data = reaching(random, 1000)
    decoder = fit(data.counts, data.kinematics)
    np.testing.assert_allclose(decoder.decode(data.counts)[:300], decoder.decode(data.counts[:300]), rtol=1e-9)


def test_only_a_history_reads_what_came_earlier(random):
    training, test = reaching(random, 6000, delay=0), reaching(random, 2000, delay=0)
    late = Decodable(training.counts[:-4], training.kinematics[4:]), Decodable(test.counts[4:], test.kinematics[:-4])
    with_history, without = (
        r_squared(
            late[1].kinematics, fit_ridge(earlier.counts[4:], earlier.kinematics[:-4], bins).decode(late[1].counts)
        )
        for earlier, bins in ((training, 10), (training, 1))
    )
    assert (with_history > without + 0.05).all()


def test_noisier_columns_get_larger_penalties(random):
    data = reaching(random, 1500)
    kinematics = np.stack([data.kinematics[:, 0], random.standard_normal(1500)], axis=1)
    penalties = fit_ridge(data.counts, kinematics).penalties
    assert penalties[1] > penalties[0]


@pytest.mark.parametrize("fit", [fit_ridge, fit_kalman])
def test_silent_units_and_copies_do_no_harm(random, fit):
    training, test = reaching(random, 3000), reaching(random, 1000)
    plain = r_squared(test.kinematics, fit(training.counts, training.kinematics).decode(test.counts))
    odd = [
        np.concatenate([each.counts, each.counts[:, :1], np.full((len(each.counts), 1), spike, np.uint8)], axis=1)
        for each, spike in ((training, 0), (test, 1))
    ]
    with_odd = r_squared(test.kinematics, fit(odd[0], training.kinematics).decode(odd[1]))
    np.testing.assert_allclose(with_odd, plain, atol=0.02)


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_r_squared_is_scikit_learns(bins, columns, seed):
    truth, decoded = np.random.default_rng(seed).standard_normal((2, bins, columns))
    expected = sklearn.metrics.r2_score(truth, decoded, multioutput="raw_values")
    np.testing.assert_allclose(r_squared(truth, decoded), expected)


def test_a_column_that_never_varies_has_no_r_squared():
    assert np.isnan(r_squared(np.full((5, 1), 0.1), np.zeros((5, 1)))[0])


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


def test_good_synthetic_data_help_a_short_session(random):
    training, synthetic, test = reaching(random, 6000), reaching(random, 6000), reaching(random, 1500)
    curve = augmentation_curve(training, synthetic, test, 0.05, random, minutes=(0.2, 4), pieces=3)
    assert curve.minutes == (0.2, 4)
    assert curve.real.shape == curve.augmented.shape == (2, 3, 4)
    real, augmented = curve.real.mean(axis=1), curve.augmented.mean(axis=1)
    assert (augmented[0] > real[0] + 0.05).all()
    assert (real[1] > real[0]).all()
    np.testing.assert_allclose(augmented[1], real[1], atol=0.05)


def test_an_augmentation_curve_takes_any_decoder_and_all_there_is(random):
    training, test = reaching(random, 1200), reaching(random, 600)
    curve = augmentation_curve(training, training, test, 0.05, random, minutes=(1,), pieces=2, fit=fit_kalman)
    whole = r_squared(test.kinematics, fit_kalman(training.counts, training.kinematics).decode(test.counts))
    np.testing.assert_allclose(curve.real[0], [whole, whole])


def test_motor_cortex_tells_the_wrists_force(data_folder):
    recording = find_recording("m1_jango", folder=data_folder)
    counts, kinematics = recording.counts[0], recording.conditions[0]
    decoder = fit_ridge(counts[:14_400], kinematics[:14_400])
    found = r_squared(kinematics[14_400:], decoder.decode(counts[14_400:]))
    np.testing.assert_allclose(found, [0.671, 0.801, 0.464, 0.644], atol=0.01)


def test_data_that_do_not_fit_are_refused(random):
    data = reaching(random, 100)
    for fit in (fit_ridge, fit_kalman):
        with pytest.raises(BadInputError, match="of as many bins"):
            fit(data.counts, data.kinematics[1:])
        with pytest.raises(BadInputError, match="expected counts of shape \\(bins, 12 units\\)"):
            fit(data.counts, data.kinematics).decode(data.counts[:, 1:])
    for counts, history_bins in ((data.counts[:54], 10), (data.counts, 0), (data.counts, 20)):
        with pytest.raises(BadInputError, match="5 blocks of more than"):
            fit_ridge(counts, data.kinematics[: len(counts)], history_bins)
    with pytest.raises(BadInputError, match="more bins than units and columns"):
        fit_kalman(data.counts[:16], data.kinematics[:16])
    with pytest.raises(BadInputError, match="decoded kinematics of shape"):
        r_squared(data.kinematics, data.kinematics[1:])
    with pytest.raises(BadInputError, match="units and columns of the test data"):
        compare_decoders(data, Decodable(data.counts, data.kinematics[:, 1:]), data)
    for minutes in ((), (0,), (1, 2)):
        with pytest.raises(BadInputError, match="expected minutes from 0 to 0.0833"):
            augmentation_curve(data, data, data, 0.05, random, minutes)
