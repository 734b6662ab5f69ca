"""XDF files, as LabRecorder writes them of LSL streams: counts, spikes as events, and what was recorded beside them."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.conditions import in_unit
from spikeloop.exporters.formats.choices import Choices, split_unit
from spikeloop.exporters.formats.found import Binned, Found, Intervals, Item, Series, SpikeTrains
from spikeloop.exporters.formats.named.series import channel_names
from spikeloop.exporters.formats.xdf.chunks import Stream, open_streams
from spikeloop.exporters.formats.xdf.own import (
    beside,
    bin_size_s_of,
    conditions_beside,
    labels_of,
    own_times_beside,
    provenance_of,
    trial_markers,
    trials_of_markers,
)
from spikeloop.exporters.formats.xdf.recording import write
from spikeloop.exporters.formats.xdf.stamps import timing_of
from spikeloop.exporters.formats.xdf.streams import OpenFile, Samples
from spikeloop.exporters.formats.xdf.whole import (
    are_whole,
    path_of,
    require_counts,
    require_names,
    require_numbers,
)
from spikeloop.exporters.stream_names import CONDITION
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.spike_times import trains_of

__all__ = ["find", "items", "write"]

COUNTS, SPIKE_EVENTS, FLUORESCENCE = "spikes", "spikeevents", "fluorescence"  # types, in small letters
WHAT = {COUNTS: "counts", SPIKE_EVENTS: "spike times", FLUORESCENCE: "fluorescence"}


def items(path: Path) -> tuple[Item, ...]:
    """List the streams of a file."""
    with open_streams(path) as streams:
        return tuple(
            Item(
                path_of(stream, streams),
                "text" if stream.is_text else WHAT.get(_kind(stream), "series"),
                (stream.samples, stream.channels),
                stream.form,
                _unit(stream.of_channels("unit")),
            )
            for stream in streams.streams
        )


def find(path: Path, choices: Choices) -> Found:
    """Read the spikes from one stream, and conditions from others.

    Raises
    ------
    BadInputError
        If the file can't be read, or doesn't say which stream has the spikes.
    """
    with open_streams(path) as streams:
        opened = OpenFile(path, streams)
        stream, channel = _spike_stream(opened, choices)
        history = () if not streams.damaged else (f"left out {streams.damaged} damaged or incomplete chunks",)
        if _is_of_events(stream, channel):
            spikes, names, trials = _spike_trains(opened, stream, channel, choices)
            series = tuple(_asked(opened, *pair) for pair in choices.conditions.items())
            driving = beside(opened, stream, CONDITION)
            if not choices.conditions and driving is not None and (size := bin_size_s_of(driving, choices)) is not None:
                series = (conditions_beside(opened, driving, None, (), size),)
            made_by = provenance_of(stream)
            found = Found(spikes, names, None, trials, series, stream.name, path.name, history, provenance=made_by)
        else:
            found = _counts(opened, stream, choices, history)
        return replace(found, history=(*found.history, *opened.notes))


def _kind(stream: Stream) -> str:
    kind = stream.type.lower().replace(" ", "").replace("_", "")
    irregular = not stream.rate_hz and (stream.channels == 1 or stream.is_text)
    return SPIKE_EVENTS if kind == COUNTS and irregular else kind


def _is_of_events(stream: Stream, channel: int | None) -> bool:
    several = stream.channels > 1 and channel is None and _kind(stream) != SPIKE_EVENTS
    return stream.is_text or (not stream.rate_hz and not several)


def _unit(units: Sequence[str]) -> str:
    return units[0] if units and len(set(units)) == 1 else ""


def _spike_stream(file: OpenFile, choices: Choices) -> tuple[Stream, int | None]:
    """Find the stream that was asked for, or the only one that can be meant."""
    if choices.key is not None:
        return _asked_stream(file, "--key", choices.key)
    filled = [stream for stream in file.streams.streams if stream.samples]
    for kind in (COUNTS, FLUORESCENCE, SPIKE_EVENTS):
        candidates = [stream for stream in filled if _kind(stream) == kind]
        if kind == COUNTS and len(candidates) > 1:
            candidates = [stream for stream in candidates if are_whole(file.samples(stream).values)]
        if len(candidates) == 1:
            return candidates[0], None
        if candidates:
            break
    else:
        candidates = filled
    listed = ", ".join(
        f"{path_of(stream, file.streams)} ({stream.type or 'no type'}, {stream.channels} channels)"
        for stream in candidates[:8]
    )
    raise BadInputError(
        f"{file.path}: expected one stream of type Spikes, found {listed or 'no stream with samples'}; name the stream"
        " that has the spikes with --key STREAM"
    )


def _asked_stream(file: OpenFile, option: str, asked: str) -> tuple[Stream, int | None]:
    """Find a stream by name, NAME#NUMBER or type, and its channel where NAME[CHANNEL] names one."""
    streams = file.streams.streams
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", asked)
    for name, channel in ((asked, None), *([(match[1], match[2])] if match else [])):
        found = [stream for stream in streams if name in (path_of(stream, file.streams), stream.name)]
        found = found or [stream for stream in streams if name.lower() in (stream.name.lower(), stream.type.lower())]
        if len(found) > 1:
            found = [stream for stream in found if stream.samples] or found
        if len(found) == 1:
            return found[0], None if channel is None else _channel(found[0], option, channel)
        if found:
            raise BadInputError(
                f"{option}: {len(found)} streams of {file.path} are {name!r:.60}; choose one of"
                f" {', '.join(f'{stream.name}#{stream.number}' for stream in found[:8])}"
            )
    there_are = ", ".join(path_of(stream, file.streams) for stream in streams)
    raise BadInputError(f"{option}: expected a stream of {file.path} ({there_are:.400}), found {asked!r:.60}")


