"""Streams of one program as labs have them, all sent at the same moments: `foreign_lab.py NAME SECONDS`.

Opens the streams of STREAMS, prints "up", waits until somebody receives them, and sends a sample of each every 20 ms.
The first value of each sample, but of voltage and of texts, is the number of the moment.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pylsl

__all__ = ["BACK_S", "EVERY_S", "STREAMS"]

EVERY_S = 0.02
BACK_S = 0.5  # by which every tenth stamp of NAME-back is earlier
RANDOM = np.random.Generator(np.random.Philox(3))


class Kind(NamedTuple):
    """A stream: its type, rate, format and source id, and its stamp and values at a moment."""

    type: str
    rate_hz: float
    form: str
    source_id: str
    stamp_s: Callable[[float, float, int], float]  # of LSL's clock, when the program began by it, and the number
    values: Callable[[int], list[Any]]


def lsl_clock(now_s: float, began_s: float, number: int) -> float:
    return now_s


def time_of_day(now_s: float, began_s: float, number: int) -> float:
    return now_s + OF_DAY_S


def since_start(now_s: float, began_s: float, number: int) -> float:
    return now_s - began_s


def backwards(now_s: float, began_s: float, number: int) -> float:
    return now_s - BACK_S * (number % 10 == 9)


OF_DAY_S = time.time() - pylsl.local_clock()
STREAMS = {
    "-true": Kind("Numbers", 50.0, "double64", "t", lsl_clock, lambda i: [float(i)]),
    "-eeg": Kind("EEG", 50.0, "float32", "e", time_of_day, lambda i: [float(i), 0.5]),
    "-keys": Kind("Markers", 0.0, "string", "k", time_of_day, lambda i: [str(i)]),
    "-device": Kind("Gaze", 0.0, "int32", "d", since_start, lambda i: [i]),
    "-back": Kind("Gaze", 0.0, "int32", "b", backwards, lambda i: [i]),
    "-volts": Kind("Spikes", 50.0, "float32", "v", lsl_clock, lambda i: RANDOM.normal(0, 50, 2).tolist()),
    "-empty": Kind("EEG", 50.0, "float32", "n", lsl_clock, lambda i: []),
    "": Kind("Spikes", 50.0, "int16", "first", time_of_day, lambda i: [i % 3, 1]),
    "/2": Kind("Spikes", 50.0, "int16", "second", lsl_clock, lambda i: [2, i % 5]),  # of the same name
}


def name_of(name: str, suffix: str) -> str:
    return f"{name}{suffix.removesuffix('/2')}"


def outlet(name: str, suffix: str, kind: Kind) -> pylsl.StreamOutlet:
    channels = max(1, len(kind.values(0)))
    form: Any = kind.form
    return pylsl.StreamOutlet(
        pylsl.StreamInfo(name_of(name, suffix), kind.type, channels, kind.rate_hz, form, kind.source_id)
    )


if __name__ == "__main__":
    name, seconds = sys.argv[1], float(sys.argv[2])
    outlets = {suffix: outlet(name, suffix, kind) for suffix, kind in STREAMS.items()}
    print("up", flush=True)
    for one in outlets.values():
        one.wait_for_consumers(60)
    began_s = pylsl.local_clock() + 1.0
    for number in range(round(seconds / EVERY_S)):
        time.sleep(max(0.0, began_s + number * EVERY_S - pylsl.local_clock()))
        now_s = pylsl.local_clock()
        for suffix, kind in STREAMS.items():
            if values := kind.values(number):
                outlets[suffix].push_sample(values, kind.stamp_s(now_s, began_s, number))
    time.sleep(1.0)
