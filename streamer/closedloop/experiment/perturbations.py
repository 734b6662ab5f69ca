"""What may go wrong in a loop, from a moment on: units, drift, noise, lost data, latency, a turned map."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number
from spikeloop.streamer.stream.perturbations import LIMITS, drift_factors, lost_units

__all__ = ["KINDS", "Perturbation", "PerturbedLoop", "bins_late", "parse_perturbation", "parse_perturbations"]

Counts = NDArray[Any]

ROUNDING = 1e-6  # of a bin
BLOCK = 6  # kinds whose random numbers interleave
MOST_OF_A_KIND = 1_000_000


@dataclass(frozen=True)
class Perturbation:
    """One thing that goes wrong.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    value : float
        How much of it, in the kind's own unit.
    onset_s : float, s
        From the start of the closed loop.
    """

    kind: str
    value: float
    onset_s: float = 0.0

    def __str__(self) -> str:
        """As `parse_perturbation` reads it."""
        value, onset_s = (np.format_float_positional(number, trim="-") for number in (self.value, self.onset_s))
        return f"{self.kind}:{value}" + (f"@{onset_s}" if self.onset_s else "")


class _Effect(Protocol):
    """What a perturbation does from its onset on."""

    def intended_velocity(self, velocity: Floats) -> Floats:
        """Return the intended velocity (2,) as the population receives it."""
        ...

    def counts(self, counts: Counts) -> Counts | None:
        """What arrives of a bin's counts, (units,); None where nothing does."""
        ...

    def velocity(self, velocity: Floats) -> Floats:
        """What arrives at the cursor, (2,)."""
        ...


class _Nothing:
    """The base of effects at one place only."""

    def intended_velocity(self, velocity: Floats) -> Floats:
        return velocity

    def counts(self, counts: Counts) -> Counts | None:
        return counts

    def velocity(self, velocity: Floats) -> Floats:
        return velocity


class _Drop(_Nothing):
    def __init__(self, share: float, units: int, random: np.random.Generator) -> None:
        self._left = np.ones(units, np.uint8)
        self._left[lost_units(share, units, random)] = 0

    def counts(self, counts: Counts) -> Counts | None:
        return counts * self._left


class _Drift(_Nothing):
    def __init__(self, a_minute: float, units: int, bin_size_s: float, random: np.random.Generator) -> None:
        self._a_bin = a_minute * random.standard_normal(units) * bin_size_s / 60
        self._bins, self._random = 0, random

    def counts(self, counts: Counts) -> Counts | None:
        """Each spike becomes as many as the factor says on average."""
        self._bins += 1
        factor = drift_factors(self._a_bin, self._bins)
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

    def intended_velocity(self, velocity: Floats) -> Floats:
        return self._turn @ velocity


@dataclass(frozen=True)
class _Kind:
    """A kind of perturbation.

    Attributes
    ----------
    number : int >= 0
        Its own for good: random numbers depend on it.
    low, high : float
        Limits of the value.
    does : str
        For people.
    make : callable (value, units, bin size in s, numpy.random.Generator) -> _Effect
    of_counts : bool, default False
        Whether it changes the counts that reach a decoder in this process.
    """

    number: int
    low: float
    high: float
    does: str
    make: Callable[[float, int, float, np.random.Generator], _Effect]
    of_counts: bool = False


KINDS = {
    "drop": _Kind(
        0, *LIMITS["drop"], "this share of the units falls silent",
        lambda share, units, bin_size_s, random: _Drop(share, units, random), of_counts=True,
    ),
    "drift": _Kind(
        1, *LIMITS["drift"],
        "rates drift: log rates by a normal number of this standard deviation in a minute, a unit each",
        _Drift, of_counts=True,
    ),
    "noise": _Kind(
        2, *LIMITS["noise"], "independent Poisson spikes of this rate, Hz, join every unit's",
        lambda rate_hz, units, bin_size_s, random: _Noise(rate_hz, bin_size_s, random), of_counts=True,
    ),
    "loss": _Kind(
        3, 0, 1, "this share of bins never reaches the decoder, and the cursor goes on as before",
        lambda share, units, bin_size_s, random: _Loss(share, random), of_counts=True,
    ),
    "latency": _Kind(
        4, *LIMITS["latency"], "decoded velocities reach the cursor so many ms later, in whole bins",
        lambda latency_ms, units, bin_size_s, random: _Latency(_bins_late(latency_ms, bin_size_s)),
    ),
    "rotation": _Kind(
        5, -180, 180, "every unit's preferred direction turns by so many degrees, clockwise",
        lambda degrees, units, bin_size_s, random: _Rotation(degrees),
    ),
}  # fmt: skip


