"""`spikeloop stream`: emit a bundle's spikes over Lab Streaming Layer."""

import asyncio
import dataclasses
import gc
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.probe import ProbeName
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.clock import WallClock
from spikeloop.streamer.commands.beside import MonitorBeside
from spikeloop.streamer.commands.drive import MQTT, Drive, describe_drive, drive_line, open_drive
from spikeloop.streamer.commands.options import bins_of, check_seed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.hardware import Hardware, MqttCondition
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import SpikeSink, Transform
from spikeloop.streamer.loop import stream as stream_steps
from spikeloop.streamer.lsl import CountFormat, LslSink, Provenance, check_name_is_free, import_pylsl
from spikeloop.streamer.lsl_condition import LslCondition
from spikeloop.streamer.mqtt.address import parse_address
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
    mqtt: str | None = None,
    broadband: bool = False,
    channels: int | None = None,
    probe: ProbeName = "utah",
    monitor: bool = False,
    json: bool = False,
) -> int:
    """Stream a population's spikes over Lab Streaming Layer until Ctrl-C.

    NAME carries counts, one channel a unit; NAME-Events each spike with its own time; NAME-Condition, where the model
    is driven by anything, what drove each bin. With --mqtt devices get the spikes too, and may stimulate, pause or
    scale the population; NAME-Markers tells when.

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
        conditions; rest after its end), phase (of a stimulus shown again and again), lsl:STREAM (live; its latest
        sample at the end of a bin drives the bin) or mqtt (the same of messages on the topic condition); by default
        phase where the model has one, else rest
    condition_hold
        seconds for which the last valid sample of lsl:STREAM or mqtt holds when no other comes
    condition_decay
        seconds in which it then falls to rest
    mqtt
        broker for devices, mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT][?ca=FILE&cert=FILE&key=FILE]; a
        password is that of SPIKELOOP_MQTT_PASSWORD, or in the file of ?password_file=FILE
    broadband
        synthesise the voltage that electrodes near the units would record, as NAME-Broadband, int16 at 30 kHz
    channels
        of the probe; by default 96 of utah, 384 of linear
    probe
        utah (a square grid, 400 um apart) or linear (a shank of two columns, 20 um apart)
    monitor
        start `spikeloop monitor` beside it, in a process of its own: NAME-Monitor over LSL, and /metrics
    json
        print one JSON document at the end
    """
    loaded = read_bundle(bundle)
    plan = _plan(loaded, name, seed, step_bins, duration, format, start_delay)
    drive = open_drive(condition, loaded.card.channels, condition_hold, condition_decay)
    if isinstance(drive.condition, MqttCondition) and mqtt is None:
        raise BadInputError(f"--condition {MQTT}: expected a broker that brings it, found none; add --mqtt URL")
    check_name_is_free(name)
    console = SideConsole()
    health = Health(loaded.card.bin_size_s, len(loaded.card.unit_names))
    clock = WallClock(import_pylsl().local_clock)
    hardware = _hardware(mqtt, plan, drive, health, clock) if mqtt is not None else None
    voltage = open_broadband(loaded.card, seed, probe, channels) if broadband else None
    source = open_source(loaded, seed, device, on_inference=health.inference.add)
    if source.notice:
        _say(console, source.notice)
    interrupted = False
    with ExitStack() as around:
        if hardware is not None:
            around.enter_context(hardware)
        beside = around.enter_context(MonitorBeside(name, bundle, mqtt)) if monitor else None
        try:
            asyncio.run(_stream(plan, source, drive, health, clock, console, hardware, beside, voltage))
        except KeyboardInterrupt:
            interrupted = True
    if json:
        print_json(_document(plan, source, drive, health, hardware, beside))
    else:
        _say(console, format_report(health.report()) + drive_line(drive, health.bins))
        if hardware is not None:
            _say(console, hardware.summary())
        if beside is not None:
            _say(console, f"monitor: {beside.remark}")
    return 130 if interrupted else 0


@dataclass(frozen=True)
class _Plan:
    """What to stream, and options that were checked; `bins` is None for a stream without end."""

    bundle: Bundle
    name: str
    seed: int
    step_bins: int
    bins: int | None
    count_format: CountFormat
    start_delay_s: float


