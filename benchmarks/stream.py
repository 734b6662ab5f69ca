"""96 units at 1 kHz in steps of 20 bins, beside a bare pylsl outlet that pushes zeros in the same run."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.random_bundle import write_random_bundle

HERE = Path(__file__).parent
UNITS, RATE_HZ, STEP_BINS = 96, 1000.0, 20
STREAM = "from spikeloop.streamer.commands.main import main; main()"


def measure(seconds: float) -> dict:
    """Both streams run at the same time, each with an inlet in another process."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_random_bundle(scratch / "random", UNITS)
        ours, bare = f"bench-{time.time_ns()}", f"bench-bare-{time.time_ns()}"
        inlets = {name: _python(HERE / "inlet.py", name, STEP_BINS, scratch / f"{name}.npz") for name in (ours, bare)}
        time.sleep(2)  # both inlets are looking
        began_s = time.monotonic()
        stream = _python(
            "-c", STREAM, "stream", scratch / "random", "--name", ours, "--step-bins", STEP_BINS,
            "--duration", seconds, "--json",
        )  # fmt: skip
        outlet = _python(HERE / "bare_outlet.py", bare, UNITS, RATE_HZ, STEP_BINS, seconds)
        report, bare_report = (json.loads(process.communicate()[0]) for process in (stream, outlet))
        for inlet in inlets.values():
            inlet.wait()
        arrived, bare_arrived = (_arrivals(scratch / f"{name}.npz") for name in (ours, bare))
    rows = [
        _row("spikeloop stream", arrived, report["cpu_cores"]),
        _row("bare pylsl outlet", bare_arrived, bare_report["cpu_cores"]),
    ]
    rows.append({"": "ratio"} | {key: rows[0][key] / rows[1][key] for key in rows[0] if key})
    first_s = arrived["arrivals"][0] - began_s
    late = report["lateness_ms"]
    return {
        "about": f"{UNITS} units at {RATE_HZ:g} Hz in steps of {STEP_BINS} bins for {seconds:g} s, inlets in other"
        " processes, both at once. Push to pull counts from the end of a step's last bin, so lateness is in it.",
        "rows": rows,
        "notes": [
            f"Rate ratio {report['ratio']:.5f}; {report['late_steps']} late steps; lateness p50 {late['p50']:.3f}, p99"
            f" {late['p99']:.3f}, max {late['max']:.3f} ms; first sample {first_s:.2f} s after the process's start.",
        ],
        "report": report,
        "first_sample_s": first_s,
    }


def _row(name: str, arrived: dict[str, np.ndarray], cpu_cores: float) -> dict:
    between_ms = np.diff(arrived["arrivals"]) * 1000
    push_to_pull_ms = (arrived["arrivals"] - arrived["stamps"]) * 1000
    return {
        "": name,
        "inter-arrival p50 (ms)": float(np.quantile(between_ms, 0.5)),
        "inter-arrival p99 (ms)": float(np.quantile(between_ms, 0.99)),
        "push to pull p50 (ms)": float(np.quantile(push_to_pull_ms, 0.5)),
        "push to pull p99 (ms)": float(np.quantile(push_to_pull_ms, 0.99)),
        "CPU cores": cpu_cores,
    }


def _arrivals(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def _python(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
