"""A loop over LSL alone: `feedback.py NAME STREAM [SECONDS]` reads NAME-Events, and answers with a condition."""

import sys
import time

import numpy as np
import pylsl

RATE_HZ, SMOOTHING_S, PUSH_CM_S = 50.0, 0.2, 20.0

name, stream, *seconds = sys.argv[1:]
end = time.monotonic() + float(seconds[0]) if seconds else float("inf")
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream, "Condition", 2, RATE_HZ, "float32", stream))
outlet.push_sample([0.0, 0.0])
events = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{name}-Events", timeout=60)[0])
angle = 0.0
rates = np.zeros(2)  # spikes a second of the even and of the odd units, smoothed
while time.monotonic() < end:
    units, stamps = events.pull_chunk(timeout=0.0, max_samples=10_000)  # each spike's unit and own time
    spikes = np.bincount(np.ravel(units).astype(int) % 2, minlength=2) if stamps else np.zeros(2)
    rates += (spikes * RATE_HZ - rates) / (SMOOTHING_S * RATE_HZ)
    angle += 4.0 * (rates[0] - rates[1]) / max(rates.sum(), 1.0) / RATE_HZ  # it turns to the side that fires more
    outlet.push_sample([PUSH_CM_S * np.cos(angle), PUSH_CM_S * np.sin(angle)])
    print(f"\r{rates[0]:6.0f} {rates[1]:6.0f} Hz, heading {np.degrees(angle):7.1f} deg", end="", flush=True)
    time.sleep(1 / RATE_HZ)
