"""A Gymnasium environment: a simulated population and its user, with the agent in the place of the decoder.

Importing this module registers `spikeloop/ClosedLoop-v0`, so that `gymnasium.make` knows it.
"""

import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.scalars import checked_choice, checked_whole
from spikeloop.streamer.closedloop.closed_loop import MOST_TRIALS
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation
from spikeloop.streamer.closedloop.experiment.cursor_loop import BinStart, CursorLoop
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation, parse_perturbations
from spikeloop.streamer.closedloop.experiment.tasks import Target, Task, open_task
from spikeloop.streamer.closedloop.experiment.trials import OUTCOMES, Event, TrialMachine
from spikeloop.streamer.closedloop.experiment.user_spec import open_user, parse_user
from spikeloop.streamer.closedloop.experiment.users import User, UserModel
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import check_seed, open_bundle

try:
    with hold_interrupts():
        import gymnasium
        from gymnasium import spaces
except ImportError as error:
    raise FailureError(f"spikeloop.gym needs gymnasium ({error}); {install_command('gym')}") from error

__all__ = ["ENVIRONMENT", "ClosedLoopEnv"]

ENVIRONMENT = "spikeloop/ClosedLoop-v0"
FASTEST_CM_S = 200.0  # of an action, along an axis: four times a fast reach
MOST_SPIKES = 255  # of a unit in a bin
REWARDS = {"success": 1.0, "wrong": -1.0}  # by a trial's outcome; 0 for "timeout", and between outcomes
LARGEST_EPISODE_SEED = 2**62

Counts = NDArray[np.uint8]
Action = NDArray[np.float32]


