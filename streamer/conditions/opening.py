"""Open a feed from words, as of the option `--condition`, or from the values of a program."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.formats.read import read_arrays
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, rest_of
from spikeloop.streamer.conditions.feeds import (
    ArrayFeed,
    ConditionFeed,
    ConstantFeed,
    PhaseFeed,
    RestFeed,
    limits_of,
    require_channels,
)

__all__ = ["CLOSED_LOOP", "LIVE", "feed_of", "is_live", "is_repeatable", "live_name", "open_feed"]

KEYS = ("condition", "conditions")  # of the array in a file: as generated, or as recorded
LIVE = "lsl:"
CLOSED_LOOP = "closed loop"  # in a file, where the user of a closed loop drove the population
KINDS = "expected rest, constant:0.5,-1, constant:NAME=0.5, file:PATH.npz, phase, phase:FIRST, lsl:STREAM or mqtt"


def is_live(text: str) -> bool:
    """Return whether the conditions are those of an LSL stream, `lsl:STREAM`."""
    return text.startswith(LIVE)


def live_name(text: str) -> str:
    """Return the name of the stream in `lsl:STREAM`."""
    return text.removeprefix(LIVE)


def is_repeatable(text: str) -> bool:
    """Return whether anybody can repeat the conditions from these words alone, without a file or a live stream."""
    return text.partition(":")[0] in ("rest", "constant", "phase")


def open_feed(text: str, channels: tuple[Condition, ...]) -> ConditionFeed:
    """Open the feed that a user asked for in words.

    Parameters
    ----------
    text : str
        `rest`; `constant:0.5,-1` with a value for every channel, or `constant:velocity x=0.5` with the others at
        rest; `file:PATH.npz` with an array `condition` of shape (bins, channels), after whose end they rest; `phase`,
        or `phase:100` to begin at bin 100 of the stimulus.
    channels : tuple of Condition
        The model's channels.

    Raises
    ------
    BadInputError
        If it is none of these, the model has other channels, or values lie further beyond a channel's range than
        half its width.
    """
    kind, colon, rest = text.partition(":")
    if not {"rest": not colon, "constant": colon, "file": colon, "phase": True}.get(kind):
        raise BadInputError(f"--condition: {KINDS}; found {text!r:.80}")
    require_channels(channels)
    match kind:
        case "rest":
            return RestFeed(channels, text)
        case "constant":
            return _constant(rest, channels)
        case "file":
            return _from_file(rest, channels)
        case _:
            return _phase(text, rest if colon else "0", channels)


def feed_of(values: ArrayLike, channels: tuple[Condition, ...]) -> ConditionFeed:
    """Open the feed of values that a program gives.

    Parameters
    ----------
    values : array of shape (channels,) or (bins, channels)
        One value a channel, held for every bin; or a row of values a bin, after whose end the channels rest.
    channels : tuple of Condition
        The model's channels.

    Raises
    ------
    BadInputError
        If the shape is another one, or values are not finite or lie further beyond a channel's range than half its
        width.
    """
    require_channels(channels)
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "buif" or array.ndim not in (1, 2) or array.shape[-1] != len(channels) or not len(array):
        raise BadInputError(
            f"--condition: expected numbers of shape ({len(channels)},) or (bins, {len(channels)}), for"
            f" {_listed(channels)}; found {array.dtype} of shape {array.shape}"
        )
    _check(np.atleast_2d(array), channels, "array")
    if array.ndim == 2:
        return ArrayFeed(array.astype(np.float32), channels)
    constant = tuple(map(float, array))
    return ConstantFeed(constant, f"constant:{','.join(map(repr, constant))}")


def _constant(text: str, channels: tuple[Condition, ...]) -> ConstantFeed:
    parts = text.split(",")
    named = [part.rpartition("=") for part in parts]
    if all(equals for _, equals, _ in named):
        values = list(map(float, rest_of(channels)))
        given = [name.strip() for name, _, _ in named]
        names = [channel.name for channel in channels]
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
    return ConstantFeed(tuple(values), f"constant:{text}")


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
    return ArrayFeed(values.astype(np.float32), channels, f"file:{path}")


def _check(values: NDArray, channels: tuple[Condition, ...], where: str) -> None:
    """Raise BadInputError for the first value, of (bins, channels), that is not finite or far from the recorded."""
    low, high = limits_of(channels).astype(np.float32)  # as precise as recorded values are
    with np.errstate(over="ignore"):  # what is no float32 is infinite, and so refused
        values = values.astype(np.float32)
    cyclic = np.array([channel.cyclic for channel in channels])
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


def _phase(text: str, first: str, channels: tuple[Condition, ...]) -> PhaseFeed:
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
    return PhaseFeed(period, int(first), text)


def _listed(channels: Sequence[Condition]) -> str:
    return ", ".join(f"{channel.name!r}" for channel in channels)
