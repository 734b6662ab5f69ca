"""How units x rate scales: random Spike-GANs of growing size at 1 kHz, each read by an inlet in another process."""

import json
import tempfile
import time
from pathlib import Path

from benchmarks.random_bundle import write_random_bundle
from benchmarks.stream import HERE, STREAM, _python

UNITS = (96, 1000, 4000, 10_000)
STEP_BINS = 20


def measure(seconds: float) -> dict:
    """One stream after the other."""
    return {
        "about": f"Random `fast` Spike-GANs at 1 kHz and 5 Hz a unit, in steps of {STEP_BINS} bins, {seconds:g} s each,"
        " counts and events, one inlet. Memory is the process's, after a third of the time and at the end.",
        "rows": [_measure(units, seconds) for units in UNITS],
    }


def _measure(units: int, seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_random_bundle(scratch / "random", units)
        name = f"bench-{time.time_ns()}"
        inlet = _python(HERE / "inlet.py", name, STEP_BINS, scratch / "arrivals.npz")
        stream = _python(
            "-c", STREAM, "stream", scratch / "random", "--name", name, "--step-bins", STEP_BINS,
            "--duration", seconds, "--json",
        )  # fmt: skip
        memory_mb = []
        for wait_s in (seconds / 3, seconds * 2 / 3 - 1):
            time.sleep(wait_s)
            memory_mb.append(_memory_mb(stream.pid))
        report = json.loads(stream.communicate()[0])
        inlet.wait()
    row = {
        "units": units,
        "counts a second": f"{units * 1000:,}",
        "rate ratio": round(report["ratio"], 5),
        "lateness p50 (ms)": report["lateness_ms"]["p50"],
        "lateness p99 (ms)": report["lateness_ms"]["p99"],
        "late steps": report["late_steps"],
        "inference p50 (ms / 256 bins)": report["inference_ms"]["p50"],
        "CPU cores": report["cpu_cores"],
        "memory, a third (MB)": memory_mb[0],
        "memory, end (MB)": memory_mb[1],
    }
    print(row, flush=True)
    return row


def _memory_mb(pid: int) -> int:
    """Resident memory, where /proc tells it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1000)
    return -1
