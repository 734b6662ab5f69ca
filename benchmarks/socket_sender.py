"""`socket_sender.py KIND PORT CHANNELS SECONDS`: sends Ephys Socket packets in real time once a reader is there.

KIND is `plain`, a broadband sink fed with Poisson spikes and a server beside it; `full`, the same with drift, bursts,
propagation and two far units a channel; or `bare`, which sends one packet of the same size again and again. Prints
JSON.
"""

import asyncio
import json
import socket
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pylsl

from benchmarks.broadband import BIN_S, STEP_BINS, poisson_steps
from spikeloop.streamer.bridges.ephys_socket import EphysSocketServer
from spikeloop.streamer.bridges.ephys_socket_packets import packet
from spikeloop.streamer.bridges.listening_address import ListeningAddress
from spikeloop.streamer.broadband.frames import FRAME_S, frame_samples
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.launch.interpreter import short_slices
from spikeloop.streamer.lsl.description import Provenance
from spikeloop.streamer.stream.clock import WallClock

OPENING_S = 0.5


def options(kind: str, channels: int) -> VoltageOptions:
    asked = VoltageOptions(probe="linear", channels=channels)
    if kind == "plain":
        return asked
    return replace(asked, drift_um=50.0, adaptation=0.3, propagation_m_s=0.67, far_units=2 * channels)


async def send_voltage(kind: str, port: int, channels: int, seconds: float) -> dict[str, float]:
    card = SimpleNamespace(signal="spikes", unit_names=tuple(map(str, range(channels))))  # what is asked of a bundle's
    made = open_broadband(card, 0, options(kind, channels))  # type: ignore[arg-type]
    clock = WallClock(pylsl.local_clock)
    with EphysSocketServer(ListeningAddress("127.0.0.1", port), made.amplifier.rate_hz) as server:
        while not server.report().clients:
            await asyncio.sleep(0.05)
        measured = server.report().clients[0].address
        steps = poisson_steps(channels, round(seconds / (BIN_S * STEP_BINS)), start_s := clock.now() + OPENING_S)
        start_s, late_s = steps[0].stamps_s[0] - BIN_S, []
        provenance = Provenance("poisson", "", 0, BIN_S, STEP_BINS, start_s)
        server.begin(start_s, lambda *facts, **more: None)
        async with BroadbandSink(f"bench-{port}", made, provenance, "broadband", server.push) as sink:
            await clock.sleep_until(start_s)
            began_s = time.process_time()
            with short_slices():
                for step in steps:
                    await clock.sleep_until(step.stamps_s[-1])
                    late_s.append(clock.now() - step.stamps_s[-1])
                    sink.push(step)
            cores = (time.process_time() - began_s) / seconds
            dropped_steps = sink.dropped
    report = server.report()
    client = next(each for each in report.clients if each.address == measured)
    others = [each for each in report.clients if each.address != measured]
    return {
        "cores": cores, "dropped": client.dropped + report.left_out, "dropped_steps": dropped_steps,
        "late_ms_p50": 1000 * float(np.quantile(late_s, 0.5)), "late_ms_p99": 1000 * float(np.quantile(late_s, 0.99)),
        "others": len(others), "dropped_of_others": sum(each.dropped for each in others),
    }  # fmt: skip


def send_bare(port: int, channels: int, seconds: float) -> dict[str, float]:
    sent = packet(np.ones((frame_samples(30_000), channels), np.int16))
    with socket.create_server(("127.0.0.1", port)) as server:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began_s, start_s = time.process_time(), time.monotonic()
        with connection:
            for number in range(1, round(seconds / FRAME_S) + 1):
                time.sleep(max(0.0, start_s + number * FRAME_S - time.monotonic()))
                connection.sendall(sent)
        return {"cores": (time.process_time() - began_s) / seconds}


if __name__ == "__main__":
    kind, port, channels, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    bare = kind == "bare"
    reported = send_bare(port, channels, seconds) if bare else asyncio.run(send_voltage(kind, port, channels, seconds))
    print(json.dumps(reported))
