"""A bad consumer: `consumer NAME INTERVAL_S` says "connected", and pulls a sample at intervals; 0 for never."""

import sys
import time
from contextlib import suppress

import pylsl
import pylsl.util

LOOK_S, CONNECT_S, FOR_EVER_S = 20.0, 10.0, 1e6


def main(name: str, interval_s: str) -> None:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=LOOK_S)[0], recover=False)
    inlet.open_stream(CONNECT_S)
    print("connected", flush=True)
    with suppress(pylsl.util.LostError):
        while True:
            time.sleep(float(interval_s) or FOR_EVER_S)
            inlet.pull_sample(0.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
