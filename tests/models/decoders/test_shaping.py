import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.errors import BadInputError


class Echo:
    """Decodes counts as themselves, and needs no fit."""

    def __init__(self):
        self.fits = []

    def fit(self, counts, kinematics):
        self.fits.append((counts, kinematics))

    def step(self, counts):
        return counts.astype(np.float64)


@given(st.floats(0, 3), st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_it_is_a_first_order_low_pass_of_the_decoder(gain, smoothing, seed):
    decoded = np.random.default_rng(seed).standard_normal((30, 2))
    expected = scipy.signal.lfilter([(1 - smoothing) * gain], [1, -smoothing], decoded, axis=0)
    np.testing.assert_allclose(decode(Shaped(Echo(), gain, smoothing), decoded), expected, atol=1e-12)


def test_by_default_it_changes_nothing(random):
    decoded = random.standard_normal((30, 2))
    np.testing.assert_array_equal(decode(Shaped(Echo()), decoded), decoded)


def test_smoothing_delays_but_keeps_the_gain(random):
    constant = np.ones((400, 2))
    shaped = decode(Shaped(Echo(), gain=2.0, smoothing=0.95), constant)
    assert (np.diff(shaped, axis=0) >= 0).all()
    assert (shaped[0] < 0.2).all()
    np.testing.assert_allclose(shaped[-1], 2.0)


def test_a_fit_reaches_the_decoder_and_begins_at_rest(random):
    counts, kinematics = random.standard_normal((2, 9, 2))
    echo = Echo()
    shaped = Shaped(echo, smoothing=0.5)
    before = decode(shaped, counts)
    shaped.fit(counts, kinematics)
    assert echo.fits == [(counts, kinematics)]
    np.testing.assert_array_equal(decode(shaped, counts), before)


@pytest.mark.parametrize(("gain", "smoothing"), [(-0.1, 0), (math.inf, 0), (math.nan, 0), (1, 1), (1, -0.1)])
def test_gains_and_smoothings_out_of_range_are_refused(gain, smoothing):
    with pytest.raises(BadInputError, match="a gain of 0 or more and a smoothing from 0 to below 1"):
        Shaped(Echo(), gain, smoothing)
