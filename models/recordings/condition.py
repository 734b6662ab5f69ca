"""What drives a population, one value a bin: stimulus phase, kinematics, intended velocity."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError

__all__ = ["Condition", "conditions_from", "conditions_of", "is_sound", "phase_condition", "phases", "rest_of"]

LONGEST_NAME = 64
LONGEST_CYCLE = 2**24  # bins, which float32 still counts
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Condition:
    """One channel of what drives a population.

    Attributes
    ----------
    name, unit : str
        As shown to users, such as "velocity x" in "cm/s".
    low, high : float
        The range that was recorded.
    rest : float
        Its value while nothing else is asked for.
    cyclic : bool
        Whether it is the phase of a repeated stimulus: whole bins from 0 to `high`, one further each bin.
    """

    name: str
    unit: str
    low: float
    high: float
    rest: float = 0.0
    cyclic: bool = False

    @property
    def period(self) -> int:
        """Bins of the cycle, where it is cyclic."""
        return round(self.high) + 1


def phase_condition(period: int) -> Condition:
    """Make the channel for the phase of a stimulus of so many bins."""
    return Condition("phase", "bin", 0.0, float(period - 1), cyclic=True)


def phases(first_bin: int, bins: int, period: int) -> NDArray[np.float32]:
    """Compute the phase in each of `bins` bins from bin `first_bin` on, (bins, 1)."""
    return (np.arange(first_bin, first_bin + bins) % period).astype(np.float32)[:, np.newaxis]


def conditions_of(values: NDArray[np.float32], names: Sequence[str], units: Sequence[str]) -> tuple[Condition, ...]:
    """Describe recorded channels, (..., conditions), by their range; their rest is 0, or the value nearest to it."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    low, high = flat.min(axis=0), flat.max(axis=0)
    return tuple(
        Condition(name, unit, float(least), float(most), rest=float(np.clip(0.0, least, most)))
        for name, unit, least, most in zip(names, units, low, high, strict=True)
    )


def rest_of(conditions: Sequence[Condition]) -> NDArray[np.float32]:
    """Return every channel's rest, (conditions,)."""
    return np.array([condition.rest for condition in conditions], np.float32)


def conditions_from(entries: Sequence[dict[str, Any]], where: str) -> tuple[Condition, ...]:
    """Read channels that `dataclasses.asdict` has written.

    Parameters
    ----------
    entries : sequence of dict
    where : str
        They come from, for messages.

    Raises
    ------
    BadInputError
        If an entry lacks something, or is no such channel.
    """
    conditions = []
    for entry in entries:
        known = {name: entry[name] for name in asdict(Condition("", "", 0, 0)) if name in entry}
        try:
            condition = Condition(**known)
        except TypeError:
            condition = None
        if condition is None or not is_sound(condition):
            raise BadInputError(f"{where}: expected a condition's name, unit, low, high and rest, found {entry!r:.120}")
        conditions.append(condition)
    return tuple(conditions)


def is_sound(condition: Condition) -> bool:
    """Say whether every entry has its type and a sensible value."""
    words, numbers = (condition.name, condition.unit), (condition.low, condition.high, condition.rest)
    return (
        all(isinstance(word, str) and len(word) <= LONGEST_NAME and (not word or word.isprintable()) for word in words)
        and bool(condition.name)
        and isinstance(condition.cyclic, bool)
        and all(isinstance(number, int | float) and abs(number) <= LARGEST for number in numbers)
        and condition.low <= condition.rest <= condition.high
        and not (condition.cyclic and not 0 <= condition.high <= LONGEST_CYCLE)
    )