class ClosedLoopEnv(gymnasium.Env[Counts, Action]):
    """A closed loop in which the agent decodes: it sees the counts of a bin, and moves the cursor.

    One step is one bin of the bundle. In it the user, who sees the cursor and the target, intends a velocity; the
    population answers with spikes; the agent sees these counts and acts with a velocity, which moves the cursor until
    the end of the bin. The user and the population are those of `spikeloop.closed_loop`, and an episode of seed s has
    the targets and the spikes of its session of seed s. There is no calibration: where an agent learns from examples,
    `info` has the velocity that the user intended.

    **Observation.** Counts of the bin, `Box(0, 255, (units,), uint8)`. Zeros where a perturbation lost the bin, and
    after the last trial.

    **Action.** The decoded velocity x and y, cm/s, `Box(-200, 200, (2,), float32)`; what is beyond is clipped.

    **Reward.** 1 in the bin in which a target is acquired, that is, held for the task's `hold_s`; -1 in the bin in
    which a wrong one is (only the task "grid" has any); 0 in every other bin, a timeout's included.

    **End of an episode.** `terminated` with the end of the last of `trials`, by success, wrong selection or the task's
    timeout. `truncated` is never set, because the task limits the time of each trial.

    **Info.** `cursor_cm`, `cursor_velocity_cm_s` and `intended_velocity_cm_s`, arrays of shape (2,); `target_cm`,
    array of shape (2,), and `target_width_cm`, both None where none is shown; `on_target`, bool; `trial`, int;
    `outcome`, the str "success", "timeout" or "wrong" in the bin in which a trial ended, else ""; `bin`, int. Those of
    the target and of the intended velocity belong to the bin of the observation.

    Parameters
    ----------
    bundle : str, path or Bundle, default "m1-sim"
        The population, driven by velocity.
    task : str or Task, default "center-out"
        "center-out", "random" or "grid", or one of these with other parameters.
    user : str or callable, default "simulated"
        "simulated", "scripted:FILE.npz", or a class or function that makes a user for each episode.
    trials : int, 1 to 100000, default 1
        Of an episode.
    perturbations : sequence of str or Perturbation, default ()
        What goes wrong, such as "drop:0.3" or "rotation:45@10"; see `parse_perturbation`.
    device : {"auto", "cpu", "cuda"}, default "auto"

    Raises
    ------
    BadInputError
        If the bundle isn't driven by velocity, or another parameter can't be.

    Examples
    --------
    >>> import gymnasium, spikeloop.gym
    >>> env = gymnasium.make("spikeloop/ClosedLoop-v0", bundle="m1-sim", trials=4)
    >>> counts, info = env.reset(seed=0)
    >>> counts.shape
    (96,)
    >>> counts, reward, terminated, truncated, info = env.step(info["intended_velocity_cm_s"])
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        bundle: str | Path | Bundle = "m1-sim",
        task: str | Task = "center-out",
        user: str | Callable[[], User] = "simulated",
        trials: int = 1,
        perturbations: Sequence[str | Perturbation] = (),
        device: Device = "auto",
    ) -> None:
        self._trials = checked_whole("trials", trials, 1, MOST_TRIALS)
        checked_choice("device", device, get_args(Device))
        self._user = parse_user(user)
        if self._user.kind == "lsl":
            raise BadInputError(f"--user {self._user.name}: lives in real time, found an environment without a clock")
        self._bundle = open_bundle(bundle)
        self._task = open_task(task)
        self._device: Device = device
        self._perturbations = parse_perturbations(perturbations)
        self._loop: CursorLoop | None = None
        self._open(0)
        units = len(self._bundle.card.unit_names)
        self.observation_space = spaces.Box(0, MOST_SPIKES, (units,), np.uint8)
        self.action_space = spaces.Box(-FASTEST_CM_S, FASTEST_CM_S, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Counts, dict[str, Any]]:
        """Begin an episode.

        Parameters
        ----------
        seed : int >= 0, optional
            Of the episode; later episodes draw theirs. By default one is drawn.
        options : dict, optional
            Not used.

        Returns
        -------
        counts : array of shape (units,), uint8
        info : dict
        """
        if seed is not None:
            check_seed(seed)
            seed = operator.index(seed)
        super().reset(seed=seed, options=options)
        episode = int(self.np_random.integers(LARGEST_EPISODE_SEED)) if seed is None else seed
        self._loop = self._open(episode)
        self._targets = self._task.targets(self._trials, random_stream(episode, Purpose.TARGETS))
        self._bin, self._trial = 0, self._begin_trial(0)
        self._start = self._loop.begin_bin(self._trial)
        return self._observation(self._start), self._info(self._loop, self._start, ())

    def step(self, action: Action) -> tuple[Counts, float, bool, bool, dict[str, Any]]:
        """Move the cursor until the end of the bin, and begin the next.

        Parameters
        ----------
        action : array of shape (2,), cm/s

        Returns
        -------
        counts : array of shape (units,), uint8
        reward : float
        terminated : bool
        truncated : bool
            False.
        info : dict

        Raises
        ------
        BadInputError
            If no episode has begun, or the action is no finite array of that shape.
        """
        if self._loop is None:
            raise BadInputError("expected an episode that has begun, found none; call reset()")
        velocity = np.clip(_checked_action(action), -FASTEST_CM_S, FASTEST_CM_S)
        loop, events = self._loop, self._loop.end_bin(self._start, self._trial, velocity, self._bin)
        self._bin += 1
        outcome, index = self._trial.outcome, self._trial.index
        terminated = outcome is not None and index + 1 == self._trials
        if terminated:
            self._loop = None
            nothing = np.zeros(self.observation_space.shape or (), np.uint8)
            return nothing, REWARDS.get(outcome or "", 0.0), True, False, self._info(loop, self._start, events)
        if outcome is not None:
            self._trial = self._begin_trial(index + 1)
        self._start = loop.begin_bin(self._trial)
        info = self._info(loop, self._start, events)
        return self._observation(self._start), REWARDS.get(outcome or "", 0.0), False, False, info

    def _open(self, seed: int) -> CursorLoop:
        card, extent_cm = self._bundle.card, self._task.extent_cm
        population = BundlePopulation(self._bundle, seed, self._device)
        random = random_stream(seed, Purpose.USER)
        user = open_user(self._user, UserModel(), extent_cm, card.bin_size_s, random)
        return CursorLoop(self._task, population, user, self._perturbations, seed)

    def _begin_trial(self, index: int) -> TrialMachine:
        return TrialMachine(self._task, self._targets[index], self._bundle.card.bin_size_s, index)

    def _observation(self, start: BinStart) -> Counts:
        if start.counts is None:
            return np.zeros(self.observation_space.shape or (), np.uint8)
        return np.minimum(start.counts, MOST_SPIKES).astype(np.uint8)

    def _info(self, loop: CursorLoop, start: BinStart, events: Sequence[Event]) -> dict[str, Any]:
        target: Target | None = start.aim.target
        ends = [event.kind for event in events if event.kind in OUTCOMES]
        return {
            "cursor_cm": loop.position_cm.copy(),
            "cursor_velocity_cm_s": loop.velocity_cm_s.copy(),
            "intended_velocity_cm_s": start.intended_velocity.copy(),
            "target_cm": None if target is None else np.array(target.place_cm),
            "target_width_cm": None if target is None else target.width_cm,
            "on_target": start.aim.on_target,
            "trial": start.aim.trial,
            "outcome": ends[0] if ends else "",
            "bin": self._bin,
        }


def _checked_action(action: Any) -> Floats:
    try:
        velocity = np.asarray(action)
    except ValueError:  # of lists of different lengths
        velocity = np.empty(0)
    real = velocity.dtype.kind in "iuf" and not np.ma.is_masked(action)
    if velocity.shape != (2,) or not real or not np.isfinite(velocity).all():
        raise BadInputError(f"expected a finite action of shape (2,), found {action!r:.80}")
    return velocity.astype(np.float64)


if ENVIRONMENT not in gymnasium.registry:
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
        id=ENVIRONMENT, entry_point="spikeloop.gym:ClosedLoopEnv"
    )
