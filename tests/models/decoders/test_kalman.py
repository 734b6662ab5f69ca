import numpy as np
import pytest
import scipy.linalg

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.errors import BadInputError
from tests.support.reaching import moving, reaching


def fit(data):
    decoder = KalmanDecoder()
    decoder.fit(data.counts, data.kinematics)
    assert decoder.filter is not None
    return decoder, decoder.filter


def model(data, found):
    """Transition, observation and the covariances of their noises, of standardised counts; and these counts."""
    z, x = (data.counts - found.mean) / found.scale, data.kinematics - found.offset
    a = np.linalg.lstsq(x[:-1], x[1:], rcond=None)[0].T
    h = np.linalg.lstsq(x, z, rcond=None)[0].T
    w, q = np.cov((x[1:] - x[:-1] @ a.T).T, bias=True), np.cov((z - x @ h.T).T, bias=True)
    return a, h, w, q + 1e-3 * np.eye(len(q)), z


def test_it_settles_where_the_riccati_equation_says(random):
    data = reaching(random, 3000)
    _, found = fit(data)
    a, h, w, q, _ = model(data, found)
    prior = scipy.linalg.solve_discrete_are(a.T, h.T, w, q)
    gain = prior @ h.T @ np.linalg.inv(h @ prior @ h.T + q)
    np.testing.assert_allclose(found.gain, gain, atol=1e-4)
    np.testing.assert_allclose(found.carry, (np.eye(4) - gain @ h) @ a, atol=1e-4)


def test_the_textbook_filter_with_its_changing_gain_comes_to_decode_the_same(random):
    data = moving(random, 2000)
    decoder, found = fit(data)
    a, h, w, q, z = model(data, found)
    state, uncertainty, textbook = np.zeros(2), 100 * np.eye(2), []
    for told in z[:300]:
        state, uncertainty = a @ state, a @ uncertainty @ a.T + w
        gain = uncertainty @ h.T @ np.linalg.inv(h @ uncertainty @ h.T + q)
        state = state + gain @ (told - h @ state)
        uncertainty = (np.eye(2) - gain @ h) @ uncertainty
        textbook.append(state + found.offset)
    decoded = decode(decoder, data.counts[:300])
    assert np.abs(decoded[0] - textbook[0]).max() > 0.01
    np.testing.assert_allclose(decoded[100:], textbook[100:], atol=0.01)


def test_too_few_bins_are_refused(random):
    data = reaching(random, 100)
    with pytest.raises(BadInputError, match="more bins than units and columns"):
        KalmanDecoder().fit(data.counts[:16], data.kinematics[:16])
