"""Users, who see the cursor and the target, and intend a velocity."""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.tasks import Target

__all__ = ["ScriptedUser", "SimulatedUser", "User", "UserModel", "View", "adapted", "stays"]


# The push towards a target by its distance, as shares of the workspace's side and of the full push: the table f_targ of
# `simulateBCIFitts`, published simulation code that refers to Willett et al. 2019; rounded, linear in between, the last
# beyond.
PUSH_AT = (0.0, 0.0003, 0.0274, 0.1027, 0.1721, 0.2618, 0.3774, 0.5116, 0.6595, 0.8238, 1.0)
PUSHES = (0.0, 0.0, 0.50, 0.60, 0.83, 0.83, 0.87, 0.91, 0.94, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class View:
    """What is on the screen at the end of a bin.

    Attributes
    ----------
    position_cm, velocity_cm_s : arrays of shape (2,), cm and cm/s
        Of the cursor.
    target : Target or None
        None between trials.
    """

    position_cm: Floats
    velocity_cm_s: Floats
    target: Target | None


class User(Protocol):
    """Somebody who moves the cursor."""

    def intend(self, view: View) -> Floats:
        """Intend a velocity for the next bin.

        Parameters
        ----------
        view : View
            What is on the screen.

        Returns
        -------
        array of shape (2,), cm/s
        """
        ...

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """Imagine moving the cursor as it moves by itself, at this velocity (2,), cm/s; return the same as `intend`."""
        ...


@dataclass(frozen=True)
class UserModel:
    """Parameters of the simulated user; the equations are those of Willett et al. 2019 (Sci Rep 9:8881).

    Attributes
    ----------
    full_push_cm_s : the velocity intended towards a far target; 25 cm/s brings peak speeds into the range of reaches
        (Gilja et al. 2012)
    damping : part of the cursor's estimated velocity that the user intends to take off; f_vel is negative in Willett
        et al. 2019, its slope here is ours
    visual_delay_s : from a movement of the cursor until the user knows it; about 200 ms in Willett et al. 2017
        (J Neural Eng 14:016001)
    reaction_s : from the appearance of a target until the user turns to it; simple visual reaction times are near
        200 ms
    adapted_smoothing_s, adapted_gain : the decoder in the forward model: a first-order smoother of this time
        constant and gain; with `adapted`, those that it has. The 100 ms of a decoder that isn't smoothed
        besides are ours
    noise_cm_s, noise_time_s : standard deviation and time constant of the execution noise, autoregressive of order 1.
        Small, as most of the noise that Willett et al. add here comes from the population in our loop; both are ours
    fast_retention, fast_rate, slow_retention, slow_rate : of a user who learns from trials; see `adaptation.Learning`.
        Rates of 0 learn nothing
    """

    full_push_cm_s: float = 25.0
    damping: float = 0.2
    visual_delay_s: float = 0.2
    reaction_s: float = 0.2
    adapted_smoothing_s: float = 0.1
    adapted_gain: float = 1.0
    noise_cm_s: float = 2.0
    noise_time_s: float = 0.15
    fast_retention: float = 0.0
    fast_rate: float = 0.0
    slow_retention: float = 1.0
    slow_rate: float = 0.0


def adapted(model: UserModel, gain: float, smoothing: float, bin_size_s: float) -> UserModel:
    """Return the user adapted to a decoder's gain and smoothing, so that the forward model has them.

    Parameters
    ----------
    model : UserModel
    gain : float
    smoothing : float from 0 to below 1
        Part of the velocity that stays from one bin to the next.
    bin_size_s : float > 0, s
    """
    added_s = -bin_size_s / math.log(smoothing) if 0 < smoothing < 1 else 0.0
    return replace(model, adapted_gain=gain, adapted_smoothing_s=model.adapted_smoothing_s + added_s)


class SimulatedUser:
    """Sees the cursor late, estimates where it is by now, and pushes it to the target.

    Parameters
    ----------
    model : UserModel
    extent_cm : float > 0, cm
        Side of the workspace.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of the execution noise.
    """

    def __init__(self, model: UserModel, extent_cm: float, bin_size_s: float, random: np.random.Generator) -> None:
        self.model = model
        self._extent_cm, self._random = extent_cm, random
        delay, reaction = (round(delay_s / bin_size_s) for delay_s in (model.visual_delay_s, model.reaction_s))
        self._seen: deque[View] = deque(maxlen=delay + 1)
        self._targets: deque[Target | None] = deque([None] * reaction, maxlen=reaction + 1)
        self._pushes: deque[Floats] = deque([np.zeros(2)] * delay, maxlen=delay)  # that are not yet seen to act
        self._forward = _ForwardModel(model, delay, bin_size_s)
        self._noise_stays = stays(model.noise_time_s, bin_size_s)
        self._noise = model.noise_cm_s * random.standard_normal(2)

    def intend(self, view: View) -> Floats:
        """The velocity intended for the next bin, (2,), cm/s."""
        self._seen.append(view)
        self._targets.append(view.target)
        position, velocity = self._forward.estimate(self._seen[0], self._pushes)
        push = self._control(position, velocity, self._targets[0])
        self._pushes.append(push)
        return self._execute(self._aimed(push))

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """The velocity that the cursor shows, as well as the user can."""
        return self._execute(velocity_cm_s)

    def _aimed(self, push: Floats) -> Floats:
        """What the user does so that the cursor is pushed like this."""
        return push

    def _execute(self, push: Floats) -> Floats:
        kick = self.model.noise_cm_s * math.sqrt(1 - self._noise_stays**2)
        self._noise = self._noise_stays * self._noise + kick * self._random.standard_normal(2)
        return push + self._noise

    def _control(self, position: Floats, velocity: Floats, target: Target | None) -> Floats:
        """The policy: f_targ along the line to the target, less the damping of the velocity."""
        if target is None:
            return np.zeros(2)
        offset = np.array(target.place_cm) - position
        distance = math.hypot(*offset)
        push = float(np.interp(distance / self._extent_cm, PUSH_AT, PUSHES)) * self.model.full_push_cm_s
        return offset * (push / max(distance, 1e-9)) - self.model.damping * velocity


class _ForwardModel:
    """Where the cursor should be by now: what was seen, moved on by the pushes since.

    v(t) = a v(t - 1) + (1 - a) gain push(t), p(t) = p(t - 1) + v(t) bin; solved for the state `delay` bins later.
    """

    def __init__(self, model: UserModel, delay: int, bin_size_s: float) -> None:
        a = stays(model.adapted_smoothing_s, bin_size_s)
        ago = np.arange(delay)[::-1]  # bins, of each push
        self._to_velocity = (1 - a) * model.adapted_gain * a**ago
        self._to_position = bin_size_s * np.cumsum(self._to_velocity[::-1])[::-1]  # summed over the bins since
        self._velocity_stays = a**delay
        self._carries_s = bin_size_s * float(np.sum(a ** (ago + 1)))

    def estimate(self, seen: View, pushes: deque[Floats]) -> tuple[Floats, Floats]:
        """Position and velocity, (2,) each, after these pushes, one a bin since `seen`."""
        done = np.reshape(pushes, (-1, 2))
        position = seen.position_cm + self._carries_s * seen.velocity_cm_s + self._to_position @ done
        return position, self._velocity_stays * seen.velocity_cm_s + self._to_velocity @ done


def stays(time_s: float, bin_size_s: float) -> float:
    """What of a first-order process is left after a bin."""
    return math.exp(-bin_size_s / time_s) if time_s > 0 else 0.0


class ScriptedUser:
    """Intends the velocities of a script, whatever happens on the screen; at rest after its end.

    Parameters
    ----------
    velocity_cm_s : array of shape (bins, 2), cm/s

    Raises
    ------
    BadInputError
        If it is no finite array of that shape.
    """

    def __init__(self, velocity_cm_s: NDArray) -> None:
        found = np.asarray(velocity_cm_s)
        if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "buif" or not np.isfinite(found).all():
            raise BadInputError(
                f"--user: expected finite velocities in cm/s of shape (bins, 2), found {found.dtype} of {found.shape}"
            )
        self._left = iter(found.astype(np.float64))

    def intend(self, view: View) -> Floats:  # noqa: ARG002
        """The next velocity, (2,), cm/s."""
        return next(self._left, np.zeros(2))

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """The velocity that the cursor shows; the script waits."""
        return velocity_cm_s
