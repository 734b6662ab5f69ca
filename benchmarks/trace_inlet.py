"""The other end: `trace_inlet.py NAME OUT.json` pulls NAME's samples and reports whether any were missing."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pylsl
import pylsl.util

APPEARS_WITHIN_S = 60.0
SILENT_AFTER_S = 1.5
AT_ONCE = 6000
QUIET = "[log]\nlevel = -3\n"


def main(name: str, out: str) -> None:
    pylsl.set_config_content(QUIET)
    found = pylsl.resolve_byprop("name", name, timeout=APPEARS_WITHIN_S)
    if not found:
        sys.exit(f"no stream named {name} within {APPEARS_WITHIN_S:g} s")
    rate_hz = found[0].nominal_srate()
    inlet = pylsl.StreamInlet(found[0], max_buflen=4, recover=False)
    inlet.open_stream()
    samples = missing = 0
    last_stamp, delays, began_s, heard_s = None, [], time.process_time(), time.monotonic() + APPEARS_WITHIN_S
    while time.monotonic() < heard_s + SILENT_AFTER_S:
        time.sleep(0.005)  # as a recorder would: pulling sample by sample is not what is measured
        try:
            _, stamps = inlet.pull_chunk(timeout=0.0, max_samples=AT_ONCE, as_numpy=True)
        except pylsl.util.LostError:
            break
        if len(stamps):
            delays.append(pylsl.local_clock() - stamps[-1])
            steps = np.diff(stamps, prepend=stamps[0] - 1 / rate_hz if last_stamp is None else last_stamp)
            missing += int((np.rint(steps * rate_hz) - 1).sum())
            samples, last_stamp, heard_s = samples + len(stamps), stamps[-1], time.monotonic()
    reported = {"samples": samples, "missing": missing, "delay_ms": float(np.median(delays)) * 1000}
    Path(out).write_text(json.dumps(reported | {"cpu_s": time.process_time() - began_s}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
