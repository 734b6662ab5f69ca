"""An LSL consumer in a process of its own: `lsl_consumer.py NAME SECONDS OUT.npz [--nothing-after S]`.

Prints "connected" once it receives, collects until SECONDS have passed or the stream falls silent, and
writes what it got: samples, stamps, arrival times (on LSL's clock), the stream's description.
"""

import sys
import time

import numpy as np
import pylsl
import pylsl.util

RESOLVE_S = 2.0
SILENCE_S = 1.0

name, seconds, out = sys.argv[1], float(sys.argv[2]), sys.argv[3]
began = time.monotonic()
found = []
while not found and time.monotonic() < began + 20:
    found = pylsl.resolve_byprop("name", name, timeout=RESOLVE_S)
inlet = pylsl.StreamInlet(found[0], recover=False)
description = inlet.info(timeout=5).as_xml()
inlet.open_stream(timeout=5)
print("connected", flush=True)
samples, stamps, arrivals = [], [], []
silent_since = None
end = time.monotonic() + seconds
while time.monotonic() < end and (silent_since is None or time.monotonic() < silent_since + SILENCE_S):
    try:
        chunk, chunk_stamps = inlet.pull_chunk(timeout=0.2, max_samples=10_000)
    except pylsl.util.LostError:
        break
    if len(chunk_stamps):
        samples.append(np.asarray(chunk))
        stamps += list(chunk_stamps)
        arrivals += [pylsl.local_clock()] * len(chunk_stamps)
        silent_since = None
    elif stamps and silent_since is None:
        silent_since = time.monotonic()
np.savez(
    out,
    samples=np.concatenate(samples) if samples else np.zeros((0, 1)),
    stamps=stamps,
    arrivals=arrivals,
    description=description,
)
