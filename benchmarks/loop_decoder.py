"""A decoder of one's own: `loop_decoder.py NAME STREAM READOUT.npz` answers each bin of NAME at once over STREAM.

Bare pylsl: velocity = KEPT velocity + (1 - KEPT) (weights @ counts + offset), until the stream ends.
"""

import sys

import numpy as np
import pylsl
import pylsl.util

APPEARS_WITHIN_S = 60.0
KEPT = 0.9
QUIET = "[log]\nlevel = -3\n"


def main(name: str, stream: str, readout: str) -> None:
    pylsl.set_config_content(QUIET)
    with np.load(readout) as archive:
        weights, offset = archive["weights"], archive["offset"]
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=APPEARS_WITHIN_S)[0], recover=False)
    inlet.open_stream(APPEARS_WITHIN_S)
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream, "Velocity", 2, 0.0, pylsl.cf_float32, stream))
    velocity = np.zeros(2)
    try:
        while True:
            counts, stamp = inlet.pull_sample(timeout=1.0)
            if counts is not None and stamp is not None:
                velocity = KEPT * velocity + (1 - KEPT) * (weights @ np.array(counts) + offset)
                outlet.push_sample(velocity, stamp)
    except pylsl.util.LostError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
