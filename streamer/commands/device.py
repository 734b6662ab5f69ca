"""`spikeloop device`: virtual devices over MQTT, for loops without hardware."""

import asyncio
import dataclasses
import math
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, subcommand

from spikeloop.exporters.documents import print_line
from spikeloop.models.errors import BadInputError
from spikeloop.models.interrupts import ENDING
from spikeloop.models.significant import significant
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.launch.checks import LONGEST_DURATION_S

if TYPE_CHECKING:
    from spikeloop.streamer.devices.device import Device
    from spikeloop.streamer.devices.link import DeviceLink

__all__ = ["ArmOptions", "Connection", "ProbeOptions", "StimulatorOptions", "device", "report_lines", "slow_words"]

ASK_AGAIN_S = 2.0  # to end, after SIGTERM
UNITS = ("ms", "cm")  # that end the names of figures
SLOW_MS = 100.0  # from a stimulus to its confirmation: five usual steps


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Options of every device.

    Attributes
    ----------
    mqtt : str
        broker: mqtt://[USER@]HOST[:PORT] or mqtts://...; the password is read from the environment variable
        SPIKELOOP_MQTT_PASSWORD
    name : str
        name of the stream
    duration : float > 0, s, optional
        time to run; by default until Ctrl-C
    wait : bool
        a flag, without a value: wait for the broker where it can't be reached yet, however long that lasts
    json : bool
        print one JSON document at the end
    """

    mqtt: Annotated[str, option("URL")]
    name: Annotated[str, option("NAME")] = "spikeloop"
    duration: Annotated[float | None, option("S", default="")] = None
    wait: Annotated[bool, option(default="")] = False
    json: Annotated[bool, option(default="")] = False


@dataclass(frozen=True, kw_only=True)
class StimulatorOptions(Connection):
    """Stimulate the population when it bursts.

    The stimulator sends a train of pulses as soon as so many spikes lie within the window: spikes of the whole
    population, or of the units given by --watch.

    Attributes
    ----------
    spikes : int >= 1, optional
        number of spikes in the window that triggers a stimulus; give this or --rate
    rate : float > 0, Hz, optional
        rate over the window that triggers a stimulus, summed over the watched units; give this or --spikes
    window_ms : float > 0, ms
        length of the window, which slides with the spikes' own times
    watch : tuple of int
        indices of the units to watch; by default all
    refractory_ms : float >= 0, ms
        least time from one stimulus to the next
    stimulate : tuple of int
        indices of the units to stimulate; by default all
    amplitude_ua : float, uA
        amplitude of each pulse
    pulses : int >= 1
        number of pulses in the train
    pulse_rate : float > 0, Hz
        rate of the pulses in the train
    pulse_width_us : float > 0, us
        width of each pulse
    """

    spikes: Annotated[int | None, option("N", default="")] = None
    rate: Annotated[float | None, option("HZ", default="")] = None
    window_ms: Annotated[float, option("MS")] = 20.0
    watch: Annotated[tuple[int, ...], option("UNIT ...", default="")] = ()
    refractory_ms: Annotated[float, option("MS")] = 500.0
    stimulate: Annotated[tuple[int, ...], option("UNIT ...", default="")] = ()
    amplitude_ua: Annotated[float, option("UA")] = 50.0
    pulses: Annotated[int, option("N")] = 1
    pulse_rate: Annotated[float, option("HZ")] = 100.0
    pulse_width_us: Annotated[float, option("US")] = 200.0


@dataclass(frozen=True, kw_only=True)
class ArmOptions(Connection):
    """Move a two-joint arm with the decoded velocity.

    Attributes
    ----------
    correction : float >= 0, per second
        rate at which the arm closes its distance to the cursor; 0 follows the velocity alone
    silence : float > 0, s
        time without a message after which the arm stands still
    """

    correction: Annotated[float, option("PER_S")] = 2.0
    silence: Annotated[float, option("S")] = 0.5


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Connection):
    """Echo each message, so that the stream can measure the round trip."""


Options = (
    Annotated[StimulatorOptions, subcommand("stimulator")]
    | Annotated[ArmOptions, subcommand("arm")]
    | Annotated[ProbeOptions, subcommand("probe")]
)


def device(options: OmitArgPrefixes[OmitSubcommandPrefixes[Options]]) -> int:
    """Run a virtual stimulator, robot arm or latency probe over MQTT.

    The device runs until Ctrl-C or for --duration, and reconnects if the broker goes away. Start the stream with
    `spikeloop stream --mqtt URL`.

    Parameters
    ----------
    options : StimulatorOptions, ArmOptions or ProbeOptions
        kind of device, and its options
    """
    from spikeloop.streamer.devices.link import DeviceLink
    from spikeloop.streamer.mqtt.address import parse_address

    if options.duration is not None and not 0 < options.duration <= LONGEST_DURATION_S:
        raise BadInputError(f"--duration: expected more than 0 s, found {options.duration:g}")
    address = parse_address(options.mqtt)
    console = SideConsole()

    def say(line: str) -> None:
        print_line(console, line)

    made, on_waiting = _make(options), (lambda why: say(f"waiting: {why}")) if options.wait else None
    link = DeviceLink(
        made, address, options.name, lambda state: say(f"stream {options.name}: {state}"), on_waiting=on_waiting
    )
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
        lines = (*report_lines(report["device"]), slow_words(report["device"]), *report_lines(report["link"]))
        say("\n".join(filter(None, lines)))
    return 130 if interrupted else 0


async def _run(link: "DeviceLink", duration_s: float | None) -> None:
    """Run until the end or a signal of `ENDING`, which comes between callbacks, as Ctrl-C does in asyncio."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop() -> None:
        task.cancel()
        loop.call_later(ASK_AGAIN_S, stop)  # Python 3.11's wait_for loses a cancellation where its future is just done

    with suppress(NotImplementedError):  # Windows
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop)
    await link.run(duration_s)


def _make(options: Connection) -> "Device":
    """Make the device of these options."""
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
        raise BadInputError("expected either --spikes or --rate, which say when to fire")
    spikes = spikes_for_rate(options.rate, window_s) if options.rate is not None else options.spikes
    assert spikes is not None
    trigger = BurstTrigger(spikes, window_s, options.watch, options.refractory_ms / 1000)
    pulses = Pulses(
        options.stimulate or "all", options.amplitude_ua, options.pulses, options.pulse_rate, options.pulse_width_us
    )
    return Stimulator(trigger, pulses, f"stimulator-{os.getpid()}")


def report_lines(report: Mapping[str, object]) -> Iterator[str]:
    """The fields of a report that hold something, a line each: the name in words, the value, its unit."""
    for key, value in report.items():
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            continue
        name, _, unit = key.rpartition("_")
        words, unit = (name, f" {unit}") if unit in UNITS else (key, "")
        yield f"{words.replace('_', ' ')}: {_text(value)}{unit}"


def slow_words(report: Mapping[str, Any]) -> str:
    """Say that stimuli were confirmed late, and what to do; empty where they were not."""
    took_ms = report.get("confirmation_ms")
    if took_ms is None or took_ms["p50"] < SLOW_MS:
        return ""
    return (
        f"stimuli came late: half took more than {significant(took_ms['p50'])} ms until the stream confirmed them; the"
        " machine, the broker or the network is too busy: stop other programs, look at the stream's late steps, and see"
        " that the broker sends without delay (mosquitto: set_tcp_nodelay true)"
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)
