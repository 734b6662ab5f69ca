"""What may go wrong in a loop, from a moment on: units, drift, noise, lost data, latency, a turned map."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError

__all__ = ["KINDS", "Perturbation", "PerturbedLoop", "bins_late", "parse_perturbation"]

Counts = NDArray[Any]
Floats = NDArray[np.float64]

LONGEST_LATENCY_S = 10.0
ROUNDING = 1e-6  # of a bin
HIGHEST_DRIFT = 10.0  # times a unit's rate; there it stays


@dataclass(frozen=True)
class Perturbation:
    """One thing that goes wrong.

    Attributes
    ----------
    kind : one of `KINDS`
    value : how much of it, in the kind's own unit
    onset_s : from the start of the closed loop
    """

    kind: str
    value: float
    onset_s: float = 0.0

    def __str__(self) -> str:
        """As `parse_perturbation` reads it."""
        value, onset_s = (np.format_float_positional(each, trim="-") for each in (self.value, self.onset_s))
        return f"{self.kind}:{value}" + (f"@{onset_s}" if self.onset_s else "")


@dataclass(frozen=True)
class _Kind:
    low: float
    high: float
    does: str


KINDS = {
    "drop": _Kind(0, 1, "this share of the units falls silent"),
    "drift": _Kind(
        0, 100, "rates drift: log rates by a normal number of this standard deviation in a minute, a unit each"
    ),
    "noise": _Kind(0, 1000, "independent Poisson spikes of this rate, Hz, join every unit's"),
    "loss": _Kind(0, 1, "this share of bins never reaches the decoder, and the cursor goes on as before"),
    "latency": _Kind(
        0, 1000 * LONGEST_LATENCY_S, "decoded velocities reach the cursor so many ms later, in whole bins"
    ),
    "rotation": _Kind(-180, 180, "every unit's preferred direction turns by so many degrees, clockwise"),
}


def parse_perturbation(text: str) -> Perturbation:
    """Read `KIND:VALUE` or `KIND:VALUE@ONSET`, the onset in seconds of closed loop.

    Raises
    ------
    BadInputError
        If there is no such kind, or its value or onset can't be.
    """
    kind, _, rest = text.partition(":")
    value, at, onset = rest.partition("@")
    numbers = [_number(each) for each in ((value, onset) if at else (value, "0"))]
    found = Perturbation(kind, *numbers)
    _check(found, text)
    return found


def _check(perturbation: Perturbation, text: str) -> None:
    limits, value = KINDS.get(perturbation.kind), perturbation.value
    if limits is None or not limits.low <= value <= limits.high or not 0 <= perturbation.onset_s < math.inf:
        listed = ", ".join(f"{name}:{each.low:g} to {each.high:g}" for name, each in KINDS.items())
        raise BadInputError(f"--perturb: expected KIND:VALUE or KIND:VALUE@ONSET_S of {listed}; found {text!r:.80}")


def bins_late(perturbations: Sequence[Perturbation], bin_size_s: float) -> int:
    """The added latency of all of them, each rounded up to whole bins."""
    added = [each.value / 1000 for each in perturbations if each.kind == "latency"]
    return sum(math.ceil(each / bin_size_s - ROUNDING) for each in added)


class _Effect(Protocol):
    """What a perturbation does from its onset on."""

    def intention(self, velocity: Floats) -> Floats:
        """What the population takes for the intended velocity, (2,)."""
        ...

    def counts(self, counts: Counts) -> Counts | None:
        """What arrives of a bin's counts, (units,); None where nothing does."""
        ...

    def velocity(self, velocity: Floats) -> Floats:
        """What arrives at the cursor, (2,)."""
        ...


class _Nothing:
    """The base of effects at one place only."""

    def intention(self, velocity: Floats) -> Floats:
        return velocity

    def counts(self, counts: Counts) -> Counts | None:
        return counts

    def velocity(self, velocity: Floats) -> Floats:
        return velocity


class _Drop(_Nothing):
    def __init__(self, share: float, units: int, random: np.random.Generator) -> None:
        self._left = np.ones(units, np.uint8)
        self._left[random.permutation(units)[: round(share * units)]] = 0

    def counts(self, counts: Counts) -> Counts | None:
        return counts * self._left


