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
ANSWER = (25, 400)  # frames after a pulse in which a spike on its channel counts as its answer

cl.sim.set_simulator_data_source("spikeloop.bridges.cl:source", {"bundle": bundle, "truth": truth})
stims, times, answered_s = [], [], []
sent_s, pulsed = {}, {}  # of a channel: when a pulse was asked for; the frame at which it was given
with cl.open() as neurons:
    began_s = time.perf_counter()
    channels = [channel for channel in range(64) if channel not in (0, 4, 7, 56, 63)]
    pulse = cl.StimDesign(160, -3.0, 160, 3.0)
    for tick in neurons.loop(ticks_per_second=100, stop_after_seconds=seconds):
        stims += [(stim.timestamp, stim.channel) for stim in tick.analysis.stims]
        pulsed |= {stim.channel: stim.timestamp for stim in tick.analysis.stims}
        for spike in tick.analysis.spikes:
            if ANSWER[0] <= spike.timestamp - pulsed.get(spike.channel, spike.timestamp) <= ANSWER[1]:
                answered_s.append(time.perf_counter() - sent_s[spike.channel])
                del pulsed[spike.channel]
        if tick.iteration % EVERY == 0:
            channel = channels[tick.iteration // EVERY % len(channels)]
            sent_s[channel] = time.perf_counter()
            neurons.stim(cl.ChannelSet(channel), pulse)
        if tick.iteration % 10 == 0:
            times.append((neurons.timestamp(), pylsl.local_clock()))
    ran_s = time.perf_counter() - began_s
cl.sim.clear_simulator_data_source()
assert np.diff([at for at, _ in stims]).min() >= 0
os.write(printing, json.dumps({"stims": stims, "times": times, "answered_s": answered_s, "ran_s": ran_s}).encode())
