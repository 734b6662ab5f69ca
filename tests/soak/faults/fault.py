"""A kind of fault, and what one did."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.soak.lab import Lab

__all__ = ["Fault", "Injected", "lasting_s"]


@dataclass(frozen=True)
class Injected:
    """A fault that was injected, and is over.

    Attributes
    ----------
    what : str
        What happened, for a person.
    may_lose : tuple of str
        Programs that may lose bins by it, which must then be counted.
    failure : str
        What was not as it should be; empty where all was.
    """

    what: str
    may_lose: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes
    ----------
    about : str
        What happens, in a few words.
    inject : callable (Lab, Generator) -> Injected
        Does it, waits as long as it lasts, and undoes it; all that it draws comes from the generator.
    why_not : callable (Lab) -> str
        Why it can't be had here; empty where it can.
    """

    about: str
    inject: Callable[[Lab, np.random.Generator], Injected]
    why_not: Callable[[Lab], str] = lambda lab: ""


def lasting_s(random: np.random.Generator, shortest_s: float = 0.3, longest_s: float = 14.0) -> float:
    """Draw how long a fault lasts: as often 0.3 to 3 s as 3 to 14 s."""
    middle_s = min(3.0, longest_s)
    low_s, high_s = (shortest_s, middle_s) if random.random() < 0.5 else (middle_s, longest_s)
    return float(random.uniform(low_s, high_s))