def _plan(
    bundle: Bundle,
    name: str,
    seed: int,
    step_bins: int | None,
    duration_s: float | None,
    count_format: CountFormat,
    start_delay_s: float,
) -> _Plan:
    card = bundle.card
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
    return _Plan(bundle, name, seed, step_bins, bins, count_format, start_delay_s)


def _hardware(url: str, plan: _Plan, drive: Drive, health: Health, clock: WallClock) -> Hardware:
    driven = drive.condition if isinstance(drive.condition, MqttCondition) else None
    address = parse_address(url)
    return Hardware(address, plan.name, plan.bundle, plan.seed, plan.step_bins, health.report, clock.now, driven)


async def _stream(
    plan: _Plan,
    source: Source,
    drive: Drive,
    health: Health,
    clock: WallClock,
    console: Console,
    hardware: Hardware | None,
    beside: MonitorBeside | None,
    voltage: Synthesiser | None,
) -> None:
    card, units = plan.bundle.card, len(plan.bundle.card.unit_names)
    async with AsyncExitStack() as opened:
        if isinstance(drive.condition, LslCondition):
            await opened.enter_async_context(drive.condition)
        start_s = clock.now() + OPENING_S + OPENING_PER_UNIT_S * units + plan.start_delay_s
        provenance = Provenance(
            card.name, plan.bundle.sha256, plan.seed, card.bin_size_s, plan.step_bins, start_s,
            drive.asked, card.latency_bins, card.signal,
        )  # fmt: skip
        channels = hardware.channels if hardware is not None else card.channels
        lsl = LslSink(plan.name, card.unit_names, provenance, plan.count_format, channels, markers=hardware is not None)
        await opened.enter_async_context(lsl)
        _say(
            console,
            f"streaming {card.name} ({units} units, {card.bin_size_s * 1000:g} ms bins, seed {plan.seed}) on"
            f" {source.provider}\nsubscribe: pylsl.StreamInlet(pylsl.resolve_byprop('name', '{plan.name}')[0])",
        )
        _quieten_interpreter()
        with Status(health, lsl.has_consumers, console, _remarks(drive, hardware, beside)) as status:
            sinks: tuple[SpikeSink, ...] = (lsl, status)
            transforms: tuple[Transform, ...] = ()
            shown: tuple[Callable[[float, float], None], ...] = ()  # who is told pulses
            if voltage is not None:
                trace = await opened.enter_async_context(BroadbandSink(plan.name, voltage, provenance))
                sinks, shown = (*sinks, trace), (trace.pulse,)
            if hardware is not None:
                sinks, transforms = hardware.begin(start_s, sinks, lsl.mark, *shown)
            await stream_steps(
                source, sinks, clock, health, drive.condition,
                start_s=start_s, step_bins=plan.step_bins, seed=plan.seed, bins=plan.bins, transforms=transforms,
            )  # fmt: skip


def _remarks(drive: Drive, hardware: Hardware | None, beside: MonitorBeside | None) -> list[Callable[[], str]]:
    """What the status tells besides."""
    told: list[Callable[[], str]] = []
    live = drive.condition
    if isinstance(live, LslCondition | MqttCondition):
        told.append(lambda: f"condition {live.report().state}")
    if hardware is not None:
        told.append(hardware.remark)
    if beside is not None:
        told.append(lambda: f"monitor: {beside.remark}")
    return told


def _document(
    plan: _Plan, source: Source, drive: Drive, health: Health, hardware: Hardware | None, beside: MonitorBeside | None
) -> dict[str, Any]:
    """What `--json` prints at the end."""
    card = plan.bundle.card
    made = {"bundle": card.name, "sha256": plan.bundle.sha256, "seed": plan.seed, "provider": source.provider}
    made |= {"name": plan.name, "step_bins": plan.step_bins, "condition": describe_drive(drive, health.bins)}
    told = {"monitor": beside.report} if beside is not None else {}
    told |= {"mqtt": dataclasses.asdict(hardware.bridge.report())} if hardware is not None else {}
    return made | dataclasses.asdict(health.report()) | told


def _say(console: Console, line: str) -> None:
    """Tell the user, if there is still somewhere to tell it; a stream needs no terminal."""
    with suppress(OSError, SystemExit):  # rich exits where a pipe is broken
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _quieten_interpreter() -> None:
    """Keep the garbage collector and other threads from holding up the loop."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(GIL_SLICE_S)
