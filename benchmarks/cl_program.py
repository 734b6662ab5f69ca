"""`cl_program.py BUNDLE SECONDS ACCELERATED TRUTH`: a program for Cortical Labs' SDK that gives pulses; prints JSON."""

import json
import os
import sys
import time

bundle, seconds, accelerated, truth = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]
os.environ["CL_SDK_ACCELERATED_TIME"] = accelerated
printing = os.dup(1)
os.dup2(2, 1)  # the SDK prints too

import cl  # noqa: E402  # pyright: ignore[reportMissingImports]
import numpy as np  # noqa: E402
import pylsl  # noqa: E402

EVERY = 5  # ticks

cl.sim.set_simulator_data_source("spikeloop.bridges.cl:source", {"bundle": bundle, "truth": truth})
stims, times = [], []
with cl.open() as neurons:
    began_s = time.perf_counter()
    channels = [channel for channel in range(64) if channel not in (0, 4, 7, 56, 63)]
    pulse = cl.StimDesign(160, -3.0, 160, 3.0)
    for tick in neurons.loop(ticks_per_second=100, stop_after_seconds=seconds):
        stims += [(stim.timestamp, stim.channel) for stim in tick.analysis.stims]
        if tick.iteration % EVERY == 0:
            neurons.stim(cl.ChannelSet(channels[tick.iteration // EVERY % len(channels)]), pulse)
        if tick.iteration % 10 == 0:
            times.append((neurons.timestamp(), pylsl.local_clock()))
    ran_s = time.perf_counter() - began_s
cl.sim.clear_simulator_data_source()
assert np.diff([at for at, _ in stims]).min() >= 0
os.write(printing, json.dumps({"stims": stims, "times": times, "ran_s": ran_s}).encode())
