"""The frames of Cortical Labs' simulator beside LSL's clock, in real time: `cl_clock.py BUNDLE TRUTH.npz FRAMES`.

Prints one line of JSON: the earliest LSL time of frame 0 by what the SDK says of now, and that which is in the truth.
"""

import json
import sys

import cl  # pyright: ignore[reportMissingImports]
import numpy as np
import pylsl

ATTEMPTS = 5  # the SDK waits 15 s for a source, which a very busy machine may exceed


def attempt(bundle: str, truth: str, frames: int) -> float:
    """Return the earliest LSL time of frame 0 by what the SDK says of now."""
    cl.sim.set_simulator_data_source("spikeloop.bridges.cl:source", {"bundle": bundle, "truth": truth})
    starts_s = []
    with cl.open() as neurons:
        rate_hz, end = neurons.get_frames_per_second(), neurons.timestamp() + frames
        while (now := neurons.timestamp()) < end:
            starts_s.append(pylsl.local_clock() - now / rate_hz)
    cl.sim.clear_simulator_data_source()  # which ends it, so that the truth is written
    return min(starts_s)


def main(bundle: str, truth: str, frames: int) -> None:
    for _ in range(ATTEMPTS - 1):
        try:
            sdk_s = attempt(bundle, truth, frames)
            break
        except TimeoutError as error:
            print(error, file=sys.stderr)
    else:
        sdk_s = attempt(bundle, truth, frames)
    with np.load(truth) as kept:
        print(json.dumps({"sdk_s": sdk_s, "truth_s": float(kept["lsl_start_s"])}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
