"""A decoder that is a process: `external_decoder.py NAME STREAM MANNER [standby]` answers each bin of NAME over STREAM.

It looks at NAME-Intention instead of decoding, so that a well-mannered one succeeds. Manners:
clock      answers at once, stamped at its sending; all others stamp with the counts' stamp
prompt     answers at once
late       answers 30 ms later
silent     prompt, but silent from the second trial's target on
dies       prompt, but ends with the second trial's target
nan        prompt, but every second sample is NaN
only-nan   nothing but NaN and infinity

One on standby opens its own stream when it is sent a line.
"""

import json
import os
import sys
from collections import deque

import numpy as np
import pylsl
import pylsl.util

WITHIN_S = 20.0
LATE_S = 0.03

name, stream, manner, *standby = sys.argv[1:]


def follow(suffix: str) -> pylsl.StreamInlet:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{name}{suffix}", timeout=WITHIN_S)[0], recover=False)
    inlet.open_stream(WITHIN_S)
    return inlet


counts, intended = follow(""), follow("-Intention")
markers = follow("-Markers") if manner in ("silent", "dies") else None
if standby:
    print("standing by", flush=True)
    sys.stdin.readline()
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream, "Velocity", 2, 0.0, pylsl.cf_double64, stream))
print("up", flush=True)

velocity, second_trial = np.zeros(2), False
waiting: deque[tuple[float, float, np.ndarray]] = deque()  # when to answer, with which stamp, and what
try:
    while True:
        sample, stamp = counts.pull_sample(timeout=0.002 if waiting else 1.0)
        now = pylsl.local_clock()
        told, _ = intended.pull_chunk(timeout=0.0)
        if told:
            velocity = np.array(told[-1])
        while markers is not None and not second_trial and (marker := markers.pull_sample(timeout=0.0)[0]):
            second_trial = (event := json.loads(marker[0])).get("trial") == 1 and event["event"] == "target"
        if second_trial and manner == "dies":
            os._exit(0)
        if stamp is not None and not second_trial:
            waiting.append((now + (LATE_S if manner == "late" else 0.0), stamp, velocity))
        while waiting and waiting[0][0] <= pylsl.local_clock():
            _, stamp, answer = waiting.popleft()
            if manner == "only-nan" or (manner == "nan" and round(stamp / 0.02) % 2):
                answer = np.array([np.nan, np.inf])
            outlet.push_sample(answer, 0.0 if manner == "clock" else stamp)
except pylsl.util.LostError:
    pass
