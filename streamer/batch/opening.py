"""The engine that a text names."""

import os

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.batch.dask import DaskEngine
from spikeloop.streamer.batch.engine import Engine
from spikeloop.streamer.batch.processes import ProcessEngine
from spikeloop.streamer.batch.slurm import share_engine, slurm_engine

__all__ = ["open_engine"]

MOST_WORKERS = 1024


def open_engine(text: str, workers: int | None = None) -> Engine:
    """Return the engine that a text names.

    Parameters
    ----------
    text : str
        `processes`, on this machine; `dask:ADDRESS`, on the workers of a scheduler of Dask; `slurm`, this process's
        share of a job that several processes have; or `slurm:I/N`, that of process I of N.
    workers : int, optional
        Processes of `processes`; by default as many as this process may use cores.

    Raises
    ------
    BadInputError
        If it names none, or there are workers for another than `processes`.
    FailureError
        If a package that it needs is not installed.
    """
    kind, _, argument = text.partition(":") if isinstance(text, str) else ("", "", "")
    if workers is not None and kind != "processes":
        raise BadInputError(f"--workers: expected none with --engine {text}, which has its own, found {workers!r:.80}")
    if kind == "dask" and argument:
        return DaskEngine(argument)
    if kind == "slurm" and ":" not in text:
        return slurm_engine(os.environ)
    if kind == "slurm":
        return share_engine(argument)
    if kind == "processes" and not argument:
        count = _cores() if workers is None else checked_whole("--workers", workers, 1, MOST_WORKERS)
        return ProcessEngine(count)
    raise BadInputError(f"--engine: expected processes, dask:ADDRESS, slurm or slurm:I/N, found {text!r:.80}")


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it alone
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
