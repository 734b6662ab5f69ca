"""Streams of spikeloop's in an XDF file, live ones or written ones, by the stamps of their sender."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.xdf.blocks import footer_samples
from spikeloop.exporters.formats.xdf.chunks import Stream, open_streams
from spikeloop.exporters.formats.xdf.header import PROVENANCE
from spikeloop.exporters.formats.xdf.own import beside, labels_of, provenance_of
from spikeloop.exporters.formats.xdf.streams import OpenFile, passed_over_words
from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, MARKERS, SPIKES
from spikeloop.models.recordings.provenance import Provenance, bin_numbers
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.streamer.capture.verify.stated import Stated

__all__ = ["recorded_in_xdf"]

OF_COUNTS = (SPIKES, FLUORESCENCE)
ACTS = ("gain", "pause", "resume", "stimulate", "perturb")


def recorded_in_xdf(path: Path) -> tuple[Stated, ...]:
    """Read all streams of counts whose header says what made them; BadInputError where the file can't be read."""
    with open_streams(path) as streams:
        file = OpenFile(path, streams)
        found = [(stream, provenance_of(stream)) for stream in streams.streams if stream.type in OF_COUNTS]
        return tuple(_recorded(file, stream, made_by) for stream, made_by in found if made_by and stream.samples)


def _recorded(file: OpenFile, stream: Stream, made_by: Provenance) -> Stated:
    values, ends_s = file.as_sent(stream)
    bins = bin_numbers(ends_s, made_by)
    conditions, condition_bins = None, np.empty(0, np.int64)
    if (driving := beside(file, stream, CONDITION)) is not None and not driving.is_text:
        conditions, driven_s = file.as_sent(driving)
        conditions, condition_bins = np.asarray(conditions, np.float32), bin_numbers(driven_s, made_by)
    spikes = None
    if (events := beside(file, stream, EVENTS, or_empty=True)) is not None and not events.is_text:
        units, times_s = file.as_sent(events) if events.samples else (np.empty((0, 1)), np.empty(0))
        spikes = SpikeTimes(np.asarray(units)[:, 0].astype(np.int32), times_s)
    names = labels_of(stream, "unit") or tuple(f"unit {i}" for i in range(stream.channels))
    saturates = stream.form == "int8"
    written = stream.fact(PROVENANCE) is not None  # of a recording, which may have another clock
    return Stated(
        stream.name, made_by, names, bins, np.asarray(values), saturates, condition_bins, conditions, spikes,
        _markers(file, stream), written, _damage(file, stream, written),
    )  # fmt: skip


def _damage(file: OpenFile, stream: Stream, written: bool) -> tuple[str, ...]:
    """Say what of the file can't be read, and which samples are missing by what its end says of them."""
    damaged = file.streams.damaged
    said = [f"{damaged} chunks of the file are damaged or incomplete; what they held is missing"] if damaged else []
    for other in (stream, *(beside(file, stream, suffix, or_empty=True) for suffix in (EVENTS, CONDITION, MARKERS))):
        if other is None:
            continue
        stated = footer_samples(file.streams, other)
        if stated is None and written:
            said.append(f"{other.name} has no end: the file was cut off")
        elif stated is not None and stated != other.samples:
            said.append(f"{other.name} has {other.samples} samples, and had {stated} when it was closed")
        if (known := file.loaded.get(other.number)) is not None and known.passed_over:
            said.append(passed_over_words(other.name, known))
    return tuple(said)


def _markers(file: OpenFile, stream: Stream) -> tuple[Mapping[str, Any], ...]:
    """Read what was done to the stream, in the order in which it was asked for."""
    markers = beside(file, stream, MARKERS)
    if markers is None or not markers.is_text:
        return ()
    found = []
    for row in file.as_sent(markers)[0]:
        try:
            marker = json.loads(row[0])
        except ValueError:
            continue
        if isinstance(marker, dict) and marker.get("event") in ACTS and isinstance(marker.get("stamp_s"), int | float):
            found.append(marker)
    return tuple(found)
