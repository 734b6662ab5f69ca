"""What a session shows while it runs, and what it leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.trials import Event, Outcome, TrialMachine
from spikeloop.streamer.closedloop.experiment.users import View

__all__ = [
    "BLOCKS",
    "NO_AIM",
    "Aim",
    "Block",
    "BlockName",
    "BlockRecorder",
    "Moment",
    "Offline",
    "SessionRecord",
    "Trial",
    "Watcher",
]

BlockName = Literal["calibration", "before recalibration", "closed loop"]
BLOCKS: tuple[BlockName, ...] = ("calibration", "before recalibration", "closed loop")  # by their numbers
NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Moment:
    """A bin of a session, when it is over.

    Attributes
    ----------
    block : str
    bin : int
        Counted in its block.
    view : View
        What the screen then shows.
    intended_velocity : array of shape (2,), cm/s
        Of the user in this bin.
    events : sequence of Event
        What happened in the trial.
    begun : sequence of Perturbation
        What set in with this bin.
    passed : bool
        False of a bin that never came to its end, because the session ended; only its events are new.
    """

    block: BlockName
    bin: int
    view: View
    intended_velocity: Floats
    events: Sequence[Event] = ()
    begun: Sequence[Perturbation] = ()
    passed: bool = True


class Watcher(Protocol):
    """What observes each bin of a session; `show` returns at once."""

    def show(self, moment: Moment) -> None: ...


@dataclass(frozen=True, eq=False)
class Block:
    """A stretch of a session, bin by bin.

    Attributes
    ----------
    name : str
    counts : array of shape (bins, units)
        As they arrived at the decoder; zeros where they didn't.
    arrived : array of shape (bins,), bool
    intended_velocity, velocity, position : arrays of shape (bins, 2), cm/s and cm
        Intended for the bin; and of the cursor at its end.
    target : array of shape (bins, 2), cm
        Shown at the bin's beginning; NaN where none is.
    on_target : array of shape (bins,), bool
        Whether the cursor was on it then.
    trial : array of shape (bins,), int
        -1 outside of trials.
    """

    name: BlockName
    counts: NDArray[Any]
    arrived: NDArray[np.bool_]
    intended_velocity: Floats
    velocity: Floats
    position: Floats
    target: Floats
    on_target: NDArray[np.bool_]
    trial: NDArray[np.int64]

    @property
    def start(self) -> Floats:
        """Where the cursor was at each bin's beginning, (bins, 2); at first in the centre."""
        return np.concatenate([np.zeros((1, 2)), self.position[:-1]])[: len(self.position)]


@dataclass(frozen=True)
class Trial:
    """A trial of a closed loop; bins are counted in its block.

    Attributes
    ----------
    block : str
    index : int
        Counted in the session.
    target : Target
    outcome : {"success", "timeout", "wrong", "lost"}
    from_cm : tuple of two floats, cm
        Where the cursor was when the target appeared; the centre if it never did.
    appeared_bin, ended_bin : int
        The target's appearance, and the end; of a lost trial, the end is the first bin that is not in the block, and so
        is the appearance of a target that never appeared.
    touched_bin, acquired_bin : int or None
        The first entry into the target, and the one from which it was held.
    travelled_cm, advanced_cm : float, cm
        Up to the acquisition, the length of the cursor's path and of the straight line between its ends.
    """

    block: BlockName
    index: int
    target: Target
    outcome: Outcome
    from_cm: tuple[float, float]
    appeared_bin: int
    ended_bin: int
    touched_bin: int | None = None
    acquired_bin: int | None = None
    travelled_cm: float = math.nan
    advanced_cm: float = math.nan


@dataclass(frozen=True)
class Offline:
    """How the decoder does on the held-out end of the calibration block, of both axes of the velocity, and together."""

    r_squared: tuple[float, float]
    correlation: tuple[float, float]
    variance_weighted: float = math.nan


