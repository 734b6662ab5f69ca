"""A user's program: `condition_sender.py NAME CHANNELS EVERY_S SECONDS OUT.npz`; no two samples are alike."""

import sys
import time

import numpy as np
import pylsl

from spikeloop.models.random_streams import Purpose, random_stream

QUIET = "[log]\nlevel = -3\n"


def main(name: str, channels: int, every_s: float, seconds: float, out: str) -> None:
    pylsl.set_config_content(QUIET)
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Condition", channels, 0.0, pylsl.cf_float32, name))
    random = random_stream(0, Purpose.BENCHMARK)
    ends_s = time.monotonic() + seconds
    values, times = [], []
    while time.monotonic() < ends_s:
        time.sleep(every_s * random.uniform(0.5, 1.5))
        value = float(np.float32(len(values) * 1e-4))
        now_s = pylsl.local_clock()
        outlet.push_sample([value] * channels, now_s)
        values.append(value)
        times.append(now_s)
    np.savez(out, values=values, times=times)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
