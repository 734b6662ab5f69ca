"""Files of acquisition systems that Neo reads: Blackrock, Plexon, Spike2, Neuralynx, TDT, NIX and more."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.assembly.conditions import in_unit
from spikeloop.exporters.formats.choices import Choices, split_unit
from spikeloop.exporters.formats.found import Found, Intervals, Item, Series, SpikeTrains
from spikeloop.exporters.formats.named.series import channel_names
from spikeloop.exporters.formats.neo.files import open_segments
from spikeloop.exporters.formats.neo.own import own_found, own_notes
from spikeloop.exporters.formats.neo.writer import write
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory

__all__ = ["find", "items", "write"]

LABELS = ("quality", "group", "label", "unit_label")  # annotations that may say what a unit is
OF_A_VALUE = 24  # bytes: as it is stored, and as a number in seconds or of the signal's unit
OF_CHANNEL = {0: "unsorted", 255: "noise"}  # of the units of a channel, the others are sorted
Trains = dict[str, list[tuple[int, Any]]]  # by the unit's name: the number of a segment, and the train in it


def items(path: Path) -> tuple[Item, ...]:
    """List spike trains, signals and epochs of the first segment, without loading them."""
    with open_segments(path) as (segments, _):
        if not segments:
            return ()
        first = segments[0]
        found = [Item(name, "spike times", np.shape(trains[0][1])) for name, trains in _trains([first]).items()]
        found += [
            Item(str(signal.name), "series", tuple(signal.shape), unit=_unit(signal))
            for signal in (*first.analogsignals, *first.irregularlysampledsignals)
        ]
        found += [Item(str(epoch.name), "trials", tuple(np.shape(epoch))) for epoch in first.epochs]
        return tuple(found)


def find(path: Path, choices: Choices) -> Found:
    """Read the spike trains of all segments, which are trials where there are several.

    Raises
    ------
    BadInputError
        If Neo can't read the file, or there are no spike trains in it, or what was chosen isn't.
    """
    with open_segments(path) as (segments, about):
        own = own_notes(about)
        if own is not None:
            return own_found(segments, own, _asked_of_all(segments, choices, path), path)
        trains = _trains(segments)
        if not trains:
            raise BadInputError(
                f"{path}: expected spike trains, found none; is it a recording of voltages, or are spikes in another"
                " file beside it?"
            )
        spikes, trials = _spikes(trains, segments)
        labels = tuple(_label(parts[0][1]) for parts in trains.values())
        return Found(
            spikes,
            tuple(trains),
            labels if any(label != "" for label in labels) else None,
            trials,
            _asked_of_all(segments, choices, path),
            str(about.get("name") or path.stem),
            path.name,
        )


def _trains(segments: Sequence[Any]) -> Trains:
    """Gather the trains of each unit from all segments, by the name that the file gives the unit."""
    found: Trains = {}
    for number, segment in enumerate(segments):
        taken: set[str] = set()
        for place, train in enumerate(segment.spiketrains):
            name, again = _name(train, place), 1
            while name in taken:
                again += 1
                name = f"{name.removesuffix(f' ({again - 1})')} ({again})"
            taken.add(name)
            found.setdefault(name, []).append((number, train))
    return found


def _name(train: Any, place: int) -> str:
    """Return the file's name of a unit; where that is of its channel, with the number that it has there."""
    name = str(train.name or train.annotations.get("unit_name") or "").strip()
    unit = _unit_of_channel(train)
    if not name or not name.isprintable():
        return f"unit {place}"
    return name if unit is None or "#" in name else f"{name}#{unit}"


def _unit_of_channel(train: Any) -> int | None:
    """Return which unit of its channel a train is, as Neo's readers of Blackrock and Plexon say."""
    texts = (str(train.annotations.get("id", "")), str(train.name))
    return next((int(match[1]) for text in texts if (match := re.fullmatch(r"ch\d+#(\d+)", text))), None)


def _label(train: Any) -> str:
    said, unit = train.annotations, _unit_of_channel(train)
    found = next((said[name] for name in LABELS if isinstance(said.get(name), str)), "")
    return found or ("" if unit is None else OF_CHANNEL.get(unit, "sorted"))


