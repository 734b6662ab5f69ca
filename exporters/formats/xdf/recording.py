"""Writing recordings to XDF files, as the streams that spikeloop would send of them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.xdf.header import LABELS, PROVENANCE, stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.exporters.stream_names import CONDITION, EVENTS, FLUORESCENCE, MARKERS, SPIKES, STREAM_TYPES
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import of_stretches
from spikeloop.models.whole_file import whole_file

__all__ = ["write"]

TYPES = {"spikes": (SPIKES, "count"), "fluorescence": (FLUORESCENCE, "a.u.")}
AT_ONCE = 5000  # samples in a chunk
BETWEEN_TRIALS_S = 1.0  # where it is not known when they were


def write(recording: Recording, path: Path) -> None:
    """Write a recording as the streams that spikeloop would send of it.

    NAME has the counts, NAME-Events the spikes' own times where they are known, NAME-Condition what drove each bin, and
    NAME-Markers where each trial begins. A bin's stamp is its end. Trials whose times are not known are written one
    second apart.
    """
    with whole_file(path) as whole, XdfWriter(whole) as writer:
        streams = _headers(recording, writer)
        starts = _starts_s(recording)
        for stream in streams.values():
            writer.add_clock_offset(stream, float(starts[0]), 0.0)
        for repeat, (start, bins) in enumerate(zip(starts, recording.bins_of_repeats.tolist(), strict=True)):
            known = None if recording.starts_s is None else recording.starts_s[repeat]
            marker = {"trial": repeat, "start_s": known, "bins": bins}
            writer.add_samples(streams[MARKERS], [[json.dumps(marker)]], [start])
            stamps = start + np.arange(1, bins + 1) * recording.bin_size_s
            for begin in range(0, bins, AT_ONCE):
                some = slice(begin, min(begin + AT_ONCE, bins))
                writer.add_samples(streams[""], recording.counts[repeat, some], stamps[some])
                if CONDITION in streams:
                    writer.add_samples(streams[CONDITION], recording.conditions[repeat, some], stamps[some])
                writer.add_boundary()
            if EVENTS in streams:
                _write_events(recording, repeat, writer, streams[EVENTS])


def _write_events(recording: Recording, repeat: int, writer: XdfWriter, stream: int) -> None:
    assert recording.spike_times is not None
    stretch = (repeat, 0, int(recording.bins_of_repeats[repeat]))
    times = of_stretches(recording.spike_times, recording.counts, [stretch])
    for begin in range(0, len(times.units), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        writer.add_samples(stream, times.units[some, np.newaxis], times.times_s[some])


def _headers(recording: Recording, writer: XdfWriter) -> dict[str, int]:
    """Begin the streams; return the number of each by what is added to the name."""
    kind, unit = TYPES[recording.signal]
    rate_hz = 1 / recording.bin_size_s
    form = "int16" if recording.signal == "spikes" else "float32"
    own = {
        "bin_size_s": float(recording.bin_size_s),
        "signal": recording.signal,
        "name": recording.name,
        "origin": recording.origin,
        "history": json.dumps(list(recording.history)),
    }
    if recording.provenance is not None:
        own[PROVENANCE] = json.dumps(asdict(recording.provenance))
    counts = [{"label": label, "unit": unit, "type": recording.signal} for label in recording.unit_names]
    said = own | {LABELS: json.dumps(recording.unit_names)}
    streams = {"": writer.add_stream(stream_header(recording.name, kind, counts, rate_hz, form, said))}
    if recording.spike_times is not None and recording.starts_s is not None:
        event = [{"label": "unit", "unit": "index", "type": "event"}]
        header = stream_header(f"{recording.name}{EVENTS}", STREAM_TYPES[EVENTS], event, 0.0, "int32", own)
        streams[EVENTS] = writer.add_stream(header)
    if recording.channels:
        driving = _described(recording)
        said = own | {LABELS: json.dumps([channel.name for channel in recording.channels])}
        name = f"{recording.name}{CONDITION}"
        header = stream_header(name, STREAM_TYPES[CONDITION], driving, rate_hz, "float32", said)
        streams[CONDITION] = writer.add_stream(header)
    marker = [{"label": "marker", "unit": "JSON", "type": "marker"}]
    header = stream_header(f"{recording.name}{MARKERS}", STREAM_TYPES[MARKERS], marker, 0.0, "string", own)
    return streams | {MARKERS: writer.add_stream(header)}


def _described(recording: Recording) -> list[dict[str, Any]]:
    return [
        {
            "label": channel.name,
            "unit": channel.unit,
            "type": "condition",
            "low": float(channel.low),
            "high": float(channel.high),
            "rest": float(channel.rest),
            "cyclic": channel.cyclic,
        }
        for channel in recording.channels
    ]


def _starts_s(recording: Recording) -> Floats:
    if recording.starts_s is not None:
        return np.array(recording.starts_s)
    lengths_s = recording.bins_of_repeats * recording.bin_size_s + BETWEEN_TRIALS_S
    return np.concatenate([[0.0], np.cumsum(lengths_s)[:-1]])