@dataclass(frozen=True, eq=False)
class SessionRecord:
    """Everything that happened in a session.

    Attributes
    ----------
    bin_size_s : float > 0, s
    blocks : tuple of Block
        In their order; the last one ends early where the session failed.
    trials : tuple of Trial
        That began, of all blocks.
    events : tuple of (block's name, Event)
        Of these trials.
    offline : Offline or None
        None where there was no calibration, or the decoder exists only inside the loop.
    failure : str
        Why the session ended before its end; empty where it didn't.
    interrupted : bool
        Whether Ctrl-C ended it.
    decoder_failed : bool
        Whether it was the decoder that failed.
    """

    bin_size_s: float
    blocks: tuple[Block, ...]
    trials: tuple[Trial, ...]
    events: tuple[tuple[BlockName, Event], ...]
    offline: Offline | None
    failure: str = ""
    interrupted: bool = False
    decoder_failed: bool = False


@dataclass(frozen=True)
class Aim:
    """What a bin begins with: the trial, -1 outside of trials; the target, if it is shown; and whether one is on it."""

    trial: int
    target: Target | None
    on_target: bool


NO_AIM = Aim(-1, None, False)


@dataclass(frozen=True, eq=False)
class _Bin:
    """The record of one; counts are None where they didn't arrive."""

    moment: Moment
    counts: NDArray[Any] | None
    aim: Aim


class BlockRecorder:
    """Records the bins of a block.

    Parameters
    ----------
    name : str
    units : int
        Of the population.
    """

    def __init__(self, name: BlockName, units: int) -> None:
        self.name: BlockName = name
        self._nothing = np.zeros(units, np.uint8)
        self._bins: list[_Bin] = []

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, moment: Moment, counts: NDArray[Any] | None, aim: Aim) -> None:
        """Add a bin that is over; counts are None where they didn't arrive."""
        self._bins.append(_Bin(moment, counts, aim))

    def block(self) -> Block:
        """Return the block so far."""
        bins = len(self)
        views, aims = [bin_.moment.view for bin_ in self._bins], [bin_.aim for bin_ in self._bins]
        counts = [self._nothing if bin_.counts is None else bin_.counts for bin_ in self._bins]
        return Block(
            name=self.name,
            counts=np.array(counts).reshape(bins, len(self._nothing)),
            arrived=np.array([bin_.counts is not None for bin_ in self._bins], bool),
            intended_velocity=np.reshape([bin_.moment.intended_velocity for bin_ in self._bins], (bins, 2)),
            velocity=np.reshape([view.velocity_cm_s for view in views], (bins, 2)),
            position=np.reshape([view.position_cm for view in views], (bins, 2)),
            target=np.reshape([aim.target.place_cm if aim.target else NOWHERE for aim in aims], (bins, 2)),
            on_target=np.array([aim.on_target for aim in aims], bool),
            trial=np.array([aim.trial for aim in aims], np.int64),
        )

    def trial(self, machine: TrialMachine) -> Trial:
        """Return a trial of this block that is over."""
        assert machine.outcome is not None
        at = {kind: [event.bin for event in machine.events if event.kind == kind] for kind in ("target", "enter")}
        ended = machine.events[-1].bin
        appeared = at["target"][0] if at["target"] else ended
        path = np.array([bin_.moment.view.position_cm for bin_ in self._bins[appeared : ended + 1]]).reshape(-1, 2)
        start = path[0] if len(path) else np.zeros(2)
        acquired = None
        if machine.outcome == "success":  # a target may have appeared under the cursor
            acquired = at["enter"][-1] if at["enter"] else appeared
            path = path[: acquired - appeared + 1]
        return Trial(
            block=self.name,
            index=machine.index,
            target=machine.target,
            outcome=machine.outcome,
            from_cm=(float(start[0]), float(start[1])),
            appeared_bin=appeared,
            ended_bin=ended,
            touched_bin=appeared if machine.appeared_on else at["enter"][0] if at["enter"] else acquired,
            acquired_bin=acquired,
            travelled_cm=math.nan if acquired is None else float(np.hypot(*np.diff(path, axis=0).T).sum()),
            advanced_cm=math.nan if acquired is None else float(np.hypot(*(path[-1] - path[0]))),
        )
