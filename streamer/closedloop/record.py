"""What a session shows while it runs, and what it leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.closedloop.perturbations import Perturbation
from spikeloop.streamer.closedloop.tasks import Target
from spikeloop.streamer.closedloop.trials import Event, Outcome, TrialMachine
from spikeloop.streamer.closedloop.users import View

__all__ = [
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

Floats = NDArray[np.float64]
BlockName = Literal["calibration", "before recalibration", "closed loop"]
NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Moment:
    """A bin of a session, when it is over.

    Attributes
    ----------
    bin : counted in its block
    view : what the screen then shows
    intention : array of shape (2,), cm/s, that the user had in this bin
    passed : False of a bin that never came to its end, as the session ended; only its events are new
    """

    block: BlockName
    bin: int
    view: View
    intention: Floats
    events: Sequence[Event] = ()
    begun: Sequence[Perturbation] = ()
    passed: bool = True


class Watcher(Protocol):
    """Who is shown each moment of a session; returns at once."""

    def show(self, moment: Moment) -> None: ...


@dataclass(frozen=True, eq=False)
class Block:
    """A stretch of a session, bin by bin.

    Attributes
    ----------
    counts : array of shape (bins, units), as they arrived at the decoder; zeros where they didn't
    arrived : bool array of shape (bins,)
    intention, velocity, position : arrays of shape (bins, 2), cm/s and cm: intended for the bin, and of the cursor at
        its end
    target : array of shape (bins, 2), cm, shown at the bin's beginning; NaN where none is
    on_target : bool array of shape (bins,), whether the cursor stood on it then
    trial : int array of shape (bins,); -1 outside of trials
    """

    name: BlockName
    counts: NDArray[Any]
    arrived: NDArray[np.bool_]
    intention: Floats
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
    from_cm : where the cursor was when the target appeared; the centre if it never did
    appeared_bin, ended_bin : the target's appearance, and the end; of a lost trial, the end is the first bin that is
        not in the block, and so is the appearance of a target that never did
    touched_bin, acquired_bin : the first entry into the target, and the one from which it was held; None where there
        was none
    travelled_cm, advanced_cm : up to the acquisition, the cursor's path and the straight line between its ends
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
    """How the decoder does on the held-out end of the calibration block, of both axes of the velocity."""

    r_squared: tuple[float, float]
    correlation: tuple[float, float]


@dataclass(frozen=True, eq=False)
class SessionRecord:
    """What a session came to.

    Attributes
    ----------
    blocks : in their order; the last one ends early where the session failed
    trials : that began, of all blocks
    events : of these trials, each with its block
    offline : None where there was no calibration, or the decoder is a live one
    failure : why the session ended before its end; empty where it didn't
    interrupted : whether that was by Ctrl-C
    """

    bin_size_s: float
    blocks: tuple[Block, ...]
    trials: tuple[Trial, ...]
    events: tuple[tuple[BlockName, Event], ...]
    offline: Offline | None
    failure: str = ""
    interrupted: bool = False


@dataclass(frozen=True)
class Aim:
    """What a bin begins with: the trial, -1 outside of trials; the target, if it is shown; and whether one is on it."""

    trial: int
    target: Target | None
    on_target: bool


NO_AIM = Aim(-1, None, False)


@dataclass(frozen=True, eq=False)
class _Bin:
    """What is written down of one: None for counts that didn't arrive."""

    moment: Moment
    counts: NDArray[Any] | None
    aim: Aim


class BlockRecorder:
    """Writes down the bins of a block.

    Parameters
    ----------
    units : of the population
    """

    def __init__(self, name: BlockName, units: int) -> None:
        self.name: BlockName = name
        self._nothing = np.zeros(units, np.uint8)
        self._bins: list[_Bin] = []

    def __len__(self) -> int:
        return len(self._bins)

    def add(self, moment: Moment, counts: NDArray[Any] | None, aim: Aim) -> None:
        """A bin is over; None for counts that didn't arrive."""
        self._bins.append(_Bin(moment, counts, aim))

    def block(self) -> Block:
        """All of it so far."""
        bins = len(self)
        views, aims = [each.moment.view for each in self._bins], [each.aim for each in self._bins]
        counts = [self._nothing if each.counts is None else each.counts for each in self._bins]
        return Block(
            name=self.name,
            counts=np.array(counts).reshape(bins, len(self._nothing)),
            arrived=np.array([each.counts is not None for each in self._bins], bool),
            intention=np.reshape([each.moment.intention for each in self._bins], (bins, 2)),
            velocity=np.reshape([each.velocity_cm_s for each in views], (bins, 2)),
            position=np.reshape([each.position_cm for each in views], (bins, 2)),
            target=np.reshape([each.target.place_cm if each.target else NOWHERE for each in aims], (bins, 2)),
            on_target=np.array([each.on_target for each in aims], bool),
            trial=np.array([each.trial for each in aims], np.int64),
        )

    def trial(self, machine: TrialMachine) -> Trial:
        """What a trial of this block came to, now that it is over."""
        assert machine.outcome is not None
        at = {kind: [each.bin for each in machine.events if each.kind == kind] for kind in ("target", "enter")}
        ended = machine.events[-1].bin
        appeared = at["target"][0] if at["target"] else ended
        way = np.array([each.moment.view.position_cm for each in self._bins[appeared : ended + 1]]).reshape(-1, 2)
        start = way[0] if len(way) else np.zeros(2)
        acquired = None
        if machine.outcome == "success":  # a target may have appeared under the cursor
            acquired = at["enter"][-1] if at["enter"] else appeared
            way = way[: acquired - appeared + 1]
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
            travelled_cm=math.nan if acquired is None else float(np.hypot(*np.diff(way, axis=0).T).sum()),
            advanced_cm=math.nan if acquired is None else float(np.hypot(*(way[-1] - way[0]))),
        )
