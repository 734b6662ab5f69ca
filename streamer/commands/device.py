"""`spikeloop device`: virtual devices over MQTT, for loops without hardware."""

import asyncio
import dataclasses
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, subcommand

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.options import LONGEST_DURATION_S
from spikeloop.streamer.commands.output import SideConsole, print_json

if TYPE_CHECKING:
    from spikeloop.streamer.devices.device import Device
    from spikeloop.streamer.devices.link import DeviceLink

__all__ = ["ArmOptions", "Connection", "ProbeOptions", "StimulatorOptions", "device"]


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Options of every device.

    Attributes
    ----------
    mqtt
        URL of the broker, mqtt://[USER@]HOST[:PORT] or mqtts://...; the password from SPIKELOOP_MQTT_PASSWORD
    name
        of the stream
    duration
        seconds; by default until Ctrl-C
    json
        print one JSON document at the end
    """

    mqtt: str
    name: str = "spikeloop"
    duration: float | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class StimulatorOptions(Connection):
    """Answer bursts with pulses, at once.

    It fires when so many spikes lie within the window: of the population, or of the units that are watched.

    Attributes
    ----------
    spikes
        that make a burst; instead, a rate can be given
    rate
        Hz, summed over the watched units: fires at this mean rate over the window
    window_ms
        that slides with the spikes' own times
    watch
        indices of units; by default the whole population
    refractory_ms
        from one stimulus until the next may come
    stimulate
        indices of units; by default all
    amplitude_ua
        of each pulse
    pulses
        in the train
    pulse_rate
        Hz, of the train
    pulse_width_us
        of each pulse
    """

    spikes: int | None = None
    rate: float | None = None
    window_ms: float = 20.0
    watch: tuple[int, ...] = ()
    refractory_ms: float = 500.0
    stimulate: tuple[int, ...] = ()
    amplitude_ua: float = 50.0
    pulses: int = 1
    pulse_rate: float = 100.0
    pulse_width_us: float = 200.0


@dataclass(frozen=True, kw_only=True)
class ArmOptions(Connection):
    """A two-joint arm that follows the decoded velocity.

    Attributes
    ----------
    correction
        share of the distance to the cursor that is made up for a second; 0 follows velocity alone
    silence
        seconds without a message after which the arm stands still
    """

    correction: float = 2.0
    silence: float = 0.5


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Connection):
    """Echo every message, so that the stream can tell the round trip's time."""


Options = (
    Annotated[StimulatorOptions, subcommand("stimulator")]
    | Annotated[ArmOptions, subcommand("arm")]
    | Annotated[ProbeOptions, subcommand("probe")]
)


def device(options: OmitArgPrefixes[OmitSubcommandPrefixes[Options]]) -> int:
    """Be a device at the far end of MQTT, until Ctrl-C: a stimulator, a robot arm, or a latency probe.

    Start the stream with `spikeloop stream --mqtt URL`. A broker that goes away is sought until it is back.
    """
    from spikeloop.streamer.devices.link import DeviceLink
    from spikeloop.streamer.mqtt.address import parse_address

    if options.duration is not None and not 0 < options.duration <= LONGEST_DURATION_S:
        raise BadInputError(f"--duration: expected more than 0 s, found {options.duration:g}")
    address = parse_address(options.mqtt)
    console = SideConsole()

    def say(line: str) -> None:
        with suppress(OSError, SystemExit):  # rich exits where a pipe is broken
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    made = _made(options)
    link = DeviceLink(made, address, options.name, lambda state: say(f"stream {options.name}: {state}"))
    say(f"listening to spikeloop/{options.name}/{', '.join(made.topics)} at {address}")
    interrupted = False
    try:
        asyncio.run(_run(link, options.duration))
    except (KeyboardInterrupt, asyncio.CancelledError):
        interrupted = True
    report = {"name": options.name, "device": made.report(), "link": dataclasses.asdict(link.report())}
    if options.json:
        print_json(report)
    else:
        say("\n".join(f"{key}: {_told(value)}" for part in ("device", "link") for key, value in report[part].items()))
    return 130 if interrupted else 0


async def _run(link: "DeviceLink", duration_s: float | None) -> None:
    """Until told to end; a polite kill comes in between callbacks, as Ctrl-C does in asyncio, not inside one."""
    task = asyncio.current_task()
    assert task is not None
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await link.run(duration_s)


def _made(options: Connection) -> "Device":
    """The device that was asked for."""
    if isinstance(options, StimulatorOptions):
        return _stimulator(options)
    if isinstance(options, ArmOptions):
        from spikeloop.streamer.devices.arm import Arm, ArmSettings

        return Arm(ArmSettings(correction_hz=options.correction, silence_s=options.silence))
    from spikeloop.streamer.devices.probe import Probe

    return Probe()


def _stimulator(options: StimulatorOptions) -> "Device":
    from spikeloop.streamer.devices.stimulator import Pulses, Stimulator
    from spikeloop.streamer.devices.trigger import BurstTrigger, spikes_for_rate

    window_s = options.window_ms / 1000
    if (options.spikes is None) == (options.rate is None):
        raise BadInputError("expected either --spikes or --rate, which tell when to fire")
    spikes = spikes_for_rate(options.rate, window_s) if options.rate is not None else options.spikes
    assert spikes is not None
    trigger = BurstTrigger(spikes, window_s, options.watch, options.refractory_ms / 1000)
    pulses = Pulses(
        options.stimulate or "all", options.amplitude_ua, options.pulses, options.pulse_rate, options.pulse_width_us
    )
    return Stimulator(trigger, pulses, f"stimulator-{os.getpid()}")


def _told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    return "-" if value is None else str(value)
