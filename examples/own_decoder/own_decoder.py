"""A decoder of one's own, over LSL: `own_decoder.py NAME STREAM` learns from NAME, then answers its every bin."""

import sys
from contextlib import suppress

import numpy as np
import pylsl
import pylsl.util


def follow(name: str) -> pylsl.StreamInlet:
    return pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=60)[0], recover=False)


def run(name: str, stream: str) -> None:
    counts, cursor = follow(name), follow(f"{name}-Cursor")
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream, "Velocity", 2, 0, "float32", stream))
    rates, seen, moved, weights = np.zeros(counts.channel_count + 1), {}, {}, None
    with suppress(pylsl.util.LostError):  # the session is over
        while True:
            spikes, stamp = counts.pull_sample()
            rates = 0.8 * rates + 0.2 * np.append(spikes, 1)  # smoothed, and a constant
            for shown, at in zip(*cursor.pull_chunk(), strict=True):
                if shown[7] == 0:  # calibration: the cursor moves by itself
                    moved[round(at, 4)] = shown[2:4]
                elif weights is None:  # it is over: ridge regression of velocity on rates
                    both = sorted(seen.keys() & moved.keys())
                    x, y = np.array([seen[each] for each in both]), np.array([moved[each] for each in both])
                    weights = np.linalg.solve(x.T @ x + 0.01 * len(x) * np.eye(x.shape[1]), x.T @ y)
            if weights is None:
                seen[round(stamp, 4)] = rates
            outlet.push_sample(np.zeros(2) if weights is None else rates @ weights, stamp)


if __name__ == "__main__":
    run(*sys.argv[1:])
