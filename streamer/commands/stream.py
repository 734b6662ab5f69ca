"""`spikeloop stream`: emit a bundle's spikes over Lab Streaming Layer."""

import asyncio
import dataclasses
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.clock import WallClock
from spikeloop.streamer.commands.options import bins_of, check_seed
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.engine import Device
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import stream as stream_steps
from spikeloop.streamer.lsl import CountFormat, LslSink, Provenance, check_name_is_free, import_pylsl
from spikeloop.streamer.source import SamplerSource, WindowSource, open_source
from spikeloop.streamer.status import Status, format_report

__all__ = ["stream"]

STEP_S = 0.02  # default length of a step
LONGEST_STEP_S = 10.0
LONGEST_DELAY_S = 3600.0
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
    loaded = read_bundle(bundle)
    plan = _plan(loaded.card, name, seed, step_bins, duration, format, start_delay)
    check_name_is_free(name)
    console = Console(stderr=True)
    health = Health(loaded.card.bin_size_s, len(loaded.card.unit_names))
    source = open_source(loaded, seed, device, on_inference=health.inference.add)
    if source.notice:
        _say(console, source.notice)
    interrupted = False
    try:
        asyncio.run(_stream(loaded, source, plan, health, console))
    except KeyboardInterrupt:
        interrupted = True
    report = health.report()
    if json:
        made = {"bundle": loaded.card.name, "sha256": loaded.sha256, "seed": seed, "provider": source.provider}
        print_json(made | {"name": name, "step_bins": plan.step_bins} | dataclasses.asdict(report))
    else:
        _say(console, format_report(report))
    return 130 if interrupted else 0


@dataclass(frozen=True)
class _Plan:
    """Options that were checked; `bins` is None for a stream without end."""

    name: str
    seed: int
    step_bins: int
    bins: int | None
    count_format: CountFormat
    start_delay_s: float


def _plan(
    card: Card,
    name: str,
    seed: int,
    step_bins: int | None,
    duration_s: float | None,
    count_format: CountFormat,
    start_delay_s: float,
) -> _Plan:
    longest = max(1, round(LONGEST_STEP_S / card.bin_size_s))
    if step_bins is None:
        step_bins = max(1, round(STEP_S / card.bin_size_s))
    check_seed(seed)
    if not 1 <= step_bins <= longest:
        raise BadInputError(f"--step-bins: expected 1 to {longest} bins ({LONGEST_STEP_S:g} s), found {step_bins}")
    if not 0 <= start_delay_s <= LONGEST_DELAY_S:
        raise BadInputError(f"--start-delay: expected 0 to {LONGEST_DELAY_S:g} s, found {start_delay_s:g}")
    bins = None if duration_s is None else bins_of(duration_s, card.bin_size_s)
    return _Plan(name, seed, step_bins, bins, count_format, start_delay_s)


async def _stream(
    bundle: Bundle, source: WindowSource | SamplerSource, plan: _Plan, health: Health, console: Console
) -> None:
    card, units = bundle.card, len(bundle.card.unit_names)
    clock = WallClock(import_pylsl().local_clock)
    start_s = clock.now() + OPENING_S + OPENING_PER_UNIT_S * units + plan.start_delay_s
    provenance = Provenance(card.name, bundle.sha256, plan.seed, card.bin_size_s, plan.step_bins, start_s)
    async with LslSink(plan.name, card.unit_names, provenance, plan.count_format) as sink:
        _say(
            console,
            f"streaming {card.name} ({units} units, {card.bin_size_s * 1000:g} ms bins, seed {plan.seed}) on"
            f" {source.provider}\nsubscribe: pylsl.StreamInlet(pylsl.resolve_byprop('name', '{plan.name}')[0])",
        )
        _quieten_interpreter()
        with Status(health, sink.has_consumers, console) as status:
            await stream_steps(
                source, (sink, status), clock, health,
                start_s=start_s, step_bins=plan.step_bins, seed=plan.seed, bins=plan.bins,
            )  # fmt: skip


def _say(console: Console, line: str) -> None:
    """Tell the user, if there is still somewhere to tell it; a stream needs no terminal."""
    with suppress(OSError, SystemExit):  # rich exits where a pipe is broken
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _quieten_interpreter() -> None:
    """Keep the garbage collector and other threads from holding up the loop."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(GIL_SLICE_S)
