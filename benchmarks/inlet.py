"""The other end: `inlet.py NAME STEP_BINS OUT.npz` notes when each step arrives, until the stream ends."""

import sys
import time

import numpy as np
import pylsl
import pylsl.util

APPEARS_WITHIN_S = 60.0
SILENT_AFTER_S = 2.0
QUIET = "[log]\nlevel = -3\n"


def main(name: str, step_bins: int, out: str) -> None:
    pylsl.set_config_content(QUIET)
    found = pylsl.resolve_byprop("name", name, timeout=APPEARS_WITHIN_S)
    if not found:
        sys.exit(f"no stream named {name} within {APPEARS_WITHIN_S:g} s")
    inlet = pylsl.StreamInlet(found[0], recover=False)
    arrivals, stamps, counts = [], [], []
    last = time.monotonic() + APPEARS_WITHIN_S
    while time.monotonic() < last + SILENT_AFTER_S:
        try:
            _, chunk_stamps = inlet.pull_chunk(timeout=0.5, max_samples=step_bins, as_numpy=True)
        except pylsl.util.LostError:
            break
        if len(chunk_stamps):
            arrivals.append(pylsl.local_clock())
            stamps.append(chunk_stamps[-1])
            counts.append(len(chunk_stamps))
            last = time.monotonic()
    np.savez(out, arrivals=arrivals, stamps=stamps, counts=counts)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
