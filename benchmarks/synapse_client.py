"""A client with Science's own package: `... URI read CONFIG SECONDS OUT`, `sleep CONFIG`, `answers CONFIG PULSES`.

`read` prints "connected", reads frames for so long as `synapsectl read` does, and writes what it got; `sleep` connects
and reads nothing; `answers` sends pulses and prints after how long their spikes came.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pylsl  # pyright: ignore[reportMissingImports]
import synapse as syn  # pyright: ignore[reportMissingImports]
from google.protobuf.json_format import Parse
from synapse.api.datatype_pb2 import (  # pyright: ignore[reportMissingImports]
    BroadbandFrame,
    SpiketrainFrame,
    Tensor,
)
from synapse.api.device_pb2 import DeviceConfiguration  # pyright: ignore[reportMissingImports]
from synapse.api.status_pb2 import DeviceState  # pyright: ignore[reportMissingImports]
from synapse.client.taps import Tap  # pyright: ignore[reportMissingImports]

MANY = 30  # spikes of 96 units in 2 ms, which only a pulse evokes
QUIET = "[log]\nlevel = -3\n"


def tap_of(uri: str, config: str, name: str) -> Tap:
    """A tap of the device, which is configured and started where it does not run."""
    device = syn.Device(uri, raise_rpc_errors=True)
    if device.info().status.state != DeviceState.kRunning:
        device.configure(syn.Config.from_proto(Parse(Path(config).read_text(), DeviceConfiguration())))
        device.start()
    tap = Tap(uri)
    tap.connect(name)
    return tap


def read(uri: str, config: str, seconds: str, out: str) -> None:
    tap = tap_of(uri, config, "broadband_source_sim")
    first = BroadbandFrame.FromString(tap.read(60_000))
    print("connected", flush=True)
    last, frames, missing, delays_s = first.sequence_number, 1, 0, []
    began_s, end_s = time.process_time(), time.monotonic() + float(seconds)
    for batch in tap.stream_batch(batch_size=500):
        for message in batch:
            frame = BroadbandFrame.FromString(message)
            missing += frame.sequence_number - last - 1
            last = frame.sequence_number
        frames += len(batch)
        latest = BroadbandFrame.FromString(batch[-1])
        delays_s.append(pylsl.local_clock() - latest.timestamp_ns / 1e9)
        if time.monotonic() > end_s:
            break
    cores = (time.process_time() - began_s) / float(seconds)
    reported = {"frames": frames, "missing": missing, "cores": cores, "delay_ms": float(np.median(delays_s)) * 1000}
    Path(out).write_text(json.dumps(reported | {"apart_ms": apart_ms(first, syn.Device(uri).get_name())}))


def apart_ms(frame: BroadbandFrame, name: str) -> float:
    """How far a frame's time is from that of a sample of NAME-Broadband, ms."""
    pylsl.set_config_content(QUIET)
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{name}-Broadband", timeout=20)[0])
    _, stamp_s = inlet.pull_sample(timeout=20)
    samples = (stamp_s - frame.timestamp_ns / 1e9) * frame.sample_rate_hz
    return abs(samples - round(samples)) / frame.sample_rate_hz * 1000


def sleep(uri: str, config: str) -> None:
    tap_of(uri, config, "broadband_source_sim").read(60_000)
    time.sleep(3600)


def answers(uri: str, config: str, pulses: str) -> None:
    spikes, stimulation = (tap_of(uri, config, f"{kind}_sim") for kind in ("spike_source", "electrical_stimulation"))
    currents = np.zeros((8, 96), "<i2")
    currents[:4], currents[4:] = -150, 150
    tensor = Tensor(shape=currents.shape, dtype=Tensor.DT_INT16, data=currents.tobytes()).SerializeToString()
    delays_s = []
    spikes.read(60_000)
    time.sleep(0.5)
    for pulse in range(int(pulses)):
        time.sleep(0.2 + 0.04 * (pulse * 0.618 % 1))  # at every phase of the device's steps
        while spikes.read(0) is not None:  # what waits is older
            pass
        sent_s = time.perf_counter()
        stimulation.send(tensor)
        while time.perf_counter() < sent_s + 0.2:
            message = spikes.read(100)
            if message is not None and sum(SpiketrainFrame.FromString(message).spike_counts) >= MANY:
                delays_s.append(time.perf_counter() - sent_s)
                break
    p50_ms, p99_ms = np.quantile(delays_s, [0.5, 0.99]) * 1000
    print(json.dumps({"p50_ms": p50_ms, "p99_ms": p99_ms, "answered": len(delays_s)}))


if __name__ == "__main__":
    uri, command, *arguments = sys.argv[1:]
    {"read": read, "sleep": sleep, "answers": answers}[command](uri, *arguments)
