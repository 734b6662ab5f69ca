"""A replayed file of 8 channels at 250 Hz, counts and markers, beside a bare pylsl outlet that pushes zeros."""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, arrivals, ended, python, report, running, stream_on_a_terminal
from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.random_streams import Purpose, random_stream

CHANNELS, RATE_HZ, FASTER = 8, 250.0, 10
CONNECTING_S = 2.0


def measure(seconds: float) -> dict:
    """At rate 1, both at once; then the same file ten times faster."""
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch = Path(folder)
        name = f"bench-{time.time_ns()}"
        samples = _write(scratch / "session.xdf", name, seconds)
        rows = []
        for speed in (1, FASTER):
            bare = f"{name}-bare-{speed}"
            inlets = [python(HERE / "inlet.py", found, 1, scratch / f"{found}.npz") for found in (name, bare)]
            processes += inlets
            time.sleep(CONNECTING_S)
            options = ("--speed", speed, "--start-delay", CONNECTING_S)
            replay = stream_on_a_terminal(scratch / "session.xdf", *options, command="replay")
            outlet = _bare(bare, speed, seconds / speed)
            processes += [replay, outlet]
            ours, others = report(replay), report(outlet)
            for inlet in inlets:
                ended(inlet)
            cores = {"spikeloop replay": float("nan"), "bare pylsl outlet": others["cpu_cores"]}
            for title, found in (("spikeloop replay", name), ("bare pylsl outlet", bare)):
                row = {"": title, "speed": speed} | _row(arrivals(scratch / f"{found}.npz"), samples)
                rows.append(row | {"CPU cores": cores[title]})
            rows[-2]["CPU cores"] = ours["cpu_cores"]
    return {
        "about": f"{CHANNELS} channels at {RATE_HZ:g} Hz for {seconds:g} s, with 96 counts at 50 Hz and a marker a"
        " second in the same file; a bare pylsl outlet that pushes one sample at a time beside it; inlets in other"
        " processes. An interval is off by the difference between when two samples came and their stamps.",
        "rows": rows,
        "notes": [],
    }


def _bare(name: str, speed: int, seconds: float) -> subprocess.Popen[str]:
    return python(HERE / "bare_outlet.py", name, CHANNELS, RATE_HZ * speed, 1, seconds)


def _write(path: Path, name: str, seconds: float) -> int:
    """Write the file; return how many samples the regular stream has."""
    samples, random = round(seconds * RATE_HZ), random_stream(0, Purpose.BENCHMARK)
    bins = round(seconds * 50)
    with XdfWriter(path) as writer:
        for suffix, kind, channels, rate_hz, form, values, stamps_s in (
            ("", "EEG", CHANNELS, RATE_HZ, "float32", random.random((samples, CHANNELS)), np.arange(samples) / RATE_HZ),
            ("-Counts", "Spikes", 96, 50.0, "int16", random.poisson(0.2, (bins, 96)), np.arange(bins) / 50),
            ("-Markers", "Markers", 1, 0.0, "string", [["go"]] * int(seconds), np.arange(int(seconds)) + 0.1),
        ):
            labels = [{"label": f"channel {i}"} for i in range(channels)]
            stream = writer.add_stream(stream_header(f"{name}{suffix}", kind, labels, rate_hz, form, {}))
            writer.add_samples(stream, values, 100 + stamps_s)
    return samples


def _row(arrived: dict[str, np.ndarray], samples: int) -> dict:
    between_ms = np.diff(arrived["arrivals"]) * 1000
    off_ms = np.abs(between_ms - np.diff(arrived["stamps"]) * 1000)
    push_to_pull_ms = (arrived["arrivals"] - arrived["stamps"]) * 1000
    return {
        "interval off by p50 (ms)": float(np.quantile(off_ms, 0.5)),
        "interval off by p99 (ms)": float(np.quantile(off_ms, 0.99)),
        "push to pull p50 (ms)": float(np.quantile(push_to_pull_ms, 0.5)),
        "push to pull p99 (ms)": float(np.quantile(push_to_pull_ms, 0.99)),
        "samples received": f"{arrived['counts'].sum()} of {samples}",
    }
