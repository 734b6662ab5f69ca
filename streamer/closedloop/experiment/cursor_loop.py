"""One bin of a closed loop: the user aims, the population answers, and the cursor moves; the decoder stands outside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.brain import SimulatedPopulation
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation, PerturbedLoop
from spikeloop.streamer.closedloop.experiment.record import Aim
from spikeloop.streamer.closedloop.experiment.tasks import Target, Task
from spikeloop.streamer.closedloop.experiment.trials import Event, TrialMachine
from spikeloop.streamer.closedloop.experiment.users import User, View

__all__ = ["BinStart", "CursorLoop", "moved"]


@dataclass(frozen=True, eq=False)
class BinStart:
    """The first half of a bin, before anything is decoded.

    Attributes
    ----------
    aim : Aim
        The trial, and the target that the user sees.
    intended_velocity : array of shape (2,), cm/s
    counts : array of shape (units,), optional
        As they reach the decoder; None where they are lost.
    begun : sequence of Perturbation
        What sets in with this bin.
    """

    aim: Aim
    intended_velocity: Floats
    counts: Counts | None
    begun: Sequence[Perturbation]


class CursorLoop:
    """The cursor of a session, and what moves it.

    Parameters
    ----------
    task : Task
    population : SimulatedPopulation
    user : User
    perturbations : sequence of Perturbation
    seed : int
        Of the perturbations.
    observation_gain : float, default 1
        Of the velocity that the population answers to while the cursor moves by itself.

    Attributes
    ----------
    position_cm, velocity_cm_s : arrays of shape (2,)
        Of the cursor at the end of the latest bin.
    """

    def __init__(
        self,
        task: Task,
        population: SimulatedPopulation,
        user: User,
        perturbations: Sequence[Perturbation] = (),
        seed: int = 0,
        observation_gain: float = 1.0,
    ) -> None:
        self._task, self._population, self._user = task, population, user
        self._observation_gain = observation_gain
        self._perturbed = PerturbedLoop(
            perturbations,
            len(population.unit_names),
            population.bin_size_s,
            lambda number: random_stream(seed, Purpose.PERTURBATIONS, number),
        )
        self.position_cm, self.velocity_cm_s = np.zeros(2), np.zeros(2)

    def view(self, target: Target | None) -> View:
        """What the screen shows, with this target."""
        return View(self.position_cm, self.velocity_cm_s, target)

    def centre(self) -> None:
        """Put the cursor to the centre, at rest."""
        self.position_cm, self.velocity_cm_s = np.zeros(2), np.zeros(2)

    def follow(self, velocity_cm_s: Floats, position_cm: Floats) -> tuple[Counts, Floats]:
        """Move the cursor as a calibration does; return the counts and the velocity that the user imagined."""
        intended = self._user.follow(velocity_cm_s)
        counts = self._population.respond(self._observation_gain * intended, self.position_cm)
        self.position_cm, self.velocity_cm_s = position_cm, velocity_cm_s
        return counts, intended

    def begin_bin(self, trial: TrialMachine) -> BinStart:
        """Let the user aim and the population answer."""
        begun = self._perturbed.begin_bin()
        aim = Aim(trial.index, trial.shown, trial.on_target)
        intended = self._user.intend(self.view(aim.target))
        counts = self._population.respond(self._perturbed.intended_velocity(intended), self.position_cm)
        return BinStart(aim, intended, self._perturbed.counts(counts), begun)

    def end_bin(self, start: BinStart, trial: TrialMachine, decoded: Floats, bin: int) -> list[Event]:
        """Move the cursor by the decoded velocity (2,), cm/s; return what happens in the trial.

        In the pause of a task that recentres, the cursor is held in the centre until the target appears.
        """
        velocity = self._perturbed.velocity(decoded)
        if start.aim.target is None and self._task.recentres:
            self.centre()
        else:
            self.velocity_cm_s = velocity
            self.position_cm = moved(self.position_cm, velocity, self._population.bin_size_s, self._task.extent_cm)
        return trial.step(bin, self.position_cm)


def moved(position_cm: Floats, velocity_cm_s: Floats, bin_size_s: float, extent_cm: float) -> Floats:
    """Where a cursor is after a bin at this velocity: not beyond the workspace of this side."""
    half = extent_cm / 2
    return np.minimum(np.maximum(position_cm + velocity_cm_s * bin_size_s, -half), half)
