"""What recording costs: 1,000 channels at 1 kHz and 256 at 30 kHz, beside a loop that only pulls."""

import tempfile
import time
from pathlib import Path

from benchmarks.processes import HERE, python, report, running

SETUPS = ((1000, 1000.0, "float32"), (256, 30_000.0, "int16"))  # channels, Hz, format
WANTED_CORES = 0.3
STOPPED_S = 5.0


def measure(seconds: float) -> dict:
    """One stream after the other."""
    return {
        "about": f"`spikeloop record` of one stream in chunks of 20 ms, {seconds:g} s each, its sender in a process of"
        " its own; beside it a bare pylsl inlet that pulls into one array and writes nothing.",
        "rows": [_measure(channels, rate_hz, form, seconds) for channels, rate_hz, form in SETUPS],
        "notes": [
            f"CPU is processor time by the time recorded, without the start of the process; wanted are {WANTED_CORES:g}"
            " cores. Memory is the most that was resident in the first half and in the second, while samples came. In a"
            f" recording of its own, the recorder was stopped for {STOPPED_S:g} s (SIGSTOP)."
        ],
    }


def _measure(channels: int, rate_hz: float, form: str, seconds: float) -> dict:
    bare, _ = _received(channels, rate_hz, form, seconds, "pull")
    recorded, sent = _received(channels, rate_hz, form, seconds, "record")
    stopped, sent_meanwhile = _received(channels, rate_hz, form, max(seconds / 2, 4 * STOPPED_S), "stop")
    lasted_s = sent / rate_hz
    row = {
        "channels": channels,
        "rate (Hz)": rate_hz,
        "format": form,
        "MB a second": recorded["bytes"] / lasted_s / 1e6,
        "record (cores)": recorded["cpu_s"] / lasted_s,
        "a pull loop (cores)": bare["cpu_s"] / lasted_s,
        "record / pull": recorded["cpu_s"] / bare["cpu_s"],
        "samples lost": sent - recorded["samples"],
        "lost when stopped": sent_meanwhile - stopped["samples"],
        "memory (MB)": "{}, then {}".format(*recorded["memory_mb"]),
    }
    print(row, flush=True)
    return row


def _received(channels: int, rate_hz: float, form: str, seconds: float, what: str) -> tuple[dict, int]:
    """Return what the receiver reports, and how many samples were sent."""
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        name = f"bench-{time.time_ns()}"
        sender = python(HERE / "chunk_sender.py", name, channels, rate_hz, form, seconds)
        receiver = python("-m", "benchmarks.recorded", what, name, Path(folder) / "out.xdf")
        processes += [sender, receiver]
        return report(receiver), report(sender)["samples"]
