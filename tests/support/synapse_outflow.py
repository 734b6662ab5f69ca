"""What a device's loop does while its taps stand still, with Science's own package: `synapse_outflow.py TRACES`.

The thread that publishes is held up; so many traces of ten samples are pushed meanwhile; then it goes on. Prints one
line of JSON: how many traces were pushed while it stood still, and what was published and left out in the end.
"""

import json
import sys
import threading
from types import SimpleNamespace

import numpy as np

from spikeloop.streamer.bridges.synapse.outflow import Outflow
from spikeloop.streamer.bridges.synapse.signal_chain import BroadbandNode, Electrodes, SignalChain
from spikeloop.streamer.bridges.synapse.taps import open_context
from spikeloop.streamer.broadband.step_traces import Trace

SAMPLES = 10


def main(traces: int) -> None:
    held, standing = threading.Event(), threading.Event()
    synthesiser = SimpleNamespace(amplifier=SimpleNamespace(rate_hz=30_000), templates=())
    with Outflow(open_context(), "127.0.0.1", synthesiser) as flow:  # type: ignore[arg-type]

        def look() -> int:
            standing.set()
            held.wait()
            return 1

        flow.voltage.look = look
        flow.begin(0.0, 0.0, lambda first: None)
        flow.follow(SignalChain(BroadbandNode(Electrodes((0,), (0,)), 16)))
        flow.push(Trace(0, np.zeros((SAMPLES, 1), np.int16)))
        standing.wait()
        for number in range(1, traces):
            flow.push(Trace(number * SAMPLES, np.zeros((SAMPLES, 1), np.int16)))
        pushed = traces * (not held.is_set())
        held.set()
    print(json.dumps({"pushed": pushed, "samples": flow.samples, "left_out": flow.left_out}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
