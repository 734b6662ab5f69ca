"""What a monitor costs, and what it costs the stream: 96 and 1,024 units at 1 kHz, with and without one."""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, SPIKELOOP, arrivals, cpu_s, ended, python, report, running, stream_on_a_terminal
from benchmarks.random_bundle import write_random_bundle

UNITS, STEP_BINS = (96, 1024), 20
PORT = 19464
PREPARES_WITHIN_S = 240.0
ROUNDS = 1  # of both, in turn


def measure(seconds: float) -> dict:
    """Streams without and with a monitor, in turn; the retina with live importance maps at the end."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for units in UNITS:
            path = Path(folder) / f"random-{units}"
            write_random_bundle(path, units)
            for _ in range(ROUNDS):
                rows += [_row(f"{units} units", path, seconds, with_monitor) for with_monitor in (False, True)]
    rows.append(_row("retina, importance of every window", Path("retina"), seconds, with_monitor=True))
    return {
        "about": f"`spikeloop stream` of random causal Spike-GANs at 1 kHz in steps of {STEP_BINS} bins, {seconds:g} s"
        " each, with an inlet, alternately without and with `spikeloop monitor` in a process of its own; at the end the"
        " shipped retina (50 units, 20-ms bins) with exact importance maps of every window. The monitor's cores are"
        " measured once its reference is prepared: both windows, alarm, NAME-Monitor and /metrics, without a terminal.",
        "rows": rows,
        "notes": [],
    }


def _row(label: str, bundle: Path, seconds: float, with_monitor: bool) -> dict:
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch, name = Path(folder), f"bench-{time.time_ns()}"
        delay_s, cores, prepared_s = 2.0, "", ""
        watcher = None
        if with_monitor:
            options = ("--wait", "--bundle", str(bundle), "--json", "--metrics", str(PORT))
            command = [sys.executable, *SPIKELOOP, "monitor", name, *options]
            watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            processes.append(watcher)
            first_run = stream_on_a_terminal(bundle, "--name", name, *_steps(bundle))
            processes.append(first_run)
            prepared_s = _wait_until_prepared()
            first_run.terminate()  # which closes it as Ctrl-C does, and reaches it in a background too
            first_run.communicate()
        inlet = python(HERE / "inlet.py", name, STEP_BINS, scratch / "arrivals.npz")
        began_s = time.monotonic()
        stream = stream_on_a_terminal(
            bundle, "--name", name, *_steps(bundle), "--duration", seconds, "--start-delay", delay_s
        )
        processes += [inlet, stream]
        time.sleep(delay_s + 3)
        if watcher is not None:
            before_s, at_s = cpu_s(watcher.pid), time.monotonic()
            time.sleep(max(1.0, seconds + delay_s - 2 - (time.monotonic() - began_s)))
            cores = (cpu_s(watcher.pid) - before_s) / (time.monotonic() - at_s)
        health = report(stream)
        ended(inlet)
        arrived = arrivals(scratch / "arrivals.npz")
        reported = {}
        if watcher is not None:
            watcher.terminate()
            reported = json.loads(watcher.communicate()[0])
    between_ms = np.diff(arrived["arrivals"]) * 1000
    row = {
        "": f"{label}, {'with' if with_monitor else 'no'} monitor",
        "monitor (cores)": cores,
        "stream (cores)": health["cpu_cores"],
        "lateness p50 (ms)": health["lateness_ms"]["p50"],
        "lateness p99 (ms)": health["lateness_ms"]["p99"],
        "late steps": health["late_steps"],
        "inter-arrival p99 (ms)": float(np.quantile(between_ms, 0.99)) if bundle.name != "retina" else "",
        "reference prepared after (s)": prepared_s,
        "lost bins": reported.get("reception", {}).get("lost_bins", ""),
        "maps, skipped": _maps(reported),
    }
    print(row, flush=True)
    return row


def _steps(bundle: Path) -> tuple[str, ...]:
    return () if bundle.name == "retina" else ("--step-bins", str(STEP_BINS))


def _wait_until_prepared() -> float:
    """Wait until /metrics shows how near an alarm is; return how long that took."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + PREPARES_WITHIN_S:
        time.sleep(1)
        try:
            page = urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5).read().decode()
        except OSError:
            continue
        if re.search(r"^spikeloop_nearest_alarm_score\{", page, re.MULTILINE):
            return time.monotonic() - began_s
    raise SystemExit(f"the monitor had no reference within {PREPARES_WITHIN_S:g} s")


def _maps(reported: dict) -> str:
    importance = reported.get("importance")
    return "" if not importance else f"{importance['maps']}, {importance['skipped']}"
