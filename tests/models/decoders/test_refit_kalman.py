import numpy as np
import pytest

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.decoder import decode, sees_position
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.refit_kalman import RefitKalmanDecoder
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import r_squared

BINS, UNITS = 3000, 12


def moved(seed):
    """A velocity, smooth, and the position that it leads to, which is held near the centre."""
    random = np.random.default_rng(seed)
    velocity, position = np.zeros((BINS, 2)), np.zeros((BINS, 2))
    for t in range(1, BINS):
        velocity[t] = 0.9 * velocity[t - 1] + random.standard_normal(2) - 0.05 * position[t - 1]
        position[t] = position[t - 1] + 0.1 * velocity[t]
    return velocity, position


def counts_of(velocity, position, of_position=1.0):
    random = np.random.default_rng(9)
    tuning, place = random.standard_normal((2, UNITS, 2))
    return velocity @ tuning.T + of_position * position @ place.T + 4 * random.standard_normal((BINS, UNITS)) + 10


def fitted(counts, velocity, position):
    decoder = RefitKalmanDecoder()
    decoder.see_training(position)
    decoder.fit(counts, velocity)
    return decoder


def decoded(decoder, counts, position):
    velocity = []
    for bin_counts, place in zip(counts, position, strict=True):
        decoder.see(place)
        velocity.append(decoder.step(bin_counts))
    return np.array(velocity)


def filter_of_position_and_velocity(counts, velocity, position):
    """The filter of Gilja et al. 2012 step by step: the position has no uncertainty, as the user sees it."""
    centred = velocity - velocity.mean(axis=0)
    transition = np.linalg.lstsq(centred[:-1], centred[1:], rcond=None)[0].T
    jitter = np.cov((centred[1:] - centred[:-1] @ transition.T).T, bias=True)
    design = np.column_stack([centred, position, np.ones(BINS)])
    slopes = np.linalg.lstsq(design, counts, rcond=None)[0]
    rest = counts - design @ slopes
    scale = (counts - position @ slopes[2:4]).std(axis=0)
    noise = rest.T @ rest / BINS + 1e-3 * np.diag(scale**2)
    state, posterior, found = np.zeros(2), np.zeros((2, 2)), []
    for t in range(200):
        state, prior = transition @ state, transition @ posterior @ transition.T + jitter
        gain = prior @ slopes[:2] @ np.linalg.inv(slopes[:2].T @ prior @ slopes[:2] + noise)
        state = state + gain @ (counts[t] - slopes[2:4].T @ position[t] - slopes[4] - slopes[:2].T @ state)
        posterior = (np.eye(2) - gain @ slopes[:2].T) @ prior
        found.append(state + velocity.mean(axis=0))
    return np.array(found)


def test_it_is_the_filter_of_position_and_velocity_with_a_position_that_is_known():
    velocity, position = moved(1)
    counts = counts_of(velocity, position)
    found = decoded(fitted(counts, velocity, position), counts[:200], position[:200])
    expected = filter_of_position_and_velocity(counts, velocity, position)
    np.testing.assert_allclose(found[100:], expected[100:], atol=0.01)  # once the gain has settled


def test_where_units_tell_the_position_it_decodes_better_than_without():
    velocity, position = moved(1)
    counts, plain = counts_of(velocity, position, 3.0), KalmanDecoder()
    plain.fit(counts, velocity)
    with_position = decoded(fitted(counts, velocity, position), counts, position)
    assert r_squared(velocity, with_position).mean() > r_squared(velocity, decode(plain, counts)).mean() + 0.02


def test_without_positions_it_is_the_velocity_kalman_filter():
    velocity, position = moved(1)
    counts = counts_of(velocity, position)
    plain, decoder = KalmanDecoder(), RefitKalmanDecoder()
    plain.fit(counts, velocity)
    decoder.fit(counts, velocity)
    decoder.see(np.array([5.0, -3.0]))
    np.testing.assert_array_equal(decode(decoder, counts[:50]), decode(plain, counts[:50]))


def test_positions_are_of_one_fit_and_of_wider_bins_their_means():
    velocity, position = moved(1)
    counts = counts_of(velocity, position)
    decoder = RefitKalmanDecoder()
    wide = Binned(decoder, 3)
    decoder.see_training(position)
    wide.fit(counts, velocity)
    summed, averaged = (values.reshape(-1, 3, values.shape[1]) for values in (counts, velocity))
    other = fitted(summed.sum(axis=1), averaged.mean(axis=1), position.reshape(-1, 3, 2).mean(axis=1))
    for one in (decoder, other):
        one.see(np.array([2.0, 1.0]))
    np.testing.assert_allclose(decoder.step(counts[0]), other.step(counts[0]))
    decoder.fit(counts, velocity)
    plain = KalmanDecoder()
    plain.fit(counts, velocity)
    np.testing.assert_array_equal(decoder.step(counts[0]), plain.step(counts[0]))


def test_it_is_found_within_wrappers_and_other_decoders_see_nothing():
    decoder = RefitKalmanDecoder()
    assert sees_position(Shaped(Binned(decoder, 2))) is decoder
    assert sees_position(decoder) is decoder
    assert sees_position(Shaped(KalmanDecoder())) is None


def test_a_fit_comes_first_and_needs_a_position_for_each_bin():
    with pytest.raises(BadInputError, match="expected a fit"):
        RefitKalmanDecoder().step(np.zeros(3))
    velocity, position = moved(1)
    with pytest.raises(BadInputError, match="found 10; give all"):
        fitted(counts_of(velocity, position), velocity, position[:10])
