"""What a population costs Cortical Labs' simulator, and how soon pulses act and are answered in it.

Run it with the Python that has cl-sdk: `.venv-bridges/bin/python -m benchmarks bridges_cl`.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, busy, python, report, running
from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.bridges.cl_population import AMPLIFIER, ClPopulation
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.source import open_source

BUNDLES = ("retina", "m1-sim")
THRESHOLD_UA = 1.5
TICK, MOST = 5, 1000  # frames that the simulator asks for at a time: in real time; about the most


def measure(seconds: float) -> dict:
    """One population after the other."""
    return {
        "about": "64 channels at 25,000 Hz in the simulator of cl-sdk; a program of 100 ticks a second gives a pulse"
        f" of 3 uA at one electrode every 50 ms; {seconds:g} s each. In real time the simulator asks for 5 frames every"
        " 200 us. Delays are in the frames of the SDK.",
        "rows": [_measure(bundle, seconds) for bundle in BUNDLES],
        "notes": [
            "A pulse acts at the next frame that is made when the simulator has passed it on; evoked spikes come 1 to 4"
            " ms after that. A round trip is by the program's own clock, from its call of `stim` to the tick that shows"
            " a spike on that channel 1 to 16 ms after the pulse; ticks come every 10 ms. Frame 0: how far its LSL time"
            " in the truth is from that by the SDK's clock, at best, as the simulator is behind on a busy machine.",
            busy(),
        ],
    }


def _measure(bundle: str, seconds: float) -> dict:
    accelerated, real = (_in_the_sdk(bundle, seconds, mode) for mode in ("1", "0"))
    row = {
        "bundle": bundle,
        "5 frames (us)": 1e6 * TICK * _cpu_s_a_frame(bundle, TICK),
        "cores in real time": AMPLIFIER.rate_hz * _cpu_s_a_frame(bundle, TICK),
        "1000 frames at a time, times real time": 1 / (AMPLIFIER.rate_hz * _cpu_s_a_frame(bundle, MOST)),
        "accelerated, in the SDK, times real time": seconds / accelerated["ran_s"],
        "pulses": real["pulses"],
        "pulse to its action p50 (ms)": real["acts_ms"]["p50"],
        "p99 (ms)": real["acts_ms"]["p99"],
        "accelerated p99 (ms)": accelerated["acts_ms"]["p99"],
        "pulse to evoked spike p50 (ms)": real["evoked_ms"]["p50"],
        "evoked p99 (ms)": real["evoked_ms"]["p99"],
        "accelerated evoked p99 (ms)": accelerated["evoked_ms"]["p99"],
        "round trip p50 (ms)": real["round_trip_ms"]["p50"],
        "round trip p99 (ms)": real["round_trip_ms"]["p99"],
        "answered": real["answered"],
        "frame 0 (ms)": real["apart_ms"],
        "the simulator behind time p50 (ms)": real["behind_ms"],
    }
    print(row, flush=True)
    return row


def _cpu_s_a_frame(bundle: str, frames: int) -> float:
    loaded = load_bundle(bundle)
    made = ClPopulation(open_source(loaded, 0, "cpu"), RestFeed(loaded.card.channels), 0, THRESHOLD_UA)
    began_s, reads = time.process_time(), 2 * AMPLIFIER.rate_hz // frames
    for _ in range(reads):
        made.read(frames)
    return (time.process_time() - began_s) / (reads * frames)


def _in_the_sdk(bundle: str, seconds: float, accelerated: str) -> dict:
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        truth = Path(folder) / "truth.npz"
        program = python(HERE / "cl_program.py", bundle, seconds, accelerated, truth)
        processes.append(program)
        printed = report(program)
        with np.load(truth) as kept:
            pulses, samples = kept["pulses"], kept["samples"]
            where, start_s = kept["channels"][kept["unit_ids"]], float(kept["lsl_start_s"])
    stims = np.array(printed["stims"])
    acts_ms = (pulses[: len(stims), 0] - stims[:, 0]) / 25
    answers = [
        samples[(where == channel) & (samples >= began + 25) & (samples <= began + 100)] for began, channel in pulses
    ]
    first_ms = [(each[0] - at) / 25 for each, (at, _) in zip(answers, stims, strict=False) if len(each)]
    apart_s = [now_s - start_s - frame / AMPLIFIER.rate_hz for frame, now_s in printed["times"]]
    return {
        "ran_s": printed["ran_s"],
        "pulses": len(stims),
        "acts_ms": _quantiles(acts_ms),
        "evoked_ms": _quantiles(first_ms),
        "round_trip_ms": _quantiles(1000 * np.array(printed["answered_s"])),
        "answered": len(printed["answered_s"]),
        "apart_ms": 1000 * min(apart_s, key=abs),
        "behind_ms": 1000 * float(np.median(apart_s)),
    }


def _quantiles(values: np.ndarray | list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(values, [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99)}
