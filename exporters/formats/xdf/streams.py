"""One stream of an XDF file, read by pyxdf: its samples, their times, and where its clock was interrupted."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.chunks import Stream, Streams
from spikeloop.exporters.formats.xdf.other_clocks import (
    OtherClock,
    find_other_clocks,
    other_clock_words,
    placed_by_arrival,
)
from spikeloop.exporters.formats.xdf.stamps import timing_of
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.spike_times import LATEST_S

__all__ = ["Loaded", "OpenFile", "Samples", "load_stream", "passed_over_words"]

LATE = 0.5  # of a bin, by which a stamp of ours may be off before it means that bins are missing


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a stream.

    Attributes
    ----------
    values : array of shape (samples, channels), or list of lists of str
    stamps_s : array of shape (samples,), s
        By the clock of the computer that recorded.
    segments : tuple of (int, int)
        The first sample of each stretch without interruption, and the one behind its last.
    step_s : float > 0, s, or None
        Between the samples of a regular stream, as its stamps say; None where it has no rate.
    missing : int
        Samples that are missing between the stretches, as far as that is known.
    """

    values: Any
    stamps_s: Floats
    segments: tuple[tuple[int, int], ...]
    step_s: float | None = None
    missing: int = 0


@dataclass(frozen=True, eq=False)
class Loaded:
    """The samples of a stream and their stamps as they are: not freed from jitter, and in the order of the file.

    Attributes
    ----------
    values : array of shape (samples, channels), or list of lists of str
    own_s : array of shape (samples,), float64, s
        Stamps by the clock of the sender, as it made them.
    times_s : array of shape (samples,), float64, s
        Brought to the recorder's clock by the offsets that it measured.
    resets : tuple of int
        The first sample, and those before which the sender's clock was set anew.
    passed_over : int
        Samples that are left out, as their stamps are no times: NaN, infinite, or beyond any clock.
    clocks : tuple of OtherClock
        Where stamps are of another clock than LSL's; these samples have the times at which they arrived.
    """

    values: Any
    own_s: Floats
    times_s: Floats
    resets: tuple[int, ...]
    passed_over: int = 0
    clocks: tuple[OtherClock, ...] = ()

    def remarks(self, name: str) -> tuple[str, ...]:
        """Say of a stream of this name what was left out, and what its times are where its stamps don't say."""
        passed_over = (passed_over_words(name, self),) if self.passed_over else ()
        return (*passed_over, *((other_clock_words(name, self.clocks),) if self.clocks else ()))


