"""What tests of decoders share: movement, and counts that tell of it."""

import numpy as np
import scipy.signal

from spikeloop.models.measures.decoding_scores import Decodable


def wandering(random, pole, shape):
    """A first-order autoregression along the first axis, from rest."""
    return np.asarray(scipy.signal.lfilter([1], [1, -pole], random.standard_normal(shape), axis=0))


def reaching(random, bins, units=12, delay=0, depth=0.5):
    """Counts of units tuned to position and velocity of a damped random walk, told `delay` bins later."""
    velocity = 0.5 * wandering(random, 0.85, (bins + delay, 2))
    position = scipy.signal.lfilter([0.3], [1, -0.95], velocity, axis=0)
    kinematics = np.concatenate([position, velocity], axis=1)
    tuning = np.random.default_rng(3).standard_normal((4, units)) * depth
    counts = random.poisson(np.exp(np.clip(kinematics @ tuning, -3, 3))).astype(np.uint8)
    return Decodable(counts[delay:], kinematics[:bins] + 5.0)


def moving(random, bins, units=12):
    """Counts of units tuned to velocity alone, in cm/s, and that velocity."""
    velocity = 4 * wandering(random, 0.9, (bins, 2))
    angles = np.arange(units) * 2 * np.pi / units
    rates = np.exp(0.05 * velocity @ [np.cos(angles), np.sin(angles)] - 0.5)
    return Decodable(random.poisson(np.minimum(rates, 10)).astype(np.uint8), velocity)
