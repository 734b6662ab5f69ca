"""`spikeloop replay`: a recorded file goes out again over Lab Streaming Layer."""

import asyncio
from typing import Annotated

from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional, arg

from spikeloop.exporters.documents import print_line, printable
from spikeloop.streamer.broadband.options import BroadbandType
from spikeloop.streamer.commands.live_line import LiveLine
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions
from spikeloop.streamer.commands.voltage_options import TYPICAL_VOLTAGE, VoltageArguments
from spikeloop.streamer.launch.interpreter import frozen_garbage, short_slices
from spikeloop.streamer.launch.replay import Replaying, open_replay
from spikeloop.streamer.launch.replay_options import VoltageReplayOptions

__all__ = ["replay"]


def replay(
    recording: Positional[str],
    streams: Positional[tuple[str, ...]] = (),
    *,
    source_id: str = "",
    host: str = "",
    counts: bool = False,
    speed: float = 1.0,
    loop: bool = False,
    from_: Annotated[float | None, arg(name="from")] = None,
    to: float | None = None,
    name: str | None = None,
    start_delay: float = 0.0,
    seed: int = 0,
    mqtt: str | None = None,
    broadband: bool = False,
    broadband_as: BroadbandType = "broadband",
    voltage: OmitArgPrefixes[VoltageArguments] = TYPICAL_VOLTAGE,
    ephys_socket: str | None = None,
    synapse: str | None = None,
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    json: bool = False,
) -> int:
    """Send a recorded file out again over Lab Streaming Layer.

    The streams of an XDF file go out with their names, types, formats and descriptions, in their order and with the
    intervals that they were recorded with, regular or not. A recording of any other format goes out as a stream of
    counts, as of `spikeloop stream`, with NAME-Events, NAME-Condition and NAME-Markers; its trials follow each other
    without a pause. The replay ends with the file, or with Ctrl-C.

    Parameters
    ----------
    recording : str
        path of a file or folder, or name of a recording, as in `spikeloop inspect`
    streams : tuple of str, optional
        names of an XDF file's streams, each with NAME-Events, NAME-Condition and others beside it, as in `spikeloop
        record`; or types; also with * and ?; by default all
    source_id : str
        source id of an XDF file's streams, if several have a name; NAME#NUMBER chooses one of them, too
    host : str
        host of an XDF file's streams, if several have a name
    counts : bool
        send the counts of an XDF file as those of other recordings, and not its streams as they are
    speed : float > 0
        times faster than recorded
    loop : bool
        begin anew after the end, with stamps that go on
    from_ : float >= 0, s, optional
        where to begin, in seconds since the first sample of the file
    to : float > 0, s, optional
        where to end, in seconds since the first sample of the file
    name : str, optional
        name instead of that of the only stream, or of the source that streams NAME, NAME-Events and so on; of other
        streams, what to put before their names
    start_delay : float >= 0, s
        additional time between the streams' announcement and the first sample, for consumers to connect
    seed : int >= 0
        random numbers of a recording's replay: times of spikes inside their bins, where the file has none, what stimuli
        do, and the voltage
    mqtt : str, optional
        broker for devices, as of `spikeloop stream`, which may pause, resume and seek; counts go out as spikes, too
    broadband : bool
        also synthesise, of a recording, the voltage of electrodes near the units, as NAME-Broadband
    broadband_as : str
        LSL type of NAME-Broadband, as of `spikeloop stream`
    voltage : VoltageArguments
        how the voltage is simulated
    ephys_socket : str, optional
        [HOST:]PORT for the Open Ephys GUI, as of `spikeloop stream`, with --broadband
    synapse : str, optional
        [HOST:]PORT of a device of the Synapse protocol, as of `spikeloop stream`, with --broadband
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    json : bool
        print the report as one JSON document at the end
    """
    options = VoltageReplayOptions(
        streams=streams,
        source_id=source_id,
        host=host,
        counts=counts,
        speed=speed,
        loop=loop,
        start_s=from_,
        stop_s=to,
        name=name,
        start_delay_s=start_delay,
        seed=seed,
        mqtt=mqtt,
        broadband=broadband,
        broadband_as=broadband_as,
        ephys_socket=ephys_socket,
        synapse=synapse,
        **voltage.chosen(),
        reading=reading.choices(),
    )
    return _run(recording, options, json)


def _run(recording: str, options: VoltageReplayOptions, json: bool) -> int:
    console = SideConsole()
    with console.status("reading"):
        prepared = open_replay(recording, options)
    interrupted = False
    with prepared:
        try:
            asyncio.run(_show(prepared, console))
        except KeyboardInterrupt:
            interrupted = True
    report = prepared.replayed()
    if json:
        print_json(report.to_dict())
    else:
        print_line(console, "\n".join(map(printable, str(report).splitlines())))
    return 130 if interrupted else 0


async def _show(prepared: Replaying, console: Console) -> None:
    async with prepared.open() as run:
        print_line(console, "\n".join(map(printable, prepared.described())))
        with frozen_garbage(), short_slices(), LiveLine(console, prepared.status):
            await run()
