"""What 30 kHz voltage costs: synthesis alone, and over LSL to an inlet in another process, beside a plain copy."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, ended, python, report, running
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import TYPICAL, Noise
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.step_traces import StepTraces
from spikeloop.streamer.broadband.templates import make_templates
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.stream.step import Step, bin_end_s

SETUPS: tuple[tuple[int, str, float], ...] = (
    (256, "utah", 0.5), (256, "linear", 0.5), (1024, "utah", 1.0), (1024, "linear", 1.0),
)  # fmt: skip
RATE_A_UNIT_HZ = 10.0  # and a unit a channel
BIN_S, STEP_BINS = 0.001, 20


def measure(seconds: float) -> dict:
    """One array after the other."""
    return {
        "about": f"int16 at 30 kHz in steps of {STEP_BINS} ms: a unit a channel at {RATE_A_UNIT_HZ:g} Hz, typical"
        f" noise; {seconds:g} s each. Synthesis alone runs as fast as it can; with LSL it runs in real time, one inlet"
        " in another process. The limit is a plain copy of an array of the same size.",
        "rows": [_measure(channels, probe, most_cores, seconds) for channels, probe, most_cores in SETUPS],
        "notes": ["CPU is the cores that a second of trace takes; the sender's includes the threads of LSL."],
    }


def synthesiser(channels: int, probe: str) -> Synthesiser:
    """With a unit a channel."""
    array = open_probe(probe, channels)
    return Synthesiser(
        array,
        make_templates(array, channels, random_stream(0, Purpose.BENCHMARK, 0)),
        Noise(channels, TYPICAL, random_stream(0, Purpose.BENCHMARK, 1)),
    )


def poisson_steps(units: int, many: int, start_s: float) -> list[Step]:
    """Steps of independent Poisson spikes."""
    random, steps = random_stream(0, Purpose.BENCHMARK, 2), []
    for number in range(many):
        counts = random.poisson(RATE_A_UNIT_HZ * BIN_S, (STEP_BINS, units)).astype(np.uint8)
        bins, fired = counts.nonzero()
        first_s = start_s + number * STEP_BINS * BIN_S
        times_s = first_s + (bins + random.random(len(bins))) * BIN_S
        stamps_s = bin_end_s(first_s, BIN_S, np.arange(STEP_BINS))
        order = np.argsort(times_s)
        conditions = np.zeros((STEP_BINS, 0), np.float32)
        steps.append(
            Step(number * STEP_BINS, counts, conditions, stamps_s, fired[order].astype(np.int32), times_s[order])
        )
    return steps


def memory_mb() -> int:
    """Resident memory of this process, where /proc has it."""
    lines = Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else []
    return next((round(int(line.split()[1]) / 1000) for line in lines if line.startswith("VmRSS")), -1)


def _measure(channels: int, probe: str, most_cores: float, seconds: float) -> dict:
    began_s = time.perf_counter()
    made = synthesiser(channels, probe)
    opening_s = time.perf_counter() - began_s
    steps = poisson_steps(channels, min(500, round(seconds / (BIN_S * STEP_BINS))), 0.0)
    traces = StepTraces(made, BIN_S, 0.0)
    alone = _cores(traces.of, steps)
    whole = np.ones((len(steps) * STEP_BINS * round(BIN_S * INTAN.rate_hz), channels), np.int16)
    copied = whole.copy()
    parts = np.split(np.arange(len(whole)), len(steps))
    copy = _cores(lambda part: np.copyto(copied[part[0] : part[-1] + 1], whole[part[0] : part[-1] + 1]), parts)
    sent, received = _over_lsl(channels, probe, seconds)
    row = {
        "channels": channels,
        "probe": probe,
        "spikes a second": round(channels * RATE_A_UNIT_HZ),
        "synthesis (cores)": alone,
        "with LSL and an inlet (cores)": sent["cpu_cores"],
        "wanted (cores)": most_cores,
        "the inlet (cores)": received["cpu_s"] / seconds,
        "a plain copy (cores)": copy,
        "synthesis / copy": alone / copy,
        "dropped steps": sent["dropped"],
        "push late p99 (ms)": sent["late_ms_p99"],
        "samples received": f"{received['samples']:,} ({received['missing']} missing)",
        "stamp to pull p50 (ms)": received["delay_ms"],
        "memory (MB)": sent["memory_mb"],
        "opening (s)": opening_s,
    }
    print(row, flush=True)
    return row


def _cores(work: Callable, parts: list) -> float:
    """Processor time of work on steps, over the time that the steps last."""
    began_s = time.process_time()
    for part in parts:
        work(part)
    return (time.process_time() - began_s) / (len(parts) * STEP_BINS * BIN_S)


def _over_lsl(channels: int, probe: str, seconds: float) -> tuple[dict, dict]:
    """Return what the sender and the inlet report."""
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        name, out = f"bench-{time.time_ns()}", Path(folder) / "received.json"
        inlet = python(HERE / "trace_inlet.py", f"{name}-Broadband", out)
        sender = python("-m", "benchmarks.trace_sender", name, channels, probe, seconds)
        processes += [inlet, sender]
        sent = report(sender)
        ended(inlet)
        return sent, json.loads(out.read_text())
