"""What spikeloop's own streams say of a recording in an XDF file: trials, conditions, size of the bins."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Intervals, Series
from spikeloop.exporters.formats.xdf.chunks import Stream
from spikeloop.exporters.formats.xdf.header import LABELS, PROVENANCE
from spikeloop.exporters.formats.xdf.streams import OpenFile, Samples
from spikeloop.exporters.stream_names import EVENTS, MARKERS, STREAM_TYPES
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.checks import is_label
from spikeloop.models.recordings.provenance import Provenance, parse_provenance
from spikeloop.models.recordings.timed_spikes import SpikeTimes, fits_counts

__all__ = [
    "beside",
    "bin_size_s_of",
    "conditions_beside",
    "labels_of",
    "own_times_beside",
    "provenance_of",
    "trial_markers",
    "trials_of_markers",
]

SAME_TIME = 0.25  # of a bin, by which the clocks of two streams of one source may differ as they were measured


def labels_of(stream: Stream, what: str) -> tuple[str, ...] | None:
    """Return the names of a stream's channels; those without one that can be shown get a number, as in "unit 3".

    None where no channel has one. Ours are written whole beside the labels, which lose spaces at their ends.
    """
    try:
        written = json.loads(stream.fact(LABELS) or "null")
    except ValueError:
        written = None
    if isinstance(written, list) and len(written) == stream.channels and all(map(is_label, written)):
        return tuple(written)
    labels = stream.of_channels("label")
    known = any(map(is_label, labels))
    return tuple(label if is_label(label) else f"{what} {i}" for i, label in enumerate(labels)) if known else None


def beside(file: OpenFile, stream: Stream, suffix: str, or_empty: bool = False) -> Stream | None:
    """Return the stream that was sent beside the counts or the events of ours, in the same run.

    Parameters
    ----------
    file : OpenFile
    stream : Stream
        NAME or NAME-Events.
    suffix : str
        What is added to NAME.
    or_empty : bool, default False
        Whether it may be one without samples, where no other is there.

    Returns
    -------
    Stream or None
        Of those of its name, that which says that the same made it; of those that say nothing, the one whose samples
        are nearest in time. None where there is neither.
    """
    name, made_by = f"{stream.name.removesuffix(EVENTS)}{suffix}", provenance_of(stream)
    named = [other for other in file.streams.streams if other.name == name and other is not stream]
    for candidates in ([other for other in named if other.samples], named if or_empty else []):
        for said in (made_by, None):
            found = [other for other in candidates if provenance_of(other) == said]
            if len(found) > 1 and stream.samples and found[0].samples:
                found.sort(key=lambda other: _apart_s(file.samples(stream).stamps_s, file.samples(other).stamps_s))
            if found:
                return found[0]
    return None


def _apart_s(stamps_s: Floats, others_s: Floats) -> tuple[float, float]:
    """Return the time between two streams, 0 where they overlap, and between their beginnings, s."""
    between = max(stamps_s[0] - others_s[-1], others_s[0] - stamps_s[-1], 0.0)
    return float(between), float(abs(stamps_s[0] - others_s[0]))


def trial_markers(file: OpenFile, stream: Stream) -> list[dict[str, Any]] | None:
    """Read the trials that spikeloop wrote beside its counts."""
    markers = beside(file, stream, MARKERS)
    if markers is None or not markers.is_text:
        return None
    found = []
    for row in file.samples(markers).values:
        try:
            marker = json.loads(row[0])
        except ValueError:
            continue
        if isinstance(marker, dict) and isinstance(marker.get("bins"), int) and marker["bins"] > 0:
            start = marker.get("start_s")
            if start is None or (isinstance(start, int | float) and np.isfinite(start)):
                found.append(marker)
    return found or None


def trials_of_markers(file: OpenFile, stream: Stream) -> Intervals | None:
    """Return the trials of our own stream, by the clock of its stamps; None where there are none."""
    markers, size = trial_markers(file, stream), bin_size_s_of(stream, Choices())
    if markers is None or size is None or any(marker.get("start_s") is None for marker in markers):
        return None
    starts = np.array([marker["start_s"] for marker in markers], np.float64)
    return Intervals(starts, starts + np.array([marker["bins"] for marker in markers]) * size)


def conditions_beside(
    file: OpenFile, stream: Stream, counts: Samples | None, bounds: Sequence[tuple[int, int]], size: float
) -> Series:
    """Read the conditions that spikeloop sent beside its counts, one sample for each bin."""
    samples = file.samples(stream)
    names = labels_of(stream, "condition") or tuple(f"condition {i}" for i in range(stream.channels))
    units, ranges = stream.of_channels("unit"), _ranges(stream)
    stamps = samples.stamps_s
    if (
        counts is None
        or len(stamps) != len(counts.stamps_s)
        or np.abs(stamps - counts.stamps_s).max() > SAME_TIME * size
    ):
        return Series(samples.values, stamps - size / 2, names, units, ranges)
    longest = max(end - begin for begin, end in bounds)
    values = np.full((len(bounds), longest, stream.channels), np.nan, np.float32)
    for row, (begin, end) in zip(values, bounds, strict=True):
        row[: end - begin] = samples.values[begin:end]
    return Series(values, None, names, units, ranges)


def provenance_of(stream: Stream) -> Provenance | None:
    """Read what made a stream of ours, live or in a file; None where the header does not say."""
    try:
        stated = json.loads(stream.fact(PROVENANCE) or "null")
    except ValueError:
        return None
    if isinstance(stated, dict):
        return parse_provenance(stated)
    return parse_provenance({node.tag: node.text or "" for node in stream.info.iterfind("desc/spikeloop/*")})


def own_times_beside(file: OpenFile, stream: Stream, counts: Samples) -> SpikeTimes | None:
    """Read the spikes that spikeloop sent beside its counts; None where these are not the same spikes."""
    sent = beside(file, stream, EVENTS)
    if sent is None or sent.type != STREAM_TYPES[EVENTS] or sent.form != "int32" or sent.channels != 1:
        return None
    if stream.form == "float32" and not np.isfinite(counts.values).all():
        return None
    events = file.samples(sent)
    times = SpikeTimes(np.ascontiguousarray(events.values[:, 0]), events.stamps_s)
    return times if fits_counts(times, np.asarray(counts.values)[np.newaxis]) else None


def _ranges(stream: Stream) -> tuple[dict[str, Any], ...] | None:
    try:
        return tuple(
            {entry: float(node.findtext(entry) or "") for entry in ("low", "high", "rest")}
            | {"cyclic": node.findtext("cyclic") == "True"}
            for node in stream.info.iterfind("desc/channels/channel")
        )
    except ValueError:
        return None


def bin_size_s_of(stream: Stream, choices: Choices) -> float | None:
    """Return the size of a stream's bins, s: as it states itself, or 1 / its rate, or as chosen."""
    stated = stream.fact("bin_size_s")
    if stated is not None:
        try:
            return float(stated)
        except ValueError:
            pass
    return 1 / stream.rate_hz if stream.rate_hz else choices.bin_size_s
