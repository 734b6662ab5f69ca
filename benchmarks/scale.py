"""How units x rate scales: random causal Spike-GANs of growing size at 1 kHz, each with an inlet beside it."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, arrivals, ended, python, report, running, stream_on_a_terminal
from benchmarks.random_bundle import write_random_bundle

UNITS = (96, 1000, 4000, 10_000)
STEP_BINS = 20


def measure(seconds: float) -> dict:
    """One stream after the other."""
    return {
        "about": f"Random causal Spike-GANs (preset `fast`) at 1 kHz and 5 Hz a unit, in steps of {STEP_BINS} bins,"
        f" {seconds:g} s each, counts and events, one inlet. Memory is the process's, after a third of the time and at"
        " the end.",
        "rows": [_measure(units, seconds) for units in UNITS],
    }


def _measure(units: int, seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch = Path(folder)
        write_random_bundle(scratch / "random", units)
        name = f"bench-{time.time_ns()}"
        inlet = python(HERE / "inlet.py", name, STEP_BINS, scratch / "arrivals.npz")
        stream = stream_on_a_terminal(
            scratch / "random", "--name", name, "--step-bins", STEP_BINS, "--duration", seconds, "--start-delay", 1
        )
        processes += [inlet, stream]
        memory_mb = []
        for wait_s in (seconds / 3, seconds * 2 / 3):
            time.sleep(wait_s)
            memory_mb.append(_memory_mb(stream.pid))
        figures = report(stream)
        ended(inlet)
        arrived = arrivals(scratch / "arrivals.npz")
    push_to_pull_ms = (arrived["arrivals"] - arrived["stamps"]) * 1000
    row = {
        "units": units,
        "counts a second": f"{units * 1000:,}",
        "rate ratio": round(figures["ratio"], 5),
        "lateness p50 (ms)": figures["lateness_ms"]["p50"],
        "lateness p99 (ms)": figures["lateness_ms"]["p99"],
        "late steps": figures["late_steps"],
        "bins received": f"{arrived['counts'].sum()} of {figures['bins']}",
        "push to pull p50 (ms)": float(np.quantile(push_to_pull_ms, 0.5)),
        "inference p50 (ms / run)": figures["inference_ms"]["p50"],
        "CPU cores": figures["cpu_cores"],
        "memory, a third (MB)": memory_mb[0],
        "memory, end (MB)": memory_mb[1],
    }
    print(row, flush=True)
    return row


def _memory_mb(pid: int) -> int:
    """Resident memory, where /proc has it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1000)
    return -1