def _spikes(trains: Trains, segments: Sequence[Any]) -> tuple[SpikeTrains, Intervals | None]:
    loaded = {name: [(number, _seconds(_loaded(train))) for number, train in parts] for name, parts in trains.items()}
    times = [np.concatenate([part for _, part in parts]) for parts in loaded.values()]
    if len(segments) == 1:
        start, stop = _bounds(segments[0])
        return SpikeTrains(times, None, start, stop), _epochs(segments[0])
    of_spike = [np.concatenate([np.full(len(part), number) for number, part in parts]) for parts in loaded.values()]
    bounds = [_bounds(segment) for segment in segments]
    known = [(start, stop) for start, stop in bounds if start is not None and stop is not None]
    trials = Intervals(*np.array(known).T) if len(known) == len(bounds) else None
    return SpikeTrains(times, of_spike, trials=len(segments)), trials


def _loaded(part: Any, **options: Any) -> Any:
    if not hasattr(part, "load"):
        return part
    require_memory(f"{part.name} {id(part)}", OF_A_VALUE * np.prod(part.shape, dtype=np.float64))
    return part.load(**options)


def _seconds(quantity: Any) -> Floats:
    return np.array(quantity.rescale("s").magnitude, np.float64).reshape(-1)


def _bounds(segment: Any) -> tuple[float | None, float | None]:
    """Return when a segment begins and ends, as its trains say."""
    starts = [float(train.t_start.rescale("s")) for train in segment.spiketrains]
    stops = [float(train.t_stop.rescale("s")) for train in segment.spiketrains]
    start, stop = min(starts, default=np.nan), max(stops, default=np.nan)
    return (start, stop) if np.isfinite(stop - start) and stop > start else (None, None)


def _epochs(segment: Any) -> Intervals | None:
    """Return the trials of a segment: the epochs that are called so, or the only ones."""
    filled = [_loaded(epoch) for epoch in segment.epochs if np.size(epoch)]
    named = [epoch for epoch in filled if "trial" in str(epoch.name).lower()] or filled
    if len(named) != 1 or named[0].durations is None or not len(named[0].durations):
        return None
    starts, durations = _seconds(named[0].times), _seconds(named[0].durations)
    return Intervals(starts, starts + durations) if len(starts) == len(durations) and (durations > 0).all() else None


def _unit(signal: Any) -> str:
    unit = str(signal.units.dimensionality)
    return "" if unit == "dimensionless" else unit


def _asked_of_all(segments: Sequence[Any], choices: Choices, path: Path) -> tuple[Series, ...]:
    return tuple(_asked(segments, *pair, path) for pair in choices.conditions.items())


def _asked(segments: Sequence[Any], asked: str, key: str, path: Path) -> Series:
    """Read the signal that was asked for as conditions, from all segments."""
    found = [_signal_of(segment, key, path) for segment in segments]
    times = [_seconds(signal.times) for signal, _ in found]
    if any(len(before) and len(after) and before[-1] >= after[0] for before, after in pairwise(times)):
        raise BadInputError(
            f"--condition: expected segments one after the other in {path}, found such that overlap in time, so that"
            f" {key} can't be matched to them"
        )
    signals = [np.asarray(signal.magnitude, np.float64).reshape(len(signal), -1) for signal, _ in found]
    values = np.concatenate([s if c is None else s[:, c : c + 1] for s, (_, c) in zip(signals, found, strict=True)])
    name, unit = split_unit(asked)
    names = channel_names(name, values.shape[1])
    return in_unit(Series(values, np.concatenate(times), names, (_unit(found[0][0]),) * len(names)), unit)


def _signal_of(segment: Any, key: str, path: Path) -> tuple[Any, int | None]:
    """Find a signal by its name, by that of one of its channels, or as NAME[CHANNEL]."""
    signals = [*segment.analogsignals, *segment.irregularlysampledsignals]
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", key)
    for signal in signals:
        channels = [str(name) for name in signal.array_annotations.get("channel_names", ())]
        if str(signal.name) == key:
            return _loaded(signal), None
        if key in channels:
            return _loaded(signal), channels.index(key)
        if match and str(signal.name) == match[1]:
            inner = match[2]
            number = channels.index(inner) if inner in channels else int(inner) if inner.isdecimal() else -1
            if 0 <= number < signal.shape[1]:
                return _loaded(signal), number
    there_are = ", ".join(f"{signal.name} {tuple(signal.shape)}" for signal in signals) or "none"
    raise BadInputError(f"--condition: expected a signal of {path} ({there_are:.400}), found {key!r:.60}")
