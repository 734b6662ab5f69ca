"""A trial, bin by bin: the target appears, the cursor reaches it and holds, or time is out."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.experiment.tasks import Target, Task

__all__ = ["OUTCOMES", "Event", "EventKind", "Outcome", "TrialMachine"]

Outcome = Literal["success", "timeout", "wrong", "lost"]
EventKind = Literal["target", "enter", "leave"] | Outcome

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # the events that end a trial

ROUNDING = 1e-6  # of a bin


@dataclass(frozen=True)
class Event:
    """Something that happened in a trial, at the end of a bin of the closed loop, counted from its first."""

    bin: int
    trial: int
    kind: EventKind


class _Phase(Enum):
    PAUSE = "pause"
    REACH = "reach"  # towards the target
    HOLD = "hold"  # on something that can be selected
    OVER = "over"


class TrialMachine:
    """One trial, bin by bin.

    After a pause the target appears. The cursor reaches it and holds; when it has held for `hold_s`, what it holds on
    is selected: the target, or a wrong one. If it leaves, it may reach again, until `timeout_s` after the target
    appeared. Times are rounded up to whole bins.

    Parameters
    ----------
    task : Task
    target : Target
    bin_size_s : float > 0, s
    index : int
        Of the trial, as its events have it.
    by_click : bool, default False
        Whether `click` selects, and holding doesn't.

    Attributes
    ----------
    target : Target
    index : int
        Of the trial, as its events have it.
    outcome : str or None
        None until the trial is over.
    events : list of Event
        So far.
    appeared_on : bool
        Whether the cursor was on the target when it appeared.
    """

    def __init__(self, task: Task, target: Target, bin_size_s: float, index: int, by_click: bool = False) -> None:
        self.outcome: Outcome | None = None
        self.events: list[Event] = []
        self.target, self.index, self._by_click = target, index, by_click
        self._task, self._wanted = task, task.region(np.array(target.place_cm), target)
        self.appeared_on = False
        self._pause_bins, self._hold_bins, self._timeout_bins = (
            math.ceil(duration_s / bin_size_s - ROUNDING) for duration_s in (task.pause_s, task.hold_s, task.timeout_s)
        )
        self._phase = _Phase.PAUSE
        self._waited = self._tried = self._held = 0
        self._on: Hashable | None = None

    @property
    def shown(self) -> Target | None:
        """The target, while it is to be seen."""
        return self.target if self._phase in (_Phase.REACH, _Phase.HOLD) else None

    @property
    def on_target(self) -> bool:
        """Whether the cursor stands on it."""
        return self.shown is not None and self._on == self._wanted

    def step(self, bin: int, position_cm: Floats) -> list[Event]:
        """Move on by a bin, at whose end the cursor is here; return the events that happened in it."""
        before = len(self.events)
        if self._phase is _Phase.PAUSE:
            self._wait(bin, position_cm)
        else:
            self._try(bin, position_cm)
        return self.events[before:]

    def click(self, bin: int, position_cm: Floats) -> list[Event]:
        """Select what is at a place, at the end of a bin that is over; return the events that happened.

        Nothing happens in the pause, where nothing can be selected, or where holding selects.
        """
        if not self._by_click or self.shown is None:
            return []
        before, selected = len(self.events), self._task.region(position_cm, self.target)
        if selected is not None:
            self._end(bin, "success" if selected == self._wanted else "wrong")
        return self.events[before:]

    def give_up(self, bin: int) -> None:
        """End the trial as lost, at the beginning of this bin."""
        self._end(bin, "lost")

    def _wait(self, bin: int, position_cm: Floats) -> None:
        self._waited += 1
        if self._waited < self._pause_bins:
            return
        self._on = self._task.region(position_cm, self.target)
        self.appeared_on = self._on is not None and self._on == self._wanted
        self._phase = _Phase.HOLD if self.appeared_on else _Phase.REACH
        self._happened(bin, "target")

    def _try(self, bin: int, position_cm: Floats) -> None:
        self._tried += 1
        self._held += 1
        self._move(bin, position_cm)
        if self._phase is _Phase.HOLD and self._held >= self._hold_bins and not self._by_click:
            self._end(bin, "success" if self._on == self._wanted else "wrong")
        elif self._tried >= self._timeout_bins:
            self._end(bin, "timeout")

    def _move(self, bin: int, position_cm: Floats) -> None:
        """The cursor may have left what it stood on, and may stand on something else."""
        before, self._on = self._on, self._task.region(position_cm, self.target)
        if self._on == before:
            return
        self._held = 0
        self._phase = _Phase.REACH if self._on is None else _Phase.HOLD
        if before == self._wanted:
            self._happened(bin, "leave")
        if self._on == self._wanted:
            self._happened(bin, "enter")

    def _end(self, bin: int, outcome: Outcome) -> None:
        self.outcome, self._phase = outcome, _Phase.OVER
        self._happened(bin, outcome)

    def _happened(self, bin: int, kind: EventKind) -> None:
        self.events.append(Event(bin, self.index, kind))
