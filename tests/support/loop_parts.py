"""What tests of the closed loop share: populations and decoders whose answers are known."""

from typing import Any

import numpy as np

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel, View

BIN_S = 0.02

IDEAL = UserModel(
    damping=0.0, visual_delay_s=0.0, reaction_s=0.0, adapted_smoothing_s=0.0, noise_cm_s=0.0
)  # sees and acts at once


class Mirror:
    """Two units whose counts are the intended velocity itself."""

    unit_names = ("x", "y")
    bin_size_s = BIN_S

    def respond(self, velocity_cm_s, position_cm):
        return velocity_cm_s.copy()


class Readout:
    """Takes the counts for the velocity; remembers what it was shown and taught."""

    def __init__(self):
        self.fits, self.seen = [], []

    def fit(self, counts, kinematics):
        self.fits.append((counts, kinematics))

    def step(self, counts):
        self.seen.append(counts)
        return counts.astype(np.float64)


class Tuned:
    """Poisson units with cosine tuning to the intended velocity, preferred directions all around."""

    def __init__(self, seed=0, units=32, bin_size_s=BIN_S):
        self.unit_names = tuple(f"unit {each}" for each in range(units))
        self.bin_size_s = bin_size_s
        angles = np.arange(units) * 2 * np.pi / units
        self._preferred = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self._random = np.random.default_rng(seed)

    def expected(self, velocity_cm_s):
        return np.clip(1.0 + 0.05 * self._preferred @ velocity_cm_s, 0.0, 10.0)

    def respond(self, velocity_cm_s, position_cm):
        return self._random.poisson(self.expected(velocity_cm_s)).astype(np.uint8)


def failing(inner, method, calls, error) -> Any:
    """A population, user or decoder that works until a method has been called so often, and then raises."""
    return _Failing(inner, method, calls, error)


class _Failing:
    def __init__(self, inner, method, calls, error):
        self._inner, self._method, self._left, self._error = inner, method, calls, error

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        def counted(*arguments):
            if not self._left:
                raise self._error
            self._left -= 1
            return found(*arguments)

        return counted


def simulated(model=IDEAL, extent_cm=24.0, bin_size_s=BIN_S, seed=0):
    return SimulatedUser(model, extent_cm, bin_size_s, random_stream(seed, Purpose.USER))


def view(position=(0.0, 0.0), velocity=(0.0, 0.0), target=None):
    return View(np.array(position, float), np.array(velocity, float), target)