@dataclass(frozen=True, eq=False)
class OpenFile:
    """An open file, and the streams that were read already."""

    path: Path
    streams: Streams
    known: dict[int, Samples] = field(default_factory=dict)
    loaded: dict[int, Loaded] = field(default_factory=dict)

    @cached_property
    def other_clocks(self) -> dict[int, tuple[OtherClock, ...]]:
        """Where stamps are of other clocks than LSL's, by the numbers of streams."""
        return find_other_clocks(self.streams)

    def samples(self, stream: Stream) -> Samples:
        """Read a stream's samples, once; BadInputError where it has none, or they can't be read."""
        if stream.number not in self.known:
            self.known[stream.number] = _freed_from_jitter(self.load(stream), stream)
        return self.known[stream.number]

    def as_sent(self, stream: Stream) -> tuple[Any, Floats]:
        """Read a stream's samples, and their stamps as its sender made them, s; errors as of `samples`."""
        loaded = self.load(stream)
        return loaded.values, loaded.own_s

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the stamps of streams that were read, a sentence each."""
        read = [(stream.name, self.loaded.get(stream.number)) for stream in self.streams.streams]
        return tuple(remark for name, known in read if known for remark in known.remarks(name))

    def load(self, stream: Stream) -> Loaded:
        """Read a stream, not freed from jitter, once; errors as of `samples`."""
        if stream.number not in self.loaded:
            clocks = self.other_clocks.get(stream.number, ())
            self.loaded[stream.number] = load_stream(self.streams, stream, self.path, clocks)
        loaded = self.loaded[stream.number]
        if not len(loaded.times_s):
            raise BadInputError(
                f"{self.path}: expected times in the stream {stream.name}, found NaN, or beyond {LATEST_S:g} s"
            )
        return loaded


def passed_over_words(name: str, loaded: Loaded) -> str:
    """Say how many samples of a stream are left out, and why."""
    return f"{name}: left out {loaded.passed_over} samples whose stamps are no times (NaN or infinite)"


def load_stream(streams: Streams, stream: Stream, path: Path, clocks: Sequence[OtherClock] = ()) -> Loaded:
    """Read a stream's samples and stamps, those of its sender and those of the recorder's clock.

    Parameters
    ----------
    streams : Streams
    stream : Stream
    path : pathlib.Path
        Of the file, for messages.
    clocks : sequence of OtherClock
        Where its stamps are of another clock than LSL's.

    Raises
    ------
    BadInputError
        If the stream has no samples, or they can't be read.
    """
    import pyxdf

    if not stream.samples:
        raise BadInputError(f"{path}: the stream {stream.name} has no samples; choose another, see inspect")
    require_memory(stream.name, stream.memory)
    own, passed_over = [np.empty(0)], 0

    def keep(values: Any, stamps_s: Floats, info: Any, number: int) -> tuple[Any, Floats, Any]:  # noqa: ARG001
        nonlocal passed_over
        sound = np.abs(stamps_s) <= LATEST_S  # False of NaN
        if not sound.all():
            passed_over += len(stamps_s) - int(sound.sum())
            kept = np.flatnonzero(sound)
            values = [values[i] for i in kept] if isinstance(values, list) else values[kept]
            stamps_s = stamps_s[kept]
        own.append(np.array(stamps_s, np.float64))
        return values, stamps_s, info

    try:
        with _quiet():
            found, _ = pyxdf.load_xdf(
                io.BytesIO(streams.only(stream)),
                on_chunk=keep,
                dejitter_timestamps=False,  # it would stretch time across gaps of less than 500 samples
            )
    except MemoryError as error:
        raise BadInputError(f"{path}: the stream {stream.name} is too large for memory") from error
    except Exception as error:  # pyxdf raises its own, and NumPy's, on damaged files
        raise BadInputError(
            f"{path}: the stream {stream.name} can't be read ({in_one_line(error)}); is it complete?"
        ) from error
    times_s = np.asarray(found[0]["time_stamps"], np.float64)
    own_s = np.concatenate(own)[: len(times_s)]  # pyxdf cuts off what was garbage at the end
    resets = [begin for begin, _ in found[0]["info"].get("clock_segments", ()) if begin < len(times_s)]
    resets += [place for clock in clocks for place in (clock.first, clock.stop) if place < len(times_s)]
    times_s = placed_by_arrival(own_s, times_s, clocks)
    return Loaded(found[0]["time_series"], own_s, times_s, tuple(sorted({0, *resets})), passed_over, tuple(clocks))


def _freed_from_jitter(loaded: Loaded, stream: Stream) -> Samples:
    """Return samples with times by the recorder's clock.

    Stamps of spikeloop's own regular streams are exact and stay as they are; those of others are freed from jitter.
    """
    own = stream.fact("bin_size_s") is not None
    values, stamps, resets = loaded.values, loaded.times_s, loaded.resets
    timing = None if own or not stream.rate_hz else timing_of(stamps, resets, 1 / stream.rate_hz)
    if timing is not None:
        return Samples(values, timing.stamps_s, _between(timing.begins, len(stamps)), timing.step_s, timing.missing)
    late = np.flatnonzero(_are_late(stamps, stream)) + 1 if stream.rate_hz else []
    segments = _between(sorted({*resets, *(int(place) for place in late)}), len(stamps))
    step = 1 / stream.rate_hz if stream.rate_hz else None
    after = [place for place in set(map(int, late)) if place not in resets]
    missing = sum(max(0, round((stamps[place] - stamps[place - 1]) * stream.rate_hz - 1)) for place in after)
    return Samples(values, stamps, segments, step, missing)


def _between(begins: Sequence[int], end: int) -> tuple[tuple[int, int], ...]:
    return tuple(zip(begins, [*begins[1:], end], strict=True))


def _are_late(stamps: Floats, stream: Stream) -> NDArray[np.bool_]:
    return np.abs(np.diff(stamps) * stream.rate_hz - 1) > LATE


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pyxdf's log, and NumPy's warnings of odd values, from the user's terminal."""
    log = logging.getLogger("pyxdf")
    before, log.disabled = log.disabled, True
    inner = logging.getLogger("pyxdf.pyxdf")
    before_inner, inner.disabled = inner.disabled, True
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled, inner.disabled = before, before_inner
