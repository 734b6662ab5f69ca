"""Which streams of an XDF file hold whole numbers, and so could be of counts or of units; and what to say of others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.chunks import Stream, Streams
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import is_label

__all__ = ["are_whole", "path_of", "require_counts", "require_names", "require_numbers"]

NEAR = 1e-6  # how far a count may be from a whole number, relative to 1 and to the count


def path_of(stream: Stream, streams: Streams) -> str:
    """Return what to ask for a stream by: its name, with its number where others have that name, too."""
    alone = [other.name for other in streams.streams].count(stream.name) == 1
    return stream.name if alone else f"{stream.name}#{stream.number}"


def are_whole(values: NDArray[Any]) -> bool:
    """Say whether all values are whole but for rounding errors; NaN counts as whole."""
    if values.dtype.kind in "iu":
        return True
    known = np.nan_to_num(values)
    return bool((np.abs(known - np.rint(known)) <= NEAR * np.maximum(1.0, np.abs(known))).all())


def require_counts(file: OpenFile, stream: Stream, values: NDArray[Any], size: float) -> None:
    """Make sure that values are counts, or rates in Hz that are; BadInputError with the streams that could be meant."""
    if not are_whole(values) and not are_whole(values * size):
        odd = values[np.nan_to_num(values) % 1 != 0][0]
        raise _refused(file, stream, f"whole spike counts in {stream.name}, found fractions, such as {odd:g}")


def require_numbers(file: OpenFile, stream: Stream, values: NDArray[Any]) -> None:
    """Make sure that values are numbers of units; BadInputError with the streams that could be meant."""
    if not are_whole(values) or not np.isfinite(values).all():
        raise _refused(file, stream, f"numbers of units in {stream.name}, found others, such as rates")


def require_names(file: OpenFile, stream: Stream, texts: list[str]) -> None:
    """Make sure that texts can be names of units; BadInputError with the streams that could be meant."""
    if odd := next((text for text in texts if not is_label(text)), None):
        raise _refused(file, stream, f"names of units in the texts of {stream.name}, found {odd!r:.50}, which is none")


def _refused(file: OpenFile, stream: Stream, what: str) -> BadInputError:
    others = [
        path_of(other, file.streams) for other in file.streams.streams if other is not stream and _fits(file, other)
    ]
    if not others:
        return BadInputError(f"{file.path}: expected {what}; no other stream of this file holds whole numbers")
    return BadInputError(f"{file.path}: expected {what}; choose another with --key: {', '.join(others[:8])}")


def _fits(file: OpenFile, stream: Stream) -> bool:
    if stream.is_text or not stream.samples:
        return False
    if not stream.form.startswith("int"):
        try:
            return are_whole(file.samples(stream).values)
        except BadInputError:
            return False
    return True
