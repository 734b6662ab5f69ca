"""The least that a stream can cost: `bare_outlet.py NAME UNITS RATE_HZ STEP_BINS SECONDS` pushes zeros.

One pylsl outlet, one sleep and one push a step, nothing else. Prints its figures as JSON.
"""

import json
import sys
import time

import numpy as np
import pylsl

QUIET = "[log]\nlevel = -3\n"


def main(name: str, units: int, rate_hz: float, step_bins: int, seconds: float) -> None:
    pylsl.set_config_content(QUIET)
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Spikes", units, rate_hz, pylsl.cf_float32, name))
    zeros = np.zeros((step_bins, units), np.float32)
    start_s = pylsl.local_clock() + 0.25
    cpu_began_s = time.process_time()
    steps = round(seconds * rate_hz / step_bins)
    for step in range(1, steps + 1):
        due_s = start_s + step * step_bins / rate_hz
        time.sleep(max(0.0, due_s - pylsl.local_clock()))
        outlet.push_chunk(zeros, due_s)
    passed_s = pylsl.local_clock() - start_s
    print(json.dumps({"cpu_cores": (time.process_time() - cpu_began_s) / passed_s}))
    time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
