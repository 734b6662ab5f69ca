"""Which faults come, one after the other: all of it follows from the seed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spikeloop.models.random_streams import Purpose, random_stream

__all__ = ["REST_S", "Planned", "drawn", "planned"]

REST_S = (1.5, 5.0)  # without a fault, before each


@dataclass(frozen=True)
class Planned:
    """A fault of the plan.

    Attributes
    ----------
    number : int
        From 1 on; with the seed it decides all that the fault draws.
    fault : str
    rest_s : float, s
        Without a fault, before it.
    """

    number: int
    fault: str
    rest_s: float


def planned(seed: int, faults: Sequence[str], only: Collection[str] = ()) -> Iterator[Planned]:
    """Draw faults without end: each kind once, in a drawn order, then all of them again.

    Parameters
    ----------
    seed : int >= 0
    faults : sequence of str
        All kinds, also those that can't be had on this machine, so that the plan is the same on each.
    only : collection of str
        Kinds, or numbers of faults, to which the plan is reduced; empty for all. Numbers alone end it.
    """
    numbers = {int(each) for each in only if each.isdecimal()}
    kinds = {each for each in only if not each.isdecimal()}
    number = 0
    while kinds or not only or number < max(numbers):
        order: list[int] = random_stream(seed, Purpose.SOAK_PLAN, number).permutation(len(faults)).tolist()
        for place in order:
            number += 1
            if not only or number in numbers or faults[place] in kinds:
                yield Planned(number, faults[place], float(drawn(seed, number, 0).uniform(*REST_S)))


def drawn(seed: int, number: int, part: int = 1) -> np.random.Generator:
    """Return the random numbers of a fault."""
    return random_stream(seed, Purpose.SOAK_FAULT, number, part)