def parse_perturbation(text: str) -> Perturbation:
    """Parse `KIND:VALUE` or `KIND:VALUE@ONSET`, the onset in seconds of closed loop.

    Raises
    ------
    BadInputError
        If there is no such kind, or its value or onset can't be.
    """
    kind, _, rest = text.partition(":")
    value, at, onset = rest.partition("@")
    numbers = [_number(number) for number in ((value, onset) if at else (value, "0"))]
    found = Perturbation(kind, *numbers)
    _check(found, text)
    return found


def parse_perturbations(perturbations: Iterable[str | Perturbation]) -> tuple[Perturbation, ...]:
    """Parse the texts among perturbations, and check the others.

    Raises
    ------
    BadInputError
        If one of them can't be, or they are no iterable.
    """
    no_dimensions = isinstance(perturbations, np.ndarray) and not perturbations.ndim
    if isinstance(perturbations, str | Mapping) or not isinstance(perturbations, Iterable) or no_dimensions:
        raise BadInputError(f"--perturb: expected an iterable of perturbations, found {perturbations!r:.80}")
    return tuple(_parsed(perturbation) for perturbation in perturbations)


def _parsed(given: str | Perturbation) -> Perturbation:
    if isinstance(given, str):
        return parse_perturbation(given)
    if not isinstance(given, Perturbation):
        raise BadInputError(f"--perturb: expected a text or a Perturbation, found {given!r:.80}")
    _check(given)
    return given


def _check(perturbation: Perturbation, text: str | None = None) -> None:
    kind, value, onset_s = perturbation.kind, perturbation.value, perturbation.onset_s
    limits = KINDS.get(kind) if isinstance(kind, str) and is_number(value) and is_number(onset_s) else None
    if limits is None or not limits.low <= value <= limits.high or not 0 <= onset_s < math.inf:
        text = f"{kind}:{value}@{onset_s}" if text is None else text
        listed = ", ".join(f"{name}:{kind.low:g} to {kind.high:g}" for name, kind in KINDS.items())
        raise BadInputError(f"--perturb: expected KIND:VALUE or KIND:VALUE@ONSET_S of {listed}; found {text!r:.80}")


def bins_late(perturbations: Sequence[Perturbation], bin_size_s: float) -> int:
    """Add up the latency of all perturbations, each rounded up to whole bins."""
    added = [perturbation.value for perturbation in perturbations if perturbation.kind == "latency"]
    return sum(_bins_late(latency_ms, bin_size_s) for latency_ms in added)


def _bins_late(latency_ms: float, bin_size_s: float) -> int:
    return math.ceil(latency_ms / 1000 / bin_size_s - ROUNDING)


class PerturbedLoop:
    """The perturbations of a closed loop, each from its onset on, in the order in which they were given.

    Parameters
    ----------
    perturbations : sequence of Perturbation
    units : int
    bin_size_s : float > 0, s
    randoms : callable (int) -> numpy.random.Generator
        Called with a number that identifies the perturbation; it does not depend on which others there are.

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
        for perturbation in perturbations:
            _check(perturbation)
        self._waiting = [
            (
                round(perturbation.onset_s / bin_size_s),
                perturbation,
                KINDS[perturbation.kind].make(perturbation.value, units, bin_size_s, randoms(number)),
            )
            for perturbation, number in zip(perturbations, _own_numbers(perturbations), strict=True)
        ]
        self._acting: list[_Effect] = []
        self._bins = 0

    def begin_bin(self) -> list[Perturbation]:
        """The next bin of the closed loop begins; what sets in with it."""
        begun = [perturbation for onset, perturbation, _ in self._waiting if onset == self._bins]
        self._acting = [effect for onset, _, effect in self._waiting if onset <= self._bins]
        self._bins += 1
        return begun

    def intended_velocity(self, velocity: Floats) -> Floats:
        """Return the intended velocity (2,) as the population receives it."""
        for effect in self._acting:
            velocity = effect.intended_velocity(velocity)
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
    """One for each, by its kind's number and its place among those of its kind.

    Kinds count in blocks of six, so that a kind that is added leaves the numbers of the others as they are.
    """
    kinds = [perturbation.kind for perturbation in perturbations]
    numbers = [divmod(KINDS[kind].number, BLOCK) for kind in kinds]
    return [
        (block * MOST_OF_A_KIND + kinds[:place].count(kind)) * BLOCK + in_block
        for place, (kind, (block, in_block)) in enumerate(zip(kinds, numbers, strict=True))
    ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
