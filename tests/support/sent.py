"""Streams as a recorder finds them, without LSL: steps on a simulated clock, written into an XDF file."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pylsl

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.conditions.opening import feed_of, open_feed
from spikeloop.streamer.lsl.description import channel, write_description
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import Step

__all__ = ["Sent", "flipped", "sent", "write_xdf"]

Act = tuple[int, Callable[[Steering, float], None]]


@dataclass(eq=False)
class Sent:
    """What a stream sent."""

    provenance: Provenance
    unit_names: tuple[str, ...]
    channels: tuple[Condition, ...]
    steps: list[Step] = field(default_factory=list)
    markers: list[dict[str, Any]] = field(default_factory=list)


def sent(
    bundle: Bundle,
    seed: int,
    bins: int,
    condition: Any = None,
    asked: str | None = None,
    acts: Sequence[Act] = (),
    step_bins: int = 5,
    start_s: float = 1234.5678,
) -> Sent:
    """Stream on a simulated clock; each act is done when the step before that bin is out, of bin -1 before all."""
    card = bundle.card
    if condition is not None:
        feed = feed_of(condition, card.channels)
    elif asked is not None and card.channels:
        feed = open_feed(asked, card.channels)
    else:
        feed = RestFeed(card.channels, "rest" if card.channels else "")
    words = feed.asked if asked is None else asked
    made_by = Provenance(card.name, bundle.sha256, seed, card.bin_size_s, step_bins, start_s, words, card.latency_bins)
    steering = Steering(card, seed)
    result = Sent(made_by, card.unit_names, steering.channels if acts else card.channels)
    steering.listen(lambda event, stamp_s, **more: result.markers.append({"event": event, "stamp_s": stamp_s} | more))
    waiting = list(acts)

    class Sink:
        def push(self, step: Step) -> None:
            result.steps.append(step)

    class Doer:
        def push(self, step: Step) -> None:
            while waiting and waiting[0][0] <= step.first_bin + len(step.counts):
                waiting.pop(0)[1](steering, float(step.stamps_s[-1]))

    sinks, transforms = ([Sink()], ()) if not acts else steering.begin(start_s, [Sink()])
    while waiting and waiting[0][0] < 0:
        waiting.pop(0)[1](steering, start_s)
    health = Health(card.bin_size_s, len(card.unit_names))
    asyncio.run(
        stream(
            open_source(bundle, seed, "cpu"), [*sinks, Doer()], SimulatedClock(start_s), health, feed,
            start_s=start_s, step_bins=step_bins, seed=seed, bins=bins, transforms=transforms,
        )
    )  # fmt: skip
    return result


def write_xdf(
    path: Path, found: Sent, form: str = "float32", says: Provenance | None = None, marked: bool = True
) -> None:
    """Write what was sent as a recorder does; `says` is the provenance in the header, where it is another."""
    made_by, rate_hz = says or found.provenance, 1 / found.provenance.bin_size_s
    with XdfWriter(path) as writer:

        def add(suffix: str, kind: str, channels: list[Any], rate: float, form: str) -> int:
            info = pylsl.StreamInfo(f"sent{suffix}", kind, len(channels), rate, form, suffix)  # pyright: ignore[reportArgumentType]
            write_description(info, channels, made_by)
            return writer.add_stream(ElementTree.fromstring(info.as_xml()))

        counts = add("", "Spikes", [channel(unit, "count", "spikes") for unit in found.unit_names], rate_hz, form)
        events = add("-Events", "SpikeEvents", [channel("unit", "index", "event")], 0.0, "int32")
        driving = [channel(driver.name, driver.unit, "condition") for driver in found.channels]
        driven = add("-Condition", "Condition", driving, rate_hz, "float32") if driving else None
        marks = add("-Markers", "Markers", [channel("marker", "JSON", "marker")], 0.0, "string") if marked else 0
        for step in found.steps:
            values = np.minimum(step.counts, 127) if form == "int8" else step.counts
            writer.add_samples(counts, values, step.stamps_s)
            writer.add_samples(events, step.event_units[:, np.newaxis], step.event_stamps_s)
            if driven is not None:
                writer.add_samples(driven, step.conditions, step.stamps_s)
        for marker in found.markers:
            writer.add_samples(marks, [[json.dumps(marker)]], [marker["stamp_s"]])
        for number in (counts, events, driven):
            if number is not None:
                for after_s in (0.0, 5.0):
                    writer.add_clock_offset(number, made_by.start_s + after_s, 0.0123)  # by which a reader moves stamps


def flipped(found: Sent, step: int, row: int, unit: int) -> Sent:
    """Give one unit one spike more in one bin."""
    counts = found.steps[step].counts.copy()
    counts[row, unit] += 1
    steps = [replace(old, counts=counts) if place == step else old for place, old in enumerate(found.steps)]
    return replace(found, steps=steps)
