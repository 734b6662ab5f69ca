"""This version beside an earlier one, in turn: the stream of `stream`, beside its bare outlet, and single bins.

The environment variable SPIKELOOP_BEFORE names a checkout of the earlier one (`git worktree add PATH COMMIT`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import HERE, arrivals, busy, ended, python, report, running, stream_on_a_terminal
from benchmarks.stream import RATE_HZ, STEP_BINS, UNITS

ROUNDS = 5
BUNDLE = "from benchmarks.random_bundle import write_random_bundle as w; import pathlib; w(pathlib.Path({!r}), {})"
SHIPPED = ("m1-sim", "retina")


def measure(seconds: float) -> dict:
    """Take medians of rounds, in each of which both versions run one after the other."""
    before = os.environ.get("SPIKELOOP_BEFORE")
    if not before:
        raise SystemExit("set SPIKELOOP_BEFORE to a checkout of the earlier version: git worktree add PATH COMMIT")
    checkouts = {"before": Path(before), "now": HERE.parent}
    streams: dict[str, list[dict]] = {version: [] for version in checkouts}
    bins: dict[str, list[dict]] = {version: [] for version in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        for version, checkout in checkouts.items():
            _run(checkout, "-c", BUNDLE.format(f"{folder}/{version}", UNITS))
        for _ in range(ROUNDS):
            for version, checkout in checkouts.items():
                streams[version].append(_stream(checkout, Path(folder, version), seconds))
                printed = _run(checkout, HERE / "bin_cost.py", f"{folder}/{version}", *SHIPPED)
                bins[version].append({Path(name).name: each for name, each in json.loads(printed).items()})
                print(version, streams[version][-1], bins[version][-1], flush=True)
    rows = [
        {"what": what} | {version: _median(each[what] for each in streams[version]) for version in checkouts}
        for what in streams["now"][0]
    ]
    for name in ("random, 96 units", *SHIPPED):
        for index, at_once in enumerate((1, 100)):
            row: dict[str, Any] = {"what": f"one bin of {name}, {at_once} at once (µs)"}
            for version in checkouts:
                row[version] = _median(each[version if "random" in name else name][index] for each in bins[version])
            rows.append(row)
    for row in rows:
        row["now / before"] = row["now"] / row["before"]
    return {
        "about": f"{UNITS} units at {RATE_HZ:g} Hz in steps of {STEP_BINS} bins for {seconds:g} s (a random model of"
        " preset `fast`, exported by each version itself), beside a bare pylsl outlet that runs at the same time; then"
        f" single bins, at rest, in processor time. Medians of {ROUNDS} rounds, both versions in turn. Shipped bundles"
        " have the graphs that they were exported with.",
        "rows": rows,
        "notes": [busy()],
    }


def _stream(checkout: Path, bundle: Path, seconds: float) -> dict[str, float]:
    """Figures of a stream over those of a bare outlet; the inlets of both are in other processes."""
    name, bare = f"bench-{time.time_ns()}", f"bench-bare-{time.time_ns()}"
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        paths = [Path(folder, f"{each}.npz") for each in (name, bare)]
        inlets = [
            python(HERE / "inlet.py", each, STEP_BINS, path) for each, path in zip((name, bare), paths, strict=True)
        ]
        options = ("--name", name, "--step-bins", STEP_BINS, "--duration", seconds, "--start-delay", 2)
        stream = stream_on_a_terminal(bundle, *options, checkout=checkout)
        outlet = python(HERE / "bare_outlet.py", bare, UNITS, RATE_HZ, STEP_BINS, seconds)
        processes += [*inlets, stream, outlet]
        ours, theirs = report(stream), report(outlet)
        for inlet in inlets:
            ended(inlet)
        lag, gap = zip(*map(_timing, paths), strict=True)
    return {
        "CPU, of the bare outlet's": ours["cpu_cores"] / theirs["cpu_cores"],
        "CPU (cores)": ours["cpu_cores"],
        "push to pull p50, of the bare outlet's": lag[0] / lag[1],
        "inter-arrival p99, of the bare outlet's": gap[0] / gap[1],
        "lateness p50 (ms)": ours["lateness_ms"]["p50"],
        "lateness p99 (ms)": ours["lateness_ms"]["p99"],
    }


def _timing(path: Path) -> tuple[float, float]:
    """Push to pull, p50, and time between arrivals, p99, s."""
    arrived = arrivals(path)
    lag = np.quantile(arrived["arrivals"] - arrived["stamps"], 0.5)
    return float(lag), float(np.quantile(np.diff(arrived["arrivals"]), 0.99))


def _run(checkout: Path, *arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    return subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
