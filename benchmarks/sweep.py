"""A sweep of 64 sessions on two workers of Dask, beside the same one after another in one process."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from spikeloop.streamer.closedloop.sweep.cells import Cell, cells_of
from spikeloop.streamer.closedloop.sweep.sweep import sweep
from spikeloop.streamer.closedloop.sweep.work import run_task

BUNDLES, DECODERS = ["m1-sim"], ["kalman", "ridge", "population_vector", "chance"]
PERTURBATIONS, SEEDS = ["none", "drop:0.3+latency:100"], range(8)
OPTIONS: dict[str, Any] = {"trials": 2, "calibration_s": 20.0}
WORKERS, KILLED_AFTER = 2, 16  # cells


def measure(seconds: float) -> dict:  # noqa: ARG001
    """One process, then two workers, then two workers of which one is killed."""
    cells = cells_of(BUNDLES, DECODERS, PERTURBATIONS, SEEDS, OPTIONS)
    run_task(cells[0].task)  # imports, as workers have them behind them when they are measured
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    expected = {cell.key: run_task(cell.task) for cell in cells}
    one = {"wall (s)": time.perf_counter() - began_s, "cpu (s)": time.process_time() - began_cpu_s}
    rows = [_row("one process", one, one, len(cells), 1)]
    for killed in (False, True):
        found, took = _on_dask(cells, killed)
        what = "two workers, one killed" if killed else "two workers of Dask"
        rows.append(_row(what, took, one, sum(found[key] == expected[key] for key in expected), WORKERS))
    return {
        "about": f"`spikeloop sweep`, {len(cells)} cells: {', '.join(BUNDLES)}; {', '.join(DECODERS)}; perturbations"
        f" {' and '.join(PERTURBATIONS)}; {len(SEEDS)} seeds; {OPTIONS['trials']} trials, calibration of"
        f" {OPTIONS['calibration_s']:g} s. On `dask.distributed` LocalCluster, {WORKERS} workers of one thread.",
        "rows": rows,
        "notes": [
            "`equal`: cells whose document is, byte for byte, that of one process. `speed-up`: by wall-clock time;"
            " `efficiency`: of the workers' cores. `cpu`: of the processes that ran cells; that of a worker that was"
            " killed is not in it. One worker is killed with SIGKILL when a quarter of the cells is done.",
            f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        ],
    }


def _on_dask(cells: tuple[Cell, ...], killed: bool) -> tuple[dict[str, str], dict[str, float]]:
    """The document of each cell, and how long all took, on workers that are ready."""
    local: Any = LocalCluster
    connected: Any = Client
    with (
        tempfile.TemporaryDirectory() as folder,
        local(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        connected(cluster.scheduler_address, set_as_default=False) as client,
    ):
        client.run(_imported)
        cpu_s = sum(client.run(time.process_time).values())
        victim = next(iter(client.run(os.getpid).values()))

        def kill(done: int, _: int) -> None:
            if killed and done == KILLED_AFTER:
                os.kill(victim, signal.SIGKILL)

        began_s = time.perf_counter()
        sweep(
            DECODERS, folder, bundles=BUNDLES, perturbations=PERTURBATIONS, seeds=SEEDS, on_cell=kill,
            engine=f"dask:{cluster.scheduler_address}", **OPTIONS,
        )  # fmt: skip
        took = {"wall (s)": time.perf_counter() - began_s}
        took["cpu (s)"] = sum(client.run(time.process_time).values()) - (0 if killed else cpu_s)
        return {cell.key: (Path(folder) / "cells" / f"{cell.key}.json").read_text() for cell in cells}, took


def _imported() -> None:
    """What a worker imports for its first cell."""
    task = cells_of(BUNDLES, ["oracle"], ["none"], [0], OPTIONS | {"trials": 1})[0].task
    json.loads(run_task(task))


def _row(what: str, took: dict[str, float], one: dict[str, float], equal: int, workers: int) -> dict:
    speed_up = one["wall (s)"] / took["wall (s)"]
    return {"": what, **took, "speed-up": speed_up, "efficiency": speed_up / workers, "equal": equal}
