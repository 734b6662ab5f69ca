"""Streams of spikeloop's in an XDF file, live ones or written ones, by the stamps of their sender."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.blocks import footer_samples
from spikeloop.exporters.formats.xdf.chunks import Stream, open_streams
from spikeloop.exporters.formats.xdf.header import PROVENANCE
from spikeloop.exporters.formats.xdf.own import beside, labels_of, provenance_of
from spikeloop.exporters.formats.xdf.streams import OpenFile, passed_over_words
from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, MARKERS, SPIKES
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.provenance import Provenance, bin_numbers
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.streamer.capture.acts import parse_act
from spikeloop.streamer.capture.verify.stated import Stated

__all__ = ["recorded_in_xdf"]

BESIDE = (EVENTS, CONDITION, MARKERS)
SAME_STAMP = 1e-3  # of a bin, by which rounding may move a stamp
OF_COUNTS = (SPIKES, FLUORESCENCE)


def recorded_in_xdf(path: Path) -> tuple[Stated, ...]:
    """Read all streams of counts whose header says what made them; BadInputError where the file can't be read."""
    with open_streams(path) as streams:
        file = OpenFile(path, streams)
        found = [(stream, provenance_of(stream)) for stream in streams.streams if stream.type in OF_COUNTS]
        made = {stream.number: made_by for stream, made_by in found if made_by is not None}
        strange = {stream.number: _strangers(file, stream, set(made.values())) for stream, _ in found}
        return tuple(
            _recorded(file, stream, made[stream.number], strange[stream.number])
            for stream, _ in found
            if stream.number in made and stream.samples
        )


def _strangers(file: OpenFile, stream: Stream, known: set[Provenance]) -> tuple[str, ...]:
    """Name streams beside the counts that say that they are of none of the file's populations: they are left out."""
    said = []
    for other in file.streams.streams:
        made_by = provenance_of(other)
        if (
            other.name in [f"{stream.name}{suffix}" for suffix in BESIDE]
            and made_by is not None
            and made_by not in known
        ):
            said.append(
                f"{other.name} was left out: it says that {made_by.bundle} ({made_by.sha256[:12]}) with seed"
                f" {made_by.seed} made it, and not what made {stream.name}"
            )
    return tuple(said)


def _recorded(file: OpenFile, stream: Stream, made_by: Provenance, strange: tuple[str, ...]) -> Stated:
    values, ends_s = file.as_sent(stream)
    bins = bin_numbers(ends_s, made_by)
    conditions, condition_bins, channels = None, np.empty(0, np.int64), None
    if (driving := beside(file, stream, CONDITION)) is not None and not driving.is_text:
        conditions, driven_s = file.as_sent(driving)
        conditions, condition_bins = np.asarray(conditions, np.float32), bin_numbers(driven_s, made_by)
        channels = labels_of(driving, "condition")
    spikes = None
    if (events := beside(file, stream, EVENTS, or_empty=True)) is not None and not events.is_text:
        units, times_s = file.as_sent(events) if events.samples else (np.empty((0, 1)), np.empty(0))
        spikes = SpikeTimes(np.asarray(units)[:, 0].astype(np.int32), times_s)
    names = labels_of(stream, "unit") or tuple(f"unit {i}" for i in range(stream.channels))
    saturates = stream.form == "int8"
    written = stream.fact(PROVENANCE) is not None  # of a recording, which may have another clock
    return Stated(
        stream.name, made_by, names, bins, np.asarray(values), saturates, condition_bins, conditions, spikes,
        _markers(file, stream), written, (*_damage(file, stream, written), *strange),
        beside(file, stream, MARKERS, or_empty=True) is not None, channels, None, _off_bins(bins, ends_s, made_by),
    )  # fmt: skip


def _off_bins(bins: NDArray[np.int64], ends_s: Floats, made_by: Provenance) -> float:
    """Return by how much of a bin the stamps are off the ends of bins, where that is more than rounding."""
    off = np.abs((ends_s - made_by.start_s) / made_by.bin_size_s - (bins + 1))
    return float(off.max(initial=0.0)) if off.max(initial=0.0) > SAME_STAMP else 0.0


def _damage(file: OpenFile, stream: Stream, written: bool) -> tuple[str, ...]:
    """Say what of the file can't be read, and which samples are missing by what its end says of them."""
    damaged = file.streams.damaged
    said = [f"{damaged} chunks of the file are damaged or incomplete; what they held is missing"] if damaged else []
    for other in (stream, *(beside(file, stream, suffix, or_empty=True) for suffix in BESIDE)):
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
    acts = (parse_act(row[0]) for row in file.as_sent(markers)[0])
    return tuple(act for act in acts if act is not None)
