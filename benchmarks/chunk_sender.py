"""`chunk_sender.py NAME CHANNELS RATE_HZ FORMAT SECONDS`: pushes chunks of 20 ms once somebody listens; prints JSON."""

import json
import sys
import time

import numpy as np
import pylsl

QUIET = "[log]\nlevel = -3\n"
CHUNK_S = 0.02
LISTENS_WITHIN_S = 60.0
BACKLOG_S = 20
LINGER_S = 2.0


def main(name: str, channels: int, rate_hz: float, form: str, seconds: float) -> None:
    pylsl.set_config_content(QUIET)
    info = pylsl.StreamInfo(name, "Benchmark", channels, rate_hz, form, name)  # type: ignore[arg-type]
    outlet = pylsl.StreamOutlet(info, max_buffered=BACKLOG_S)
    size = round(CHUNK_S * rate_hz)
    values = np.arange(size * channels).reshape(size, channels).astype(form)
    if not outlet.wait_for_consumers(LISTENS_WITHIN_S):
        sys.exit("nobody listens")
    start_s, samples = pylsl.local_clock() + 0.5, 0
    while samples < seconds * rate_hz:
        samples += size
        due_s = start_s + samples / rate_hz
        time.sleep(max(0.0, due_s - pylsl.local_clock()))
        outlet.push_chunk(values, due_s)
    time.sleep(LINGER_S)
    print(json.dumps({"samples": samples}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