def _channel(stream: Stream, option: str, asked: str) -> int:
    labels = stream.of_channels("label")
    if asked in labels:
        return labels.index(asked)
    if asked.isdecimal() and int(asked) < stream.channels:
        return int(asked)
    listed = ", ".join(label for label in labels if label)
    raise BadInputError(
        f"{option}: expected a channel of {stream.name}, 0 to {stream.channels - 1}"
        f"{f' ({listed:.200})' * bool(listed)}, found {asked!r:.60}"
    )


def _spike_trains(
    file: OpenFile, stream: Stream, channel: int | None, choices: Choices
) -> tuple[SpikeTrains, tuple[str, ...], Intervals | None]:
    """Read one spike from each sample: its unit is the value, a number or a text."""
    samples = file.samples(stream)
    channel = _channel(stream, "--unit-key", choices.unit_key) if choices.unit_key else channel or 0
    if stream.is_text:
        texts = [row[channel] for row in samples.values]
        require_names(file, stream, texts)
        units: NDArray[Any] = np.array(texts, dtype=np.str_)
    else:
        units = samples.values[:, channel]
        require_numbers(file, stream, units)
        units = np.rint(units).astype(np.int64)
    trials, number = trials_of_markers(file, stream), None
    if trials is None and len(samples.segments) > 1:  # its clock was reset: these are cut, and no bin spans the reset
        begins, ends = np.array(samples.segments).T
        stops = samples.stamps_s[ends - 1] + (choices.bin_size_s or 0.0)  # with the bin of the last spike
        trials, number = Intervals(samples.stamps_s[begins], stops), np.repeat(np.arange(len(begins)), ends - begins)
    names = _names_of_counts(file, stream)
    if names and not stream.is_text and units.min() >= 0 and units.max() < len(names):
        at = [np.flatnonzero(units == i) for i in range(len(names))]
    else:
        places, names = trains_of(np.arange(len(units)), units, file.path.name)
        at = [place.astype(np.int64) for place in places]
    of_spike = None if number is None else [number[place] for place in at]
    return SpikeTrains([samples.stamps_s[place] for place in at], of_spike), names, trials


def _names_of_counts(file: OpenFile, events: Stream) -> tuple[str, ...]:
    """Return the units of the stream of counts beside our own stream of spikes."""
    counts = beside(file, events, "", or_empty=True)
    return (labels_of(counts, "unit") or ()) if counts is not None else ()


