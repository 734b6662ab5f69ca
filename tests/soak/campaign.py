"""Inject the faults of a plan, one after the other, until the time is over."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.soak.faults.registry import FAULTS
from tests.soak.lab import Lab
from tests.soak.plan import REST_S, Planned, drawn

__all__ = ["Event", "campaign"]


@dataclass(frozen=True)
class Event:
    """A fault that was injected; times are on LSL's clock.

    Attributes
    ----------
    number : int
        Of the plan; 0 of the time before the first one.
    fault, what : str
        Its kind; what happened.
    began_s, ended_s, settled_s : float, s
        When it began, when it was undone, and when bins came promptly again.
    quiet_until_s : float, s
        When the next one began, or the soak ended.
    may_lose : tuple of str
        Programs that may have lost bins by it.
    failure : str
        What was not as it should be at once.
    """

    number: int
    fault: str
    what: str
    began_s: float
    ended_s: float
    settled_s: float
    quiet_until_s: float
    may_lose: tuple[str, ...] = ()
    failure: str = ""


def campaign(
    lab: Lab, plan: Iterator[Planned], duration_s: float, show: Callable[[str], None], note: Callable[[Event], None]
) -> None:
    """Inject faults until the time is over, or the plan ends.

    Parameters
    ----------
    lab : Lab
    plan : iterator of Planned
    duration_s : float > 0, s
    show : callable
        Gets a line for people.
    note : callable
        Gets each event as soon as it is whole, so that Ctrl-C leaves what happened before.
    """
    end_s, began_s = time.monotonic() + duration_s, lab.now()
    lab.settle()
    latest = Event(0, "none", "all programs started", began_s, began_s, lab.now(), lab.now())
    try:
        for planned in plan:
            if FAULTS[planned.fault].why_not(lab):
                continue
            lab.sleep(planned.rest_s)
            if time.monotonic() >= end_s:
                return
            note(replace(latest, quiet_until_s=lab.now()))
            latest = _under_way(lab, planned)
            latest = _injected(lab, planned)
            show(f"{latest.number:4}  {latest.what}; settled after {latest.settled_s - latest.ended_s:.1f} s")
        lab.sleep(REST_S[1])
    finally:
        note(replace(latest, quiet_until_s=lab.now()))


def _under_way(lab: Lab, planned: Planned) -> Event:
    """Return the event of a fault that Ctrl-C ends before it is over."""
    now, open_end = lab.now(), (math.inf,) * 3
    return Event(planned.number, planned.fault, "was under way at the end", now, *open_end, may_lose=(*lab.programs,))


def _injected(lab: Lab, planned: Planned) -> Event:
    began_s = lab.now()
    injected = FAULTS[planned.fault].inject(lab, drawn(lab.seed, planned.number))
    ended_s = lab.now()
    lab.settle()
    return Event(
        planned.number, planned.fault, injected.what, began_s, ended_s, lab.now(), lab.now(), injected.may_lose,
        injected.failure,
    )  # fmt: skip
