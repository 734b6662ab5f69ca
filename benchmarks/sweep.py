"""A sweep of 64 sessions on two workers of Dask, beside the same one after another in one process."""

import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from spikeloop.streamer.closedloop.sweep.cells import Cell, cells_of
from spikeloop.streamer.closedloop.sweep.sweep import sweep
from spikeloop.streamer.closedloop.sweep.work import run_task

BUNDLES, DECODERS = ["m1-sim"], ["kalman", "ridge", "population_vector", "chance"]
PERTURBATIONS, ROUNDS = ["none", "drop:0.3+latency:100"], [(0, 1), (2, 3), (4, 5), (6, 7)]  # of seeds
SEEDS = [seed for seeds in ROUNDS for seed in seeds]
OPTIONS: dict[str, Any] = {"trials": 2, "calibration_s": 20.0}
WORKERS, KILLED_AFTER = 2, 16  # cells


def measure(seconds: float) -> dict:  # noqa: ARG001
    """One process and two workers in turn; then two workers of which one is killed."""
    local: Any = LocalCluster
    connected: Any = Client
    one, two, killed, expected, found = {}, {}, {}, {}, {}
    with (
        tempfile.TemporaryDirectory() as folder,
        local(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        connected(cluster.scheduler_address, set_as_default=False) as client,
    ):
        _imported()  # as workers have it behind them
        client.run(_imported)

        def cpu_s() -> float:
            return sum(client.run(time.process_time).values())

        for seeds in ROUNDS:
            with _timed(one, time.process_time):
                expected |= {cell.key: run_task(cell.task) for cell in _cells(seeds)}
            with _timed(two, cpu_s):
                _sweep(folder, cluster.scheduler_address, seeds)
        found = _documents(folder)
        victim = next(iter(client.run(os.getpid).values()))

        def kill(done: int, _: int) -> None:
            if done == KILLED_AFTER:
                os.kill(victim, signal.SIGKILL)

        with tempfile.TemporaryDirectory() as other, _timed(killed, lambda: math.nan):
            _sweep(other, cluster.scheduler_address, SEEDS, kill)
            after_kill = _documents(other)
    rows = [
        {"": what, **took, "speed-up": one["wall (s)"] / took["wall (s)"], "equal": _equal(documents, expected)}
        for what, took, documents in (
            ("one process", one, expected),
            ("two workers", two, found),
            ("two workers, one killed", killed, after_kill),
        )
    ]
    return {
        "about": f"`spikeloop sweep`, {len(expected)} cells: {', '.join(BUNDLES)}; {', '.join(DECODERS)}; perturbations"
        f" {' and '.join(PERTURBATIONS)}; {len(SEEDS)} seeds; {OPTIONS['trials']} trials, calibration of"
        f" {OPTIONS['calibration_s']:g} s. On `dask.distributed` LocalCluster, {WORKERS} workers of one thread; one"
        f" process and two workers in turn, {len(ROUNDS)} times a part of the cells each.",
        "rows": rows,
        "notes": [
            f"Efficiency of two workers: {one['wall (s)'] / two['wall (s)'] / WORKERS:.2f} by wall-clock time,"
            f" {one['cpu (s)'] / two['cpu (s)']:.2f} by the processor's time that the cells took.",
            "`equal`: cells whose document is, byte for byte, that of one process. One worker is killed with SIGKILL"
            " when a quarter of the cells is done.",
            f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        ],
    }


@contextmanager
def _timed(took: dict[str, float], cpu_s: Callable[[], float]) -> Iterator[None]:
    """Add the time of the block."""
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    yield
    took["wall (s)"] = took.get("wall (s)", 0.0) + time.perf_counter() - began_s
    took["cpu (s)"] = took.get("cpu (s)", 0.0) + cpu_s() - began_cpu_s


def _cells(seeds: Sequence[int]) -> tuple[Cell, ...]:
    return cells_of(BUNDLES, DECODERS, PERTURBATIONS, seeds, OPTIONS)


def _sweep(folder: str, address: str, seeds: Sequence[int], on_cell: Callable[[int, int], None] | None = None) -> None:
    sweep(
        DECODERS, folder, bundles=BUNDLES, perturbations=PERTURBATIONS, seeds=seeds, engine=f"dask:{address}",
        on_cell=on_cell, **OPTIONS,
    )  # fmt: skip


def _documents(folder: str) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (Path(folder) / "cells").iterdir()}


def _equal(found: Mapping[str, str], expected: Mapping[str, str]) -> int:
    return sum(found.get(key) == document for key, document in expected.items())


def _imported() -> None:
    """What a process imports for its first cell."""
    task = cells_of(BUNDLES, ["oracle"], ["none"], [0], OPTIONS | {"trials": 1})[0].task
    json.loads(run_task(task))
