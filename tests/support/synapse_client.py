"""A client of a Synapse device, with Science's own package: `... URI COMMAND`, after the device was configured.

`read CONFIG.json FRAMES OUT.npz [PAUSE_S]` configures and starts the device unless it runs, prints "connected" after
the first frame, pauses, reads so many frames (or until none comes for two seconds) and writes them with their numbers
and times. `spikes WINDOWS OUT.npz` reads windows of spikes. `stimulate ROWS.npy` sends currents, (samples, electrodes),
for each line of stdin, and other messages for the lines "garbage" and "unknown". `facts` prints the time of the device
and that of LSL, s, and the ports of the taps.
"""

import json
import sys
import time

import numpy as np
import synapse as syn  # pyright: ignore[reportMissingImports]
from google.protobuf.json_format import Parse
from synapse.api.datatype_pb2 import BroadbandFrame, SpiketrainFrame, Tensor  # pyright: ignore[reportMissingImports]
from synapse.api.device_pb2 import DeviceConfiguration  # pyright: ignore[reportMissingImports]
from synapse.api.status_pb2 import DeviceState  # pyright: ignore[reportMissingImports]
from synapse.client.taps import Tap  # pyright: ignore[reportMissingImports]
from synapse.utils.time_sync import TimeSyncClient, TimeSyncConfig  # pyright: ignore[reportMissingImports]

VOLTAGE, SPIKES, STIMULATION = "broadband_source_sim", "spike_source_sim", "electrical_stimulation_sim"
SILENT_MS = 2000


def started(uri, config):
    """The device, running."""
    device = syn.Device(uri, raise_rpc_errors=True)
    if device.info().status.state != DeviceState.kRunning:
        with open(config) as file:
            configuration = syn.Config.from_proto(Parse(file.read(), DeviceConfiguration()))
        answer = device.configure_with_status(configuration)
        assert answer.code == 0, answer.message
        assert device.start_with_status().code == 0
    return device


def tap_of(uri, name):
    tap = Tap(uri)
    assert tap.connect(name), name
    return tap


def read(uri, config, frames, out, pause_s="0"):
    started(uri, config)
    tap = tap_of(uri, VOLTAGE)
    messages = [tap.read(60_000)]
    print("connected", flush=True)
    time.sleep(float(pause_s))
    while len(messages) < int(frames) and (message := tap.read(SILENT_MS)) is not None:
        messages.append(message)
    parsed = list(map(BroadbandFrame.FromString, messages))
    np.savez(
        out,
        samples=np.array([frame.frame_data for frame in parsed]),
        numbers=np.array([frame.sequence_number for frame in parsed]),
        times_ns=np.array([frame.timestamp_ns for frame in parsed]),
        unix_ns=np.array([frame.unix_timestamp_ns for frame in parsed]),
        rates_hz=np.unique([frame.sample_rate_hz for frame in parsed]),
    )


def spikes(uri, windows, out):
    tap = tap_of(uri, SPIKES)
    parsed = [SpiketrainFrame.FromString(tap.read(60_000)) for _ in range(int(windows))]
    np.savez(
        out,
        counts=np.array([frame.spike_counts for frame in parsed]),
        ids=np.array([frame.channel_ids for frame in parsed]),
        times_ns=np.array([frame.timestamp_ns for frame in parsed]),
        numbers=np.array([frame.sequence_number for frame in parsed]),
        windows_ms=np.unique([frame.bin_size_ms for frame in parsed]),
    )


def stimulate(uri, rows):
    tap = tap_of(uri, STIMULATION)
    currents = np.load(rows)
    tensor = Tensor(shape=currents.shape, dtype=Tensor.DT_INT16, data=currents.astype("<i2").tobytes())
    others = {"garbage": b"no tensor", "unknown": Tensor(shape=[1, 1], dtype=99).SerializeToString()}
    print("connected", flush=True)
    for line in sys.stdin:
        assert tap.send(others.get(line.strip(), tensor.SerializeToString()))
    time.sleep(0.5)  # what was sent is on its way


def facts(uri):
    import pylsl

    port = syn.Device(uri, raise_rpc_errors=True).info().status.time_sync_port
    client = TimeSyncClient(uri.split(":")[0], port, TimeSyncConfig(send_delay_ms=1, max_sync_packets=4))
    client.start()
    while not client.get_offset_ns():
        time.sleep(0.01)
    clocks = {"device_s": client.time_ns() / 1e9, "lsl_s": pylsl.local_clock()}
    client.running = False
    print(json.dumps(clocks | {"ports": [int(tap.endpoint.rpartition(":")[2]) for tap in Tap(uri).list_taps()]}))


if __name__ == "__main__":
    uri, command, *arguments = sys.argv[1:]
    {"read": read, "spikes": spikes, "stimulate": stimulate, "facts": facts}[command](uri, *arguments)