class _Drift(_Nothing):
    def __init__(self, a_minute: float, units: int, bin_size_s: float, random: np.random.Generator) -> None:
        self._a_bin = a_minute * random.standard_normal(units) * bin_size_s / 60
        self._bins, self._random = 0, random

    def counts(self, counts: Counts) -> Counts | None:
        """Each spike becomes as many as the factor says on average."""
        self._bins += 1
        factor = np.exp(np.minimum(self._a_bin * self._bins, math.log(HIGHEST_DRIFT)))
        whole = np.floor(factor).astype(np.int64)
        return counts * whole + self._random.binomial(counts, factor - whole)


class _Noise(_Nothing):
    def __init__(self, rate_hz: float, bin_size_s: float, random: np.random.Generator) -> None:
        self._expected, self._random = rate_hz * bin_size_s, random

    def counts(self, counts: Counts) -> Counts | None:
        return counts + self._random.poisson(self._expected, counts.shape)


class _Loss(_Nothing):
    def __init__(self, share: float, random: np.random.Generator) -> None:
        self._share, self._random = share, random

    def counts(self, counts: Counts) -> Counts | None:
        return None if self._random.random() < self._share else counts


class _Latency(_Nothing):
    def __init__(self, bins: int) -> None:
        self._under_way: deque[Floats] = deque(maxlen=bins + 1)

    def velocity(self, velocity: Floats) -> Floats:
        """That of so many bins ago; the first holds until it is there."""
        self._under_way.append(velocity)
        return self._under_way[0]


class _Rotation(_Nothing):
    def __init__(self, degrees: float) -> None:
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        self._turn = np.array([[cosine, -sine], [sine, cosine]])

    def intention(self, velocity: Floats) -> Floats:
        return self._turn @ velocity


class PerturbedLoop:
    """The perturbations of a closed loop, each from its onset on, in the order in which they were given.

    Parameters
    ----------
    randoms : by a number of the perturbation's own, that doesn't depend on which of other kinds there are

    Raises
    ------
    BadInputError
        If a kind, a value or an onset can't be.
    """

    def __init__(
        self,
        perturbations: Sequence[Perturbation],
        units: int,
        bin_size_s: float,
        randoms: Callable[[int], np.random.Generator],
    ) -> None:
        for each in perturbations:
            _check(each, str(each))
        self._waiting = [
            (round(each.onset_s / bin_size_s), each, _effect(each, units, bin_size_s, randoms(number)))
            for each, number in zip(perturbations, _own_numbers(perturbations), strict=True)
        ]
        self._acting: list[_Effect] = []
        self._bins = 0

    def begin_bin(self) -> list[Perturbation]:
        """The next bin of the closed loop begins; what sets in with it."""
        begun = [each for onset, each, _ in self._waiting if onset == self._bins]
        self._acting = [effect for onset, _, effect in self._waiting if onset <= self._bins]
        self._bins += 1
        return begun

    def intention(self, velocity: Floats) -> Floats:
        """What the population takes for the intended velocity, (2,)."""
        for effect in self._acting:
            velocity = effect.intention(velocity)
        return velocity

    def counts(self, counts: Counts) -> Counts | None:
        """What arrives at the decoder of a bin's counts, (units,); None where nothing does."""
        lost = False
        for effect in self._acting:  # of a lost bin too: drift and noise go on meanwhile
            arrived = effect.counts(counts)
            lost, counts = (True, counts) if arrived is None else (lost, arrived)
        return None if lost else counts

    def velocity(self, velocity: Floats) -> Floats:
        """What arrives at the cursor, (2,)."""
        for effect in self._acting:
            velocity = effect.velocity(velocity)
        return velocity


def _own_numbers(perturbations: Sequence[Perturbation]) -> list[int]:
    """One for each, by its kind and its place among those of its kind."""
    kinds = [each.kind for each in perturbations]
    return [kinds[:place].count(kind) * len(KINDS) + list(KINDS).index(kind) for place, kind in enumerate(kinds)]


def _effect(perturbation: Perturbation, units: int, bin_size_s: float, random: np.random.Generator) -> _Effect:
    value = perturbation.value
    match perturbation.kind:
        case "drop":
            return _Drop(value, units, random)
        case "drift":
            return _Drift(value, units, bin_size_s, random)
        case "noise":
            return _Noise(value, bin_size_s, random)
        case "loss":
            return _Loss(value, random)
        case "latency":
            return _Latency(bins_late([perturbation], bin_size_s))
        case _:
            return _Rotation(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