def _counts(file: OpenFile, stream: Stream, choices: Choices, history: tuple[str, ...]) -> Found:
    samples, size, history = _timed(file, stream, choices, history)
    bounds = list(samples.segments)
    starts = np.array([samples.stamps_s[begin] - size for begin, _ in bounds])
    markers = trial_markers(file, stream)
    if markers is not None and sum(marker["bins"] for marker in markers) == len(samples.stamps_s):
        ends = np.cumsum([marker["bins"] for marker in markers])
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        known = [marker.get("start_s") for marker in markers]
        starts = None if None in known else np.array(known, np.float64)
    elif len(bounds) > 1:
        lost = f" ({samples.missing} samples are missing)" * bool(samples.missing)
        history = (*history, f"cut into {len(bounds)} stretches, between which the stream was interrupted{lost}")
    if stream.form == "int8":
        history = (*history, "the stream is of int8, in which 127 stands for 127 or more")
    signal = "fluorescence" if _kind(stream) == FLUORESCENCE else "spikes"
    if signal == "spikes" and choices.units is None:
        require_counts(file, stream, samples.values, size)
    times = own_times_beside(file, stream, samples) if signal == "spikes" else None
    spikes = Binned([samples.values[begin:end] for begin, end in bounds], size, starts, signal, times)
    series = tuple(_asked(file, *pair) for pair in choices.conditions.items())
    if not choices.conditions and (driving := beside(file, stream, CONDITION)) is not None:
        series = (conditions_beside(file, driving, samples, bounds, size),)
    said = json.loads(stream.fact("history") or "[]") if stream.fact("history") else []
    earlier = tuple(text for text in said if isinstance(text, str)) if isinstance(said, list) else ()
    names = labels_of(stream, "unit")
    name, origin = stream.fact("name") or stream.name, stream.fact("origin") or file.path.name
    made_by = _on_this_clock(file, stream, samples)
    return Found(spikes, names, None, None, series, name, origin, (*earlier, *history), provenance=made_by)


def _on_this_clock(file: OpenFile, stream: Stream, samples: Samples) -> Provenance | None:
    """Return what made a stream of ours; its start by the recorder's clock, which the stamps have here."""
    made_by = provenance_of(stream)
    if made_by is None:
        return None
    _, sent_s = file.as_sent(stream)
    return replace(made_by, start_s=made_by.start_s + float(samples.stamps_s[0] - sent_s[0]))


def _timed(
    file: OpenFile, stream: Stream, choices: Choices, history: tuple[str, ...]
) -> tuple[Samples, float, tuple[str, ...]]:
    """Read the samples of a stream of counts, the size of its bins, and the history of both."""
    samples, size = file.samples(stream), bin_size_s_of(stream, choices)
    if stream.fact("bin_size_s") is not None and size is not None:
        bounds = samples.segments if stream.rate_hz else _runs(samples, size)
        return replace(samples, segments=tuple(bounds)), size, history
    if stream.rate_hz:
        step = samples.step_s or 1 / stream.rate_hz
        if step != 1 / stream.rate_hz:
            found = f"its nominal rate is {stream.rate_hz:g} Hz, its samples are {step * 1000:g} ms apart: took these"
            history = (*history, found)
        drift_s = max(abs(np.ptp(samples.stamps_s[a:b]) - (b - a - 1) * step) for a, b in samples.segments)
        if drift_s > step:
            history = (*history, f"its clock drifts by up to {drift_s:.3g} s from bins of {step * 1000:g} ms")
        return samples, step, history
    timing = timing_of(samples.stamps_s, [begin for begin, _ in samples.segments], None)
    if timing is not None:
        bounds = list(pairwise([*timing.begins, len(timing.stamps_s)]))
        found = f"it states no rate, its samples are {timing.step_s * 1000:g} ms apart: took these for its bins"
        timed = Samples(samples.values, timing.stamps_s, tuple(bounds), timing.step_s, timing.missing)
        return timed, timing.step_s, (*history, found)
    if size is None or len(samples.stamps_s) > 1:
        raise BadInputError(
            f"{file.path}: expected counts in equal bins in {stream.name}, found that it states no rate, and that its"
            " samples come at irregular times; choose another stream with --key STREAM, or the channel that numbers the"
            " unit of each spike with --key STREAM[CHANNEL]"
        )
    return samples, size, history


def _runs(samples: Samples, size: float) -> list[tuple[int, int]]:
    """Cut a stream without a regular rate where its samples are more or less than a bin apart."""
    cuts = np.flatnonzero(np.abs(np.diff(samples.stamps_s) / size - 1) > 0.5) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(samples.stamps_s)], strict=True))


def _asked(file: OpenFile, asked: str, key: str) -> Series:
    """Read the stream that was asked for as conditions."""
    stream, channel = _asked_stream(file, "--condition", key)
    if stream.is_text:
        raise BadInputError(f"--condition: expected a stream of numbers, found {stream.name}, of texts")
    samples = file.samples(stream)
    values, units = np.asarray(samples.values, np.float64), stream.of_channels("unit")
    if channel is not None:
        values, units = values[:, channel : channel + 1], units[channel : channel + 1]
    name, unit = split_unit(asked)
    names = channel_names(name, values.shape[1])
    own_bin = stream.fact("bin_size_s") and stream.rate_hz
    times = samples.stamps_s - 0.5 / stream.rate_hz if own_bin else samples.stamps_s  # ours are of a bin's end
    return in_unit(Series(values, times, names, units), unit)
