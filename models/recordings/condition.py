"""What drives a population, one value a bin: stimulus phase, kinematics, intention."""

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
    name, unit : as shown to users, e.g. "velocity x" in "cm/s"
    low, high : the range that was recorded
    rest : its value where nothing is asked for
    cyclic : whether it is the phase of a repeated stimulus: whole bins from 0 to `high`, one further each bin
    """

    name: str
    unit: str
    low: float
    high: float
    rest: float = 0.0
    cyclic: bool = False

    @property
    def period(self) -> int:
        """Bins of a cyclic one's cycle."""
        return round(self.high) + 1


def phase_condition(period: int) -> Condition:
    """The phase of a stimulus of so many bins."""
    return Condition("phase", "bin", 0.0, float(period - 1), cyclic=True)


def phases(first_bin: int, bins: int, period: int) -> NDArray[np.float32]:
    """The phase in each of `bins` bins from bin `first_bin` on, (bins, 1)."""
    return (np.arange(first_bin, first_bin + bins) % period).astype(np.float32)[:, np.newaxis]


def conditions_of(values: NDArray[np.float32], names: Sequence[str], units: Sequence[str]) -> tuple[Condition, ...]:
    """Describe recorded channels, (..., conditions), by their range; at rest they are 0, or what is nearest to it."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    low, high = flat.min(axis=0), flat.max(axis=0)
    return tuple(
        Condition(name, unit, float(least), float(most), rest=float(np.clip(0.0, least, most)))
        for name, unit, least, most in zip(names, units, low, high, strict=True)
    )


def rest_of(conditions: Sequence[Condition]) -> NDArray[np.float32]:
    """Every channel at rest, (conditions,)."""
    return np.array([each.rest for each in conditions], np.float32)


def conditions_from(entries: Sequence[dict[str, Any]], where: str) -> tuple[Condition, ...]:
    """Read what `dataclasses.asdict` gave.

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
    """Whether every entry has its type and a sensible value, as a card states it."""
    words, numbers = (condition.name, condition.unit), (condition.low, condition.high, condition.rest)
    return (
        all(isinstance(word, str) and len(word) <= LONGEST_NAME and (not word or word.isprintable()) for word in words)
        and bool(condition.name)
        and isinstance(condition.cyclic, bool)
        and all(isinstance(number, int | float) and abs(number) <= LARGEST for number in numbers)
        and condition.low <= condition.rest <= condition.high
        and not (condition.cyclic and not 0 <= condition.high <= LONGEST_CYCLE)
    )
