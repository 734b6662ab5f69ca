"""A whole stream put together, for every caller: the command line, Python, the closed loop, tests."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.conditions.steered import SteeredDrive
from spikeloop.streamer.launch.bridges import Bridges
from spikeloop.streamer.launch.child import ChildCommand
from spikeloop.streamer.launch.interpreter import short_slices
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.launch.report import StreamReport
from spikeloop.streamer.launch.streamed import Streamed, streamed_of
from spikeloop.streamer.lsl.library import check_name_is_free, import_pylsl
from spikeloop.streamer.lsl.sink import LslSink
from spikeloop.streamer.mqtt.address import parse_address
from spikeloop.streamer.mqtt.condition import MqttCondition
from spikeloop.streamer.mqtt.payloads import StreamStatus, encode_document
from spikeloop.streamer.mqtt.remote_control import RemoteControl
from spikeloop.streamer.stream.clock import WallClock
from spikeloop.streamer.stream.health import Health, HealthReport
from spikeloop.streamer.stream.loop import stream as stream_steps
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import SpikeSink, Transform

__all__ = ["PreparedStream"]

OPENING_S, OPENING_PER_UNIT_S = 0.25, 1e-4  # from describing the streams to bin 0
MONITOR_NICENESS = 5

logger = logging.getLogger(__name__)


class PreparedStream:
    """A stream's population, drive, broker and monitor; the latter two from entering to leaving the context.

        with PreparedStream("retina", StreamOptions(name="lab")) as prepared:
            asyncio.run(...)  # async with prepared.open() as run: await run()
        print(prepared.report())

    Parameters
    ----------
    bundle : str, Path, Bundle or Streamed
        A shipped bundle's name, a path, a bundle that was loaded, or what else is to be streamed.
    options : StreamOptions

    Attributes
    ----------
    provider : str
        What runs the generator.
    health : Health
        The stream's figures.
    steering : Steering or None
        Acts on the stream, where the options allow it.

    Raises
    ------
    BadInputError
        If the bundle or an option can't be used.
    FailureError
        If a port is taken; on entering, if something that the stream needs is not installed or can't be reached.
    """

    def __init__(self, bundle: str | Path | Bundle | Streamed, options: StreamOptions) -> None:
        self.streamed = streamed_of(bundle)
        card = self.card = self.streamed.card
        self.options = options = options.checked(card)
        self.schedule = options.schedule(card)
        options.check_ports()
        self._drive = self.streamed.drive(options)
        check_name_is_free(options.name)
        self.health = Health(card.bin_size_s, len(card.unit_names))
        self.clock = WallClock(import_pylsl().local_clock)
        driven = self._drive if isinstance(self._drive, SteeredDrive) else None
        steers = options.controls or options.mqtt is not None or options.synapse is not None
        self.steering = Steering(card, options.seed, driven) if steers else None
        self._remote = self._remote_control()
        self._monitor = self._child_monitor(bundle)
        self._voltage = open_broadband(card, options.seed, options) if options.broadband else None
        self._bridges = Bridges(options, options.name, self._voltage, self.clock.now, self.steering)
        self._source = self.streamed.source(options, self.health.inference.add)
        self.provider = self._source.provider
        self._lsl: LslSink | None = None
        self._final_health: HealthReport | None = None
        if self._source.notice:
            logger.warning("%s: %s", options.name, self._source.notice)

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for part in (self._remote, self._monitor, self._bridges):
                if part is not None:
                    opened.enter_context(part)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @asynccontextmanager
    async def open(self, *sinks: SpikeSink) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Open the LSL streams, and yield what then streams until the duration is over or it is cancelled.

        Bin 0 begins a quarter of a second after they are described, so call it at once.
        """
        options, card = self.options, self.card
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._drive)
            delay_s = OPENING_S + OPENING_PER_UNIT_S * len(card.unit_names) + options.start_delay_s
            start_s = self.clock.now() + delay_s
            provenance = self.streamed.made_by(options.seed, self.schedule.step_bins, start_s, self._drive.asked)
            channels = self.steering.channels if self.steering else card.channels
            markers = self.steering is not None or self._bridges.marks
            lsl = LslSink(options.name, card.unit_names, provenance, options.count_format, channels, markers)
            self._lsl = await opened.enter_async_context(lsl)
            logger.info("%s: streaming %s, seed %d, on %s", options.name, card.name, options.seed, self.provider)
            trace: BroadbandSink | None = None
            if self._voltage is not None:
                broadband = BroadbandSink(
                    options.name, self._voltage, provenance, options.broadband_as, *self._bridges.receivers()
                )
                trace = await opened.enter_async_context(broadband)
            yield partial(self._run, start_s, (lsl, *sinks), trace)

    async def _run(self, start_s: float, sinks: tuple[SpikeSink, ...], trace: BroadbandSink | None) -> None:
        transforms: tuple[Transform, ...] = ()
        sinks = (*sinks, trace) if trace is not None else sinks
        sinks = (*sinks, self._remote.bridge) if self._remote is not None else sinks
        first, last = self.streamed.joined(self.steering)
        sinks = (*sinks, *self._bridges.sinks(), *last)
        if self.steering is not None:
            self.steering.listen(self._mark)
            pulses = (trace.pulse,) if trace is not None else ()
            sinks, transforms = self.steering.begin(start_s, sinks, *pulses)
        if self._remote is not None:
            self._remote.begin(start_s)
        self._bridges.begin(start_s, self._mark)
        schedule = self.schedule
        try:
            with short_slices():
                await stream_steps(
                    self._source, sinks, self.clock, self.health, self._drive, start_s=start_s, seed=self.options.seed,
                    step_bins=schedule.step_bins, bins=schedule.bins, transforms=(*first, *transforms),
                    next_length=self.streamed.next_length(schedule),
                )  # fmt: skip
        finally:
            if self.steering is not None:
                self.steering.end()
            self._final_health = self.health.report()

    @property
    def notice(self) -> str:
        """What the user should know, in a line: the generator runs on another provider, a condition can't drive."""
        condition = "" if self._drive.known_ahead else self._drive.describe(0)["notice"]
        return "; ".join(filter(None, (self._source.notice, condition)))

    def invitations(self) -> list[str]:
        """Return what to do in other software that may connect, a line each; once the context is entered."""
        return self._bridges.invitations()

    def has_consumers(self) -> bool:
        """Return whether anybody receives the stream over LSL."""
        return self._lsl is not None and self._lsl.has_consumers()

    def remarks(self) -> list[Callable[[], str]]:
        """Return what describes, in a few words, how a live condition, a broker, bridges and a monitor do."""
        remarks: list[Callable[[], str]] = []
        if "state" in self._drive.describe(0):
            remarks.append(self._condition_remark)
        if self._remote is not None:
            remarks.append(self._remote.remark)
        remarks += self._bridges.remarks()
        if (monitor := self._monitor) is not None:
            remarks.append(lambda: f"monitor: {monitor.remark}")
        return remarks

    def _condition_remark(self) -> str:
        condition = self._drive.describe(0)
        notice = f": {notice}" if (notice := condition.get("notice")) else ""
        return f"condition {condition['state']}{notice}"

    def report(self) -> StreamReport:
        """Return the figures so far; those of a monitor are there when the context is left."""
        health = self._final_health or self.health.report()
        return StreamReport(
            self.card.name,
            self.streamed.sha256,
            self.options.seed,
            self.provider,
            self.options.name,
            self.schedule.step_bins,
            condition=self._drive.describe(health.bins),
            health=health,
            mqtt=self._remote.bridge.report() if self._remote is not None else None,
            monitor=self._monitor.report if self._monitor is not None else None,
            monitored=self._monitor is not None,
            monitor_remark=self._monitor.remark if self._monitor is not None else "",
            ephys_socket=self._bridges.ephys_socket_report(),
            synapse=self._bridges.synapse_report(),
        )

    def _remote_control(self) -> RemoteControl | None:
        options, card = self.options, self.card
        if options.mqtt is None or self.steering is None:
            return None
        units, step_bins = len(card.unit_names), self.schedule.step_bins
        status = StreamStatus(card.name, self.streamed.sha256, options.seed, units, card.bin_size_s, step_bins)
        driven = self._drive if isinstance(self._drive, MqttCondition) else None
        address = parse_address(options.mqtt)
        return RemoteControl(
            address, options.name, status, self.steering, self.health.report, self.clock.now, driven,
            self.streamed.seek(),
        )  # fmt: skip

    def _child_monitor(self, bundle: str | Path | Bundle | Streamed) -> ChildCommand | None:
        if not self.options.monitor:
            return None
        if not isinstance(bundle, str | Path):
            raise BadInputError("monitor: expected the bundle's name or path, found a loaded one; hand in its path")
        command = ["monitor", self.options.name, "--wait", "--bundle", str(bundle)]
        command += ["--mqtt", self.options.mqtt] if self.options.mqtt is not None else []
        return ChildCommand(command, MONITOR_NICENESS)

    def _mark(self, event: str, stamp_s: float, **details: Any) -> None:
        if self._lsl is not None:
            self._lsl.mark(encode_document({"event": event, "stamp_s": stamp_s} | details).decode(), stamp_s)
