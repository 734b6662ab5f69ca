"""`spikeloop stream`: emit a bundle's spikes over Lab Streaming Layer."""

import asyncio
import dataclasses
import gc
import sys
from contextlib import suppress

from rich.console import Console
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.clock import WallClock
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.engine import Device, Engine
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import stream as stream_steps
from spikeloop.streamer.lsl import CountFormat, LslSink, Provenance, check_name_is_free, import_pylsl
from spikeloop.streamer.source import WindowSource
from spikeloop.streamer.status import Status, format_report

__all__ = ["stream"]

STEP_S = 0.02  # default length of a step
LONGEST_STEP_S = 10.0
OPENING_S, OPENING_PER_UNIT_S = 0.25, 1e-4  # from describing the streams to bin 0
GIL_SLICE_S = 0.0005  # how long another thread may keep the event loop waiting; Python's default is 5 ms


def stream(
    bundle: Positional[str] = "retina",
    *,
    name: str = "spikeloop",
    seed: int = 0,
    step_bins: int | None = None,
    duration: float | None = None,
    device: Device = "auto",
    format: CountFormat = "float32",
    start_delay: float = 0.0,
    json: bool = False,
) -> int:
    """Stream a population's spikes over Lab Streaming Layer until Ctrl-C.

    Two streams: NAME carries counts, one channel a unit; NAME-Events each spike with its own time.

    Parameters
    ----------
    bundle
        a shipped bundle's name (see `spikeloop models`), or the path of a folder or .zip
    name
        the stream's name
    seed
        the same seed gives the same spikes
    step_bins
        bins pushed together; by default the number nearest to 20 ms
    duration
        seconds to stream; by default until Ctrl-C
    device
        where the generator runs
    format
        LSL format of the counts
    start_delay
        further seconds between announcing the streams and the first bin, for consumers to connect
    json
        print one JSON document at the end
    """
    if seed < 0:
        raise BadInputError(f"--seed: expected a whole number from 0, found {seed}")
    if not 0 <= start_delay < float("inf"):
        raise BadInputError(f"--start-delay: expected seconds from 0, found {start_delay}")
    loaded = read_bundle(bundle)
    step_bins = _step_bins(step_bins, loaded.card.bin_size_s)
    bins = _bins(duration, loaded.card.bin_size_s)
    console = Console(stderr=True)
    check_name_is_free(name)
    engine = Engine(loaded, device)
    if engine.notice:
        console.print(engine.notice)
    health = Health(loaded.card.bin_size_s, len(loaded.card.unit_names))
    interrupted = False
    try:
        asyncio.run(_stream(loaded, engine, health, console, name, seed, step_bins, bins, format, start_delay))
    except KeyboardInterrupt:
        interrupted = True
    report = health.report()
    if json:
        made = {"bundle": loaded.card.name, "sha256": loaded.sha256, "seed": seed, "provider": engine.provider}
        print_json(made | {"name": name, "step_bins": step_bins} | dataclasses.asdict(report))
    else:
        console.print(format_report(report))
    return 130 if interrupted else 0


async def _stream(
    bundle: Bundle,
    engine: Engine,
    health: Health,
    console: Console,
    name: str,
    seed: int,
    step_bins: int,
    bins: int | None,
    count_format: CountFormat,
    start_delay: float,
) -> None:
    card = bundle.card
    clock = WallClock(import_pylsl().local_clock)
    start_s = clock.now() + OPENING_S + OPENING_PER_UNIT_S * len(card.unit_names) + start_delay
    provenance = Provenance(card.name, bundle.sha256, seed, card.bin_size_s, step_bins, start_s)
    source = WindowSource(engine, seed, on_inference=health.inference.add)
    async with LslSink(name, card.unit_names, provenance, count_format) as sink:
        console.print(
            f"streaming {card.name} ({len(card.unit_names)} units, {card.bin_size_s * 1000:g} ms bins, seed {seed}) on"
            f" {engine.provider}\nsubscribe: pylsl.StreamInlet(pylsl.resolve_byprop('name', '{name}')[0])",
            highlight=False,
        )
        status = Status(health, sink.has_consumers, console)
        shown = asyncio.create_task(status.show(), name="status")
        _quieten_interpreter()
        try:
            await stream_steps(
                source, (sink, status), clock, health, start_s=start_s, step_bins=step_bins, seed=seed, bins=bins
            )
        finally:
            shown.cancel()
            with suppress(asyncio.CancelledError):
                await shown


def _quieten_interpreter() -> None:
    """Keep the garbage collector and other threads from holding up the loop."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(GIL_SLICE_S)


def _step_bins(asked: int | None, bin_size_s: float) -> int:
    longest = max(1, round(LONGEST_STEP_S / bin_size_s))
    if asked is None:
        return max(1, round(STEP_S / bin_size_s))
    if not 1 <= asked <= longest:
        raise BadInputError(f"--step-bins: expected 1 to {longest} bins ({LONGEST_STEP_S:g} s), found {asked}")
    return asked


def _bins(duration: float | None, bin_size_s: float) -> int | None:
    if duration is None:
        return None
    if not bin_size_s <= duration < float("inf"):
        raise BadInputError(f"--duration: expected at least one bin ({bin_size_s:g} s), found {duration:g} s")
    return round(duration / bin_size_s)
