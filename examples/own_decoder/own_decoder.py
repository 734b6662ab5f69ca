"""A decoder of one's own, over LSL: `own_decoder.py NAME STREAM` learns from NAME, then answers its every bin."""

import sys
from contextlib import suppress

import numpy as np
import pylsl
import pylsl.util


def follow(name: str) -> pylsl.StreamInlet:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=60)[0], recover=False)
    inlet.open_stream(10)  # the session begins when it finds STREAM, and what is sent before that opens is missed
    return inlet


def run(name: str, stream: str) -> None:
    counts, cursor = follow(name), follow(f"{name}-Cursor")
    rate_hz = counts.info().nominal_srate()
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream, "Velocity", 2, 0, "float32", stream))
    rates, seen, moved, weights = np.zeros(counts.channel_count + 1), {}, {}, None
    with suppress(pylsl.util.LostError):  # the session is over
        while True:
            spikes, stamp = counts.pull_sample()
            rates = 0.8 * rates + 0.2 * np.append(spikes, 1)  # smoothed, and a constant
            if weights is None:
                seen[stamp] = rates
            for shown, at in zip(*cursor.pull_chunk(), strict=True):
                if shown[7] == 0:  # calibration: the cursor moves by itself
                    moved[at] = shown[2:4]
                elif weights is None:  # it is over: ridge regression of velocity on rates, bins matched by their stamps
                    stamps, ends, half = np.array(sorted(seen)), np.array(sorted(moved)), 0.5 / rate_hz
                    near = stamps[np.searchsorted(stamps, ends - half).clip(max=len(stamps) - 1)]
                    both = [(one, end) for one, end in zip(near, ends, strict=True) if abs(one - end) < half]
                    if len(both) < len(rates):
                        raise RuntimeError(f"too few bins of calibration ({len(both)}); join the session earlier")
                    x, y = np.array([seen[one] for one, _ in both]), np.array([moved[end] for _, end in both])
                    weights = np.linalg.solve(x.T @ x + 0.01 * len(x) * np.eye(x.shape[1]), x.T @ y)
            outlet.push_sample(np.zeros(2) if weights is None else rates @ weights, stamp)


if __name__ == "__main__":
    run(*sys.argv[1:])
