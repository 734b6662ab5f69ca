"""A bare LSL outlet as people build them, in a process of its own: `foreign_sender.py NAME KIND [SECONDS] [ID]`.

Sends Poisson counts of 8 channels, or what its kind says, prints "up", and ends after SECONDS (120).
"""

import sys
import time

import numpy as np
import pylsl

CHANNELS = 8
RATES_HZ = np.linspace(5.0, 40.0, CHANNELS)  # of spikes
KINDS = {  # declared and true rate, Hz
    "clean": (50.0, 50.0),
    "bursts": (50.0, 50.0),  # five samples together, stamped on arrival
    "fast": (30.0, 31.3),
    "late": (31.25, 31.25),  # every 12th sample 16 ms late
    "time-of-day": (50.0, 50.0),
    "reset": (50.0, 50.0),  # stamps jump for good after 4 s
    "voltage": (250.0, 250.0),
    "silent": (50.0, 50.0),
    "velocity": (50.0, 50.0),  # two numbers
    "velocity-time-of-day": (50.0, 50.0),
    "velocity-silent": (50.0, 50.0),
}
BURST, LATE_EVERY, LATE_S = 5, 12, 0.016
RESET_AFTER_S, RESET_S = 4.0, 200_000.0


def send(outlet: pylsl.StreamOutlet, kind: str, seconds: float) -> None:
    true_hz = KINDS[kind][1]
    random = np.random.Generator(np.random.Philox(7))
    group = BURST if kind == "bursts" else 1
    began_s, sent = pylsl.local_clock(), 0
    while sent < seconds * true_hz:
        due_s = began_s + (sent + group) / true_hz
        late_s = LATE_S if kind == "late" and sent % LATE_EVERY == LATE_EVERY - 1 else 0.0
        time.sleep(max(0.0, due_s + late_s - pylsl.local_clock()))
        for _ in range(group):
            if "velocity" in kind:
                values = np.array([1.0, -1.0])
            elif kind == "voltage":
                values = random.normal(0.0, 20.0, CHANNELS)
            else:
                values = random.poisson(RATES_HZ / true_hz).astype(np.float64)
            stamp_s = pylsl.local_clock() if kind == "bursts" else due_s + late_s
            if "time-of-day" in kind:
                stamp_s = time.time()
            elif kind == "reset" and due_s > began_s + RESET_AFTER_S:
                stamp_s += RESET_S
            outlet.push_sample(values, stamp_s)
            sent += 1


if __name__ == "__main__":
    name, kind = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 120.0
    source_id = sys.argv[4] if len(sys.argv) > 4 else f"{name}-{kind}"
    channels = 2 if "velocity" in kind else CHANNELS
    info = pylsl.StreamInfo(name, "EEG", channels, KINDS[kind][0], pylsl.cf_float32, source_id)
    outlet = pylsl.StreamOutlet(info)
    print("up", flush=True)
    if "silent" in kind:
        time.sleep(seconds)
    else:
        outlet.wait_for_consumers(60)
        send(outlet, kind, seconds)
