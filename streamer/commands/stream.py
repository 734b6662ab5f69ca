"""`spikeloop stream`: emit a bundle's spikes over Lab Streaming Layer."""

import asyncio
import dataclasses
import gc
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass

from rich.console import Console
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.clock import WallClock
from spikeloop.streamer.commands.beside import MonitorBeside
from spikeloop.streamer.commands.drive import Drive, describe_drive, drive_line, open_drive
from spikeloop.streamer.commands.options import bins_of, check_seed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import stream as stream_steps
from spikeloop.streamer.lsl import CountFormat, LslSink, Provenance, check_name_is_free, import_pylsl
from spikeloop.streamer.lsl_condition import LslCondition
from spikeloop.streamer.session import Device
from spikeloop.streamer.source import Source, open_source
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
    condition: str | None = None,
    condition_hold: float = 0.5,
    condition_decay: float = 0.5,
    monitor: bool = False,
    json: bool = False,
) -> int:
    """Stream a population's spikes over Lab Streaming Layer until Ctrl-C.

    NAME carries counts, one channel a unit; NAME-Events each spike with its own time; NAME-Condition, where the model
    is driven by anything, what drove each bin.

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
        LSL format of the counts; int8 sends counts above 127 as 127
    start_delay
        further seconds between announcing the streams and the first bin, for consumers to connect
    condition
        what drives the population: rest, constant:0.5,-1, constant:NAME=0.5, file:PATH.npz (array condition: bins x
        conditions; rest after its end), phase (of a stimulus shown again and again) or lsl:STREAM (live; its latest
        sample at the end of a bin drives the bin); by default phase where the model has one, else rest
    condition_hold
        seconds for which the last valid sample of lsl:STREAM holds when no other comes
    condition_decay
        seconds in which it then falls to rest
    monitor
        start `spikeloop monitor` beside it, in a process of its own: NAME-Monitor over LSL, and /metrics
    json
        print one JSON document at the end
    """
    loaded = read_bundle(bundle)
    plan = _plan(loaded.card, name, seed, step_bins, duration, format, start_delay)
    drive = open_drive(condition, loaded.card.channels, condition_hold, condition_decay)
    check_name_is_free(name)
    console = SideConsole()
    health = Health(loaded.card.bin_size_s, len(loaded.card.unit_names))
    source = open_source(loaded, seed, device, on_inference=health.inference.add)
    if source.notice:
        _say(console, source.notice)
    interrupted = False
    with MonitorBeside(name, bundle) if monitor else nullcontext() as beside:
        try:
            asyncio.run(_stream(loaded, source, plan, drive, health, console, beside))
        except KeyboardInterrupt:
            interrupted = True
    report = health.report()
    if json:
        made = {"bundle": loaded.card.name, "sha256": loaded.sha256, "seed": seed, "provider": source.provider}
        made |= {"name": name, "step_bins": plan.step_bins, "condition": describe_drive(drive, report.bins)}
        told = {"monitor": beside.report} if beside is not None else {}
        print_json(made | dataclasses.asdict(report) | told)
    else:
        _say(console, format_report(report) + drive_line(drive, report.bins))
        if beside is not None:
            _say(console, f"monitor: {beside.remark}")
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
    if card.signal == "fluorescence" and count_format != "float32":
        raise BadInputError(f"--format: fluorescence is float32, found {count_format}; leave --format out")
    if not 0 <= start_delay_s <= LONGEST_DELAY_S:
        raise BadInputError(f"--start-delay: expected 0 to {LONGEST_DELAY_S:g} s, found {start_delay_s:g}")
    bins = None if duration_s is None else bins_of(duration_s, card.bin_size_s)
    return _Plan(name, seed, step_bins, bins, count_format, start_delay_s)


async def _stream(
    bundle: Bundle,
    source: Source,
    plan: _Plan,
    drive: Drive,
    health: Health,
    console: Console,
    beside: MonitorBeside | None,
) -> None:
    card, units = bundle.card, len(bundle.card.unit_names)
    clock = WallClock(import_pylsl().local_clock)
    async with AsyncExitStack() as opened:
        live = drive.condition if isinstance(drive.condition, LslCondition) else None
        if live is not None:
            await opened.enter_async_context(live)
        start_s = clock.now() + OPENING_S + OPENING_PER_UNIT_S * units + plan.start_delay_s
        provenance = Provenance(
            card.name, bundle.sha256, plan.seed, card.bin_size_s, plan.step_bins, start_s,
            drive.asked, card.latency_bins, card.signal,
        )  # fmt: skip
        sink = LslSink(plan.name, card.unit_names, provenance, plan.count_format, card.channels)
        await opened.enter_async_context(sink)
        _say(
            console,
            f"streaming {card.name} ({units} units, {card.bin_size_s * 1000:g} ms bins, seed {plan.seed}) on"
            f" {source.provider}\nsubscribe: pylsl.StreamInlet(pylsl.resolve_byprop('name', '{plan.name}')[0])",
        )
        _quieten_interpreter()
        remarks: list[Callable[[], str]] = [lambda: f"condition {live.report().state}"] if live is not None else []
        if beside is not None:
            remarks.append(lambda: f"monitor: {beside.remark}")
        with Status(health, sink.has_consumers, console, remarks) as status:
            await stream_steps(
                source, (sink, status), clock, health, drive.condition,
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
