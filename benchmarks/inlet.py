"""The other end: `inlet.py NAME STEP_BINS OUT.npz` notes when each step arrives, until the stream ends."""

import sys
import time

import numpy as np
import pylsl
import pylsl.util


def main(name: str, step_bins: int, out: str) -> None:
    found = []
    while not found:
        found = pylsl.resolve_byprop("name", name, timeout=0.2)
    inlet = pylsl.StreamInlet(found[0], recover=False)
    arrivals, stamps = [], []
    last = time.monotonic()
    while time.monotonic() < last + 2:
        try:
            _, chunk_stamps = inlet.pull_chunk(timeout=0.5, max_samples=step_bins, as_numpy=True)
        except pylsl.util.LostError:
            break
        if len(chunk_stamps):
            arrivals.append(pylsl.local_clock())
            stamps.append(chunk_stamps[-1])
            last = time.monotonic()
    np.savez(out, arrivals=arrivals, stamps=stamps)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
