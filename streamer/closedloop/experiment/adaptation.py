"""A user who learns, over trials, what a decoder makes of a push, and aims so that the cursor goes where it should."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel, View, stays

__all__ = ["PUBLISHED", "AdaptingUser", "Learning", "learning_user"]

LEAST_EFFECT, MOST_EFFECT = 0.4, 2.5  # factors that a user comes to believe in; chosen
# Summed squared velocity that weighs as much as what is believed already: some bins of a reach; chosen.
DOUBT_CM2_S2 = 400.0


@dataclass(frozen=True)
class Learning:
    """Two processes that learn from the error of a trial, x <- retention x + rate error, and add up.

    Attributes
    ----------
    fast_retention, fast_rate : float
        Of a trial.
    slow_retention, slow_rate : float
    """

    fast_retention: float = 0.0
    fast_rate: float = 0.0
    slow_retention: float = 1.0
    slow_rate: float = 0.0


# Of people who adapt to a force field: Smith, Ghazizadeh & Shadmehr 2006 (PLoS Biol 4:e179).
PUBLISHED = Learning(fast_retention=0.59, fast_rate=0.21, slow_retention=0.992, slow_rate=0.02)


def learning_user(model: UserModel, learning: Learning) -> UserModel:
    """Return the user with these rates."""
    return replace(model, **{field.name: getattr(learning, field.name) for field in fields(Learning)})


class AdaptingUser(SimulatedUser):
    """A simulated user who corrects a forward model after each trial, and pushes by its inverse.

    The forward model has an effect of a push on the cursor's velocity, a turn and a factor; at first there is none of
    either. After a trial both are estimated from the velocities that were seen and the pushes before them, smoothed as
    the forward model smooths them: the turn by the angle between them, the factor by their mean squares. The error is
    what the estimate differs from what was believed. A push is aimed by the inverse: a decoder that turns is met by
    turning the other way, one that is too fast by pushing less. All directions are re-aimed alike, as monkeys do for
    most of a rotation's error (Chase et al. 2012, J Neurophysiol 108:624: about 86 %).

    Parameters
    ----------
    model : UserModel
        With rates of learning.
    extent_cm : float > 0, cm
        Side of the workspace.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of the execution noise.

    Attributes
    ----------
    effect : complex
        Of a push on the cursor's velocity, as the user believes by now, relative to the adapted gain: its angle is the
        turn, counter-clockwise, and its size the factor.
    """

    def __init__(self, model: UserModel, extent_cm: float, bin_size_s: float, random: np.random.Generator) -> None:
        super().__init__(model, extent_cm, bin_size_s, random)
        self.effect = 1 + 0j
        self._fast = self._slow = 0j
        self._smoothing = stays(model.adapted_smoothing_s, bin_size_s)
        self._target: Target | None = None
        self._begin_trial()

    def intend(self, view: View) -> Floats:
        """The velocity intended for the next bin, (2,), cm/s."""
        if view.target != self._target:
            if self._target is not None:
                self._learn()
            self._target = view.target
            self._begin_trial()
        elif view.target is not None:
            seen = complex(*view.velocity_cm_s)
            self._product += seen * self._expected.conjugate()
            self._seen_square += abs(seen) ** 2
            self._expected_square += abs(self._expected) ** 2
        return super().intend(view)

    def _aimed(self, push: Floats) -> Floats:
        aimed = complex(*push) / self.effect
        self._expected *= self._smoothing
        self._expected += (1 - self._smoothing) * self.model.adapted_gain * aimed
        return np.array([aimed.real, aimed.imag])

    def _begin_trial(self) -> None:
        self._expected = self._product = 0j
        self._seen_square = self._expected_square = 0.0

    def _learn(self) -> None:
        """From the trial that is over."""
        model, weight = self.model, self._expected_square / (self._expected_square + DOUBT_CM2_S2)
        if not self._product:
            return
        factor = math.sqrt(self._seen_square / self._expected_square)
        error = weight * (factor * self._product / abs(self._product) - self.effect)
        self._fast = model.fast_retention * self._fast + model.fast_rate * error
        self._slow = model.slow_retention * self._slow + model.slow_rate * error
        believed = 1 + self._fast + self._slow
        size = min(max(abs(believed), LEAST_EFFECT), MOST_EFFECT)
        self.effect = size * believed / abs(believed) if believed else self.effect
