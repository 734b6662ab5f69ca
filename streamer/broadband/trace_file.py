"""Write the broadband trace of a bundle to a file that any spike sorter reads, with the spikes that are in it."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.broadband.probe_file import PROBE_SUFFIX, probe_document
from spikeloop.streamer.broadband.step_traces import StepTraces, Trace
from spikeloop.streamer.broadband.templates import Template
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.conditions.feeds import ConditionFeed
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import SpikeSource
from spikeloop.streamer.stream.step import Step

__all__ = ["write_trace"]

STEP_S = 0.1  # of trace in memory at a time: 6 MB of 1,024 channels


def write_trace(
    path: Path,
    synthesiser: Synthesiser,
    source: SpikeSource,
    feed: ConditionFeed,
    bins: int,
    seed: int,
    about: dict[str, object],
    advance: Callable[[int], None],
) -> int:
    """Write what `stream --broadband` would send, without waiting for it; whole or not at all.

    FILE.raw holds little-endian int16 of shape (samples, channels); FILE.json holds rate, scale, geometry and units;
    FILE.probe.json the probe, for probeinterface; FILE.npz holds the spikes, ascending in time: `samples` (of their
    troughs), `units` and `times_s`, with `rate_hz` and `unit_names`.

    Parameters
    ----------
    path : Path
        FILE.raw.
    synthesiser : Synthesiser
    source : SpikeSource
    feed : ConditionFeed
        Drives the source.
    bins : int >= 1
    seed : int
        Of the spikes' times inside their bins.
    about : dict
        Goes into FILE.json as it is.
    advance : callable
        Called with the number of bins after each part that is written.

    Returns
    -------
    int
        The number of spikes.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    step_bins = max(1, round(STEP_S / source.bin_size_s))
    health = Health(source.bin_size_s, len(source.unit_names))
    with ExitStack() as files:  # an error is of the file that was opened last

        def opened(suffix: str) -> IO[bytes]:
            return files.enter_context(whole_file(path.with_suffix(suffix)))

        file = _TraceFile(opened(path.suffix), StepTraces(synthesiser, source.bin_size_s, 0.0), advance)
        asyncio.run(
            stream(
                source, [file], SimulatedClock(), health, feed, start_s=0.0, step_bins=step_bins, seed=seed, bins=bins
            )
        )
        file.write(file.traces.rest())
        units, times_s = np.concatenate(file.units), np.concatenate(file.times_s)
        np.savez(
            opened(".npz"),
            samples=synthesiser.amplifier.sample_of(times_s),
            units=units,
            times_s=times_s,
            rate_hz=synthesiser.amplifier.rate_hz,
            unit_names=np.array(source.unit_names),
        )
        contents = _contents(synthesiser, source.unit_names) | {"samples": file.samples, "spikes": len(units)}
        opened(".json").write(json.dumps(about | contents, indent=1).encode())
        opened(PROBE_SUFFIX).write(json.dumps(probe_document(synthesiser.probe), indent=1).encode())
    return len(units)


@dataclass(eq=False)
class _TraceFile:
    """A sink of steps."""

    raw: IO[bytes]
    traces: StepTraces
    advance: Callable[[int], None]
    samples: int = 0
    units: list[NDArray[np.int32]] = field(default_factory=list)
    times_s: list[NDArray[np.float64]] = field(default_factory=list)

    def push(self, step: Step) -> None:
        self.write(self.traces.of(step))
        self.units.append(step.event_units)
        self.times_s.append(step.event_stamps_s)
        self.advance(len(step.counts))

    def write(self, trace: Trace) -> None:
        self.raw.write(trace.values.astype("<i2", copy=False).data)
        self.samples += len(trace.values)


def _contents(synthesiser: Synthesiser, unit_names: tuple[str, ...]) -> dict[str, object]:
    """What a reader of the raw file needs to know, and where the units lie in it."""
    return {
        "rate_hz": synthesiser.amplifier.rate_hz,
        "channels": synthesiser.probe.channels,
        "dtype": "<i2",
        "order": "samples x channels",
        "microvolts_per_bit": synthesiser.amplifier.microvolts_per_bit,
        "probe": synthesiser.probe.name,
        "positions_um": synthesiser.probe.positions_um.tolist(),
        "units": [_unit(*unit) for unit in zip(unit_names, synthesiser.templates, strict=True)],
    }


def _unit(name: str, template: Template) -> dict[str, object]:
    return {
        "name": name,
        "position_um": template.position_um.round(3).tolist(),
        "peak_channel": template.peak_channel,
        "peak_uv": round(template.peak_uv, 3),
    }
