"""What drives a stream, bin after bin: rest, constant values, a file's, or the phase of a repeated stimulus."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, phases, rest_of
from spikeloop.models.recordings.files import read_arrays

__all__ = [
    "ArrayFeed",
    "ConditionFeed",
    "ConstantFeed",
    "PhaseFeed",
    "RestFeed",
    "is_live",
    "limits_of",
    "live_name",
    "open_feed",
    "require_channels",
]

Values = NDArray[np.float32]

MARGIN = 0.5  # of a channel's range, that values may lie beyond it; what is further is in another unit
KEYS = ("condition", "conditions")  # of the array in a file: as generated, or as recorded
LIVE = "lsl:"
KINDS = "expected rest, constant:0.5,-1, constant:NAME=0.5, file:PATH.npz, phase, phase:FIRST, lsl:STREAM or mqtt"


@runtime_checkable
class ConditionFeed(Protocol):
    """Conditions on demand."""

    def take(self, bins: int) -> Values:
        """The conditions of the next bins, (bins, channels), whatever number was taken before."""
        ...


@dataclass(frozen=True)
class RestFeed:
    """Every channel at rest, for good."""

    channels: tuple[Condition, ...]

    def take(self, bins: int) -> Values:
        return np.tile(rest_of(self.channels), (bins, 1))


@dataclass(frozen=True)
class ConstantFeed:
    """The same values, one a channel, in every bin."""

    values: tuple[float, ...]

    def take(self, bins: int) -> Values:
        return np.tile(np.array(self.values, np.float32), (bins, 1))


@dataclass(eq=False)
class ArrayFeed:
    """One row of values a bin, and rest after their end.

    Attributes
    ----------
    values : float32 array of shape (bins, channels)
    channels : tell what rest is
    """

    values: Values
    channels: tuple[Condition, ...]
    _next: int = field(default=0, init=False)

    def take(self, bins: int) -> Values:
        """The next bins, (bins, channels)."""
        given = self.values[self._next : self._next + bins]
        self._next += len(given)
        missing = bins - len(given)
        return np.concatenate([given, np.tile(rest_of(self.channels), (missing, 1))])


@dataclass
class PhaseFeed:
    """The phase of a stimulus that is shown again and again.

    Attributes
    ----------
    period : of the stimulus, in bins
    first : phase of the first bin
    """

    period: int
    first: int = 0
    _taken: int = field(default=0, init=False)

    def take(self, bins: int) -> Values:
        """The next bins, (bins, 1)."""
        self._taken += bins
        return phases(self.first + self._taken - bins, bins, self.period)


def is_live(text: str) -> bool:
    """Whether the conditions are those of an LSL stream, `lsl:STREAM`, as `LslCondition` follows it."""
    return text.startswith(LIVE)


def live_name(text: str) -> str:
    """The stream of `lsl:STREAM`."""
    return text.removeprefix(LIVE)


def open_feed(text: str, channels: tuple[Condition, ...]) -> ConditionFeed:
    """The feed that a user asked for.

    Parameters
    ----------
    text : `rest`; `constant:0.5,-1` with a value for every channel, or `constant:velocity x=0.5` with the others at
        rest; `file:PATH.npz` with an array `condition` of shape (bins, channels), after whose end they rest; `phase`,
        or `phase:100` to begin at bin 100 of the stimulus
    channels : of the model

    Raises
    ------
    BadInputError
        If it is none of these, the model has other channels, or values lie further beyond a channel's range than
        half its width.
    """
    require_channels(channels)
    kind, colon, rest = text.partition(":")
    match kind, bool(colon):
        case "rest", False:
            return RestFeed(channels)
        case "constant", True:
            return _constant(rest, channels)
        case "file", True:
            return _from_file(rest, channels)
        case "phase", _:
            return _phase(rest if colon else "0", channels)
        case _:
            raise BadInputError(f"--condition: {KINDS}; found {text!r:.80}")


def require_channels(channels: Sequence[Condition]) -> None:
    """Make sure that a model can be driven; BadInputError where it has no channels."""
    if not channels:
        raise BadInputError(
            "--condition: expected a model that is driven by conditions, found one without; leave --condition out, or"
            " take another model (spikeloop models lists them)"
        )


def limits_of(channels: Sequence[Condition]) -> NDArray[np.float64]:
    """The least and the greatest value that make sense, (2, channels): the range, widened by half its width.

    Of a cyclic channel it is the range itself.
    """
    low, high = (np.array([getattr(each, side) for each in channels]) for side in ("low", "high"))
    margin = np.where([each.cyclic for each in channels], 0, MARGIN * (high - low))
    return np.stack([low - margin, high + margin])


def _constant(text: str, channels: tuple[Condition, ...]) -> ConstantFeed:
    parts = text.split(",")
    named = [part.rpartition("=") for part in parts]
    if all(equals for _, equals, _ in named):
        values = list(map(float, rest_of(channels)))
        given = [name.strip() for name, _, _ in named]
        names = [each.name for each in channels]
        for name, _, number in named:
            if names.count(name.strip()) != 1 or given.count(name.strip()) != 1:
                raise BadInputError(
                    f"--condition: expected each of {_listed(channels)} at most once, found {name.strip()!r:.80}"
                )
            values[names.index(name.strip())] = _number(number)
    elif len(parts) == len(channels):
        values = list(map(_number, parts))
    else:
        raise BadInputError(
            f"--condition: expected {len(channels)} values, of {_listed(channels)}, found {len(parts)} in {text!r:.80};"
            f" or name them, as in constant:{channels[0].name}={channels[0].rest:g}"
        )
    _check(np.array([values]), channels, "constant")
    return ConstantFeed(tuple(values))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInputError(f"--condition: expected a number, found {text.strip()!r:.80}") from None


def _from_file(path: str, channels: tuple[Condition, ...]) -> ArrayFeed:
    try:
        arrays = read_arrays(Path(path))
    except BadInputError as error:
        raise BadInputError(f"--condition: {error}") from error
    key = next((key for key in KEYS if key in arrays), None)
    if key is None:
        expected = " or ".join(KEYS)
        raise BadInputError(
            f"--condition: {path}: expected an array named {expected}; found {', '.join(arrays) or 'none'}"
        )
    values = arrays[key]
    if values.dtype.kind not in "buif" or values.ndim != 2 or values.shape[1] != len(channels) or not len(values):
        raise BadInputError(
            f"--condition: {path}: expected {key} to be numbers of shape (bins, {len(channels)}), one column each for"
            f" {_listed(channels)}; found {values.dtype} of shape {values.shape}"
        )
    _check(values, channels, path)
    return ArrayFeed(values.astype(np.float32), channels)


def _check(values: NDArray, channels: tuple[Condition, ...], where: str) -> None:
    """Make sure that values, (bins, channels), are finite and near what was recorded; tells the first that is not."""
    low, high = limits_of(channels).astype(np.float32)  # as precise as recorded values are
    with np.errstate(over="ignore"):  # what is no float32 is infinite, and so refused
        values = values.astype(np.float32)
    cyclic = np.array([each.cyclic for each in channels])
    bad = ~((values >= low) & (values <= high)) | cyclic & (values != np.round(values))
    if not bad.any():
        return
    bin_, channel = map(int, np.argwhere(bad)[0])
    found, asked = float(values[bin_, channel]), channels[channel]
    expected = f"{low[channel]:g} to {high[channel]:g} {asked.unit}".rstrip()
    if not np.isfinite(found):
        advice = "give a finite number in every bin"
    elif asked.cyclic:
        advice = "a phase is counted in whole bins"
    else:
        advice = f"recorded were {asked.low:g} to {asked.high:g}; is it in another unit?"
    place = f"{where}: bin {bin_}" if len(values) > 1 else where
    raise BadInputError(f"--condition: {place}: expected {asked.name!r} from {expected}, found {found:g}; {advice}")


def _phase(first: str, channels: tuple[Condition, ...]) -> PhaseFeed:
    if len(channels) != 1 or not channels[0].cyclic:
        raise BadInputError(
            "--condition: phase needs a model driven by the phase of a repeated stimulus alone; this one is driven by"
            f" {_listed(channels)}: use constant:, file: or lsl:"
        )
    period = channels[0].period
    if not (first.isdecimal() and first.isascii() and int(first) < period):
        raise BadInputError(
            f"--condition: expected phase:FIRST with a bin of the stimulus from 0 to {period - 1}, found {first!r:.80}"
        )
    return PhaseFeed(period, int(first))


def _listed(channels: Sequence[Condition]) -> str:
    return ", ".join(f"{each.name!r}" for each in channels)
