"""The other end, sample by sample: `watcher.py NAME OUT.npz` notes when each arrives, its stamp and its first value."""

import sys
import time

import numpy as np
import pylsl
import pylsl.util

APPEARS_WITHIN_S = 60.0
SILENT_AFTER_S = 4.0
QUIET = "[log]\nlevel = -3\n"


def main(name: str, out: str) -> None:
    pylsl.set_config_content(QUIET)
    found = pylsl.resolve_byprop("name", name, timeout=APPEARS_WITHIN_S)
    if not found:
        sys.exit(f"no stream named {name} within {APPEARS_WITHIN_S:g} s")
    inlet = pylsl.StreamInlet(found[0], recover=False)
    arrivals, stamps, values = [], [], []
    last = time.monotonic() + APPEARS_WITHIN_S
    while time.monotonic() < last + SILENT_AFTER_S:
        try:
            sample, stamp = inlet.pull_sample(timeout=0.5)
        except pylsl.util.LostError:
            break
        if sample is not None:
            arrivals.append(pylsl.local_clock())
            stamps.append(stamp)
            values.append(sample[0])
            last = time.monotonic()
    np.savez(out, arrivals=arrivals, stamps=stamps, values=values)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
