"""`spikeloop stream`: emit a bundle's spikes over Lab Streaming Layer."""

import asyncio

from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.documents import print_line
from spikeloop.streamer.broadband.options import BroadbandType
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.status import Status
from spikeloop.streamer.commands.voltage_options import TYPICAL_VOLTAGE, VoltageArguments
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.interpreter import frozen_garbage
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.launch.stream import PreparedStream
from spikeloop.streamer.lsl.heaps import return_large_blocks, share_one_heap
from spikeloop.streamer.lsl.sink import CountFormat

__all__ = ["stream"]


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
    broadband_as: BroadbandType = "broadband",
    voltage: OmitArgPrefixes[VoltageArguments] = TYPICAL_VOLTAGE,
    ephys_socket: str | None = None,
    synapse: str | None = None,
    monitor: bool = False,
    json: bool = False,
) -> int:
    """Stream a population's spikes over Lab Streaming Layer.

    The stream runs until Ctrl-C or for --duration. NAME carries spike counts, one channel a unit. NAME-Events carries
    each spike with its own time. NAME-Condition carries the condition of each bin, if the bundle has conditions. With
    --mqtt, devices receive the spikes too and may stimulate, pause or scale the population; NAME-Markers logs it.

    Parameters
    ----------
    bundle : str
        name of a shipped bundle (see `spikeloop models`), or path of a bundle's folder or .zip
    name : str
        name of the stream
    seed : int >= 0
        seed of the spikes: the same seed gives the same spikes
    step_bins : int >= 1, bins, optional
        bins to push at once; by default as many as come nearest to 20 ms
    duration : float > 0, s, optional
        length of the stream; by default it runs until Ctrl-C
    device : str
        processor that runs the generator
    format : str
        LSL format of the counts; int8 sends counts above 127 as 127
    start_delay : float >= 0, s
        additional time between the streams' announcement and the first bin, for consumers to connect
    condition : str, optional
        what drives the population: rest; constant:0.5,-1 or constant:NAME=0.5; file:PATH.npz (array `condition` of
        shape (bins, conditions), rest after its end); phase (a stimulus that repeats); lsl:STREAM (the latest sample
        at the end of a bin drives the bin; lsl:STREAM?source_id=ID where several have the name); mqtt (the same, from
        messages on the topic condition). By default phase if the bundle has a phase, else rest
    condition_hold : float >= 0, s
        time for which the last valid sample of lsl:STREAM or mqtt holds if no other arrives
    condition_decay : float >= 0, s
        time in which the condition then falls to rest
    mqtt : str, optional
        broker for devices: mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT][?ca=FILE&cert=FILE&key=FILE]. The
        password is read from the environment variable SPIKELOOP_MQTT_PASSWORD, or from the file of ?password_file=FILE
    broadband : bool
        also synthesise the voltage of electrodes near the units, as NAME-Broadband, int16
    broadband_as : str
        LSL type of NAME-Broadband: broadband, or eeg for Blackrock's nPlayServer, in chunks of 10 ms, 0.25 uV a bit
    voltage : VoltageArguments
        how the voltage is simulated
    ephys_socket : str, optional
        [HOST:]PORT, usually 9001, at which the plugin "Ephys Socket" of the Open Ephys GUI gets the voltage, with
        --broadband; without HOST on this machine alone
    synapse : str, optional
        [HOST:]PORT, usually 647, of a device of the Synapse protocol, from which the clients of Science Corporation get
        the voltage and the spikes, and where they may stimulate, with --broadband; without HOST on this machine alone
    monitor : bool
        also start `spikeloop monitor` in a process of its own: NAME-Monitor over LSL, and /metrics
    json : bool
        print the report as one JSON document at the end; docs/counters.md says what its figures mean
    """
    options = StreamOptions(
        name=name,
        seed=seed,
        step_bins=step_bins,
        duration_s=duration,
        device=device,
        count_format=format,
        start_delay_s=start_delay,
        condition=condition,
        condition_hold_s=condition_hold,
        condition_decay_s=condition_decay,
        mqtt=mqtt,
        broadband=broadband,
        broadband_as=broadband_as,
        ephys_socket=ephys_socket,
        synapse=synapse,
        **voltage.chosen(),
        monitor=monitor,
    )
    share_one_heap()
    return_large_blocks()
    prepared = PreparedStream(bundle, options)
    console = SideConsole()
    interrupted = False
    with prepared:
        try:
            asyncio.run(_show(prepared, console))
        except KeyboardInterrupt:
            interrupted = True
    report = prepared.report()
    if json:
        print_json(report.to_dict())
    else:
        print_line(console, str(report))
    return 130 if interrupted else 0


async def _show(prepared: PreparedStream, console: Console) -> None:
    """Stream, with a live status."""
    status = Status(prepared.health, prepared.has_consumers, console, prepared.remarks())
    async with prepared.open(status) as run:
        card, name = prepared.card, prepared.options.name
        lines = [
            f"streaming {card.name} ({len(card.unit_names)} units, {card.bin_size_s * 1000:g} ms bins, seed"
            f" {prepared.options.seed}) on {prepared.provider}",
            "subscribe in Python:",
            f"import pylsl; inlet = pylsl.StreamInlet(pylsl.resolve_byprop('name', {name!r})[0])",
            *prepared.invitations(),
        ]
        print_line(console, "\n".join(lines))
        with frozen_garbage(), status:
            await run()
