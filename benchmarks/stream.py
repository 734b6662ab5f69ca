"""96 units at 1 kHz in steps of 20 bins, beside a bare pylsl outlet that pushes zeros in the same run."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, arrivals, ended, python, report, running, stream_on_a_terminal
from benchmarks.random_bundle import write_random_bundle

UNITS, RATE_HZ, STEP_BINS = 96, 1000.0, 20


def measure(seconds: float) -> dict:
    """Both streams run at the same time, each with an inlet in another process."""
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch = Path(folder)
        write_random_bundle(scratch / "random", UNITS)
        ours, bare = f"bench-{time.time_ns()}", f"bench-bare-{time.time_ns()}"
        inlets = [python(HERE / "inlet.py", name, STEP_BINS, scratch / f"{name}.npz") for name in (ours, bare)]
        processes += inlets
        time.sleep(2)  # both inlets are looking
        began_s = time.monotonic()
        stream = stream_on_a_terminal(
            scratch / "random", "--name", ours, "--step-bins", STEP_BINS, "--duration", seconds
        )
        outlet = python(HERE / "bare_outlet.py", bare, UNITS, RATE_HZ, STEP_BINS, seconds)
        processes += [stream, outlet]
        ours_report, bare_report = report(stream), report(outlet)
        for inlet in inlets:
            ended(inlet)
        arrived, bare_arrived = (arrivals(scratch / f"{name}.npz") for name in (ours, bare))
    rows = [
        _row("spikeloop stream", arrived, ours_report["cpu_cores"]),
        _row("bare pylsl outlet", bare_arrived, bare_report["cpu_cores"]),
    ]
    rows.append({"": "ratio"} | {key: rows[0][key] / rows[1][key] for key in rows[0] if key})
    first_s = arrived["arrivals"][0] - began_s
    late = ours_report["lateness_ms"]
    return {
        "about": f"{UNITS} units at {RATE_HZ:g} Hz in steps of {STEP_BINS} bins for {seconds:g} s, both at once, inlets"
        " in other processes, the live status on a terminal. Push to pull counts from the end of a step's last bin, so"
        " lateness is in it.",
        "rows": rows,
        "notes": [
            f"Rate ratio {ours_report['ratio']:.5f}; {ours_report['late_steps']} late steps; lateness p50"
            f" {late['p50']:.3f}, p99 {late['p99']:.3f}, max {late['max']:.3f} ms. First sample {first_s:.2f} s after"
            f" the process's start; {arrived['counts'].sum()} of {ours_report['bins']} bins received, all from the"
            " inlet's connecting on.",
        ],
        "report": ours_report,
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
