"""`trace_sender.py NAME CHANNELS PROBE SECONDS`: a broadband sink fed with Poisson spikes in real time; prints JSON.

Its processor time is that of the sink, its thread and LSL's threads; no model runs, as the spikes are drawn ahead.
"""

import asyncio
import json
import sys
import time

import numpy as np
import pylsl

from benchmarks.broadband import BIN_S, STEP_BINS, memory_mb, poisson_steps, synthesiser
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.lsl.description import Provenance
from spikeloop.streamer.stream.clock import WallClock

OPENING_S = 3.0


async def send(name: str, channels: int, probe: str, seconds: float) -> dict[str, float]:
    made = synthesiser(channels, probe)
    clock = WallClock(pylsl.local_clock)
    start_s = clock.now() + OPENING_S
    steps = poisson_steps(channels, round(seconds / (BIN_S * STEP_BINS)), start_s)
    start_s, late_s = steps[0].stamps_s[0] - BIN_S, []
    async with BroadbandSink(name, made, Provenance("poisson", "", 0, BIN_S, STEP_BINS, start_s)) as sink:
        await clock.sleep_until(start_s)
        began_s = time.process_time()
        for step in steps:
            await clock.sleep_until(step.stamps_s[-1])
            sink.push(step)
            late_s.append(clock.now() - step.stamps_s[-1])
        cpu_cores = (time.process_time() - began_s) / seconds
        memory, dropped = memory_mb(), sink.dropped
    late_ms = float(np.quantile(late_s, 0.99)) * 1000
    return {"cpu_cores": cpu_cores, "dropped": dropped, "late_ms_p99": late_ms, "memory_mb": memory}


if __name__ == "__main__":
    reported = asyncio.run(send(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))  # type: ignore[arg-type]
    print(json.dumps(reported))
