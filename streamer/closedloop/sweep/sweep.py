"""`spikeloop.sweep`: closed loops of decoders x bundles x perturbations x seeds, on many processes or machines."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import BadInputError
from spikeloop.models.html import Table
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_callable, checked_path
from spikeloop.streamer.batch.cells import CellFolder, run_cells
from spikeloop.streamer.batch.opening import open_engine
from spikeloop.streamer.batch.swept import Swept, check_axes, write_when_done
from spikeloop.streamer.closedloop.closed_loop import open_setup
from spikeloop.streamer.closedloop.setup import check_setup
from spikeloop.streamer.closedloop.sweep.cells import Cell, cells_of, perturbations_of
from spikeloop.streamer.closedloop.sweep.results import COLUMNS, SHOWN, means_of, sweep_page
from spikeloop.streamer.closedloop.sweep.work import run_task

__all__ = ["SweepResult", "sweep"]

# Of `closed_loop`: what is an axis of its own, needs real time, or can't be sent to another process.
UNFIT = {
    "bundle",
    "seeds",
    "perturbations",
    "clock",
    "name",
    "mqtt",
    "start_delay_s",
    "limits",
    "keep_bins",
    "on_trial",
}


class SweepResult(Swept):
    """What a sweep of closed loops came to; its attributes are those of every sweep."""

    def _table(self) -> Table:
        lines = [(*group, *means.values()) for group, means in means_of(self.rows)]
        return self._title(), ("bundle", "perturbations", "decoder", *SHOWN.values()), lines


def sweep(
    decoders: Sequence[str],
    out: str | Path,
    *,
    bundles: Sequence[str] = ("m1-sim",),
    perturbations: Sequence[str] = ("none",),
    seeds: Iterable[int] = range(8),
    engine: str = "processes",
    workers: int | None = None,
    origin: Origin | None = None,
    on_cell: Callable[[int, int], None] | None = None,
    **options: Any,
) -> SweepResult:
    """Run closed loops of every decoder with every bundle, perturbation and seed.

    Each cell, one session of one decoder, has the same figures, bit for bit, on whichever engine it runs. What is done
    is kept in a folder: after Ctrl-C, a crash or a kill, the same call goes on from there, and one with more decoders
    or seeds runs only the new ones. A cell runs again where its bundle, its decoder's file, an option or the
    version of spikeloop has changed.

    Parameters
    ----------
    decoders : sequence of str
        As on the command line: "kalman", "ridge", "python:FILE.py:NAME" ...
    out : str or Path
        A folder for the cells, `results.parquet` and `results.html`.
    bundles : sequence of str, default ("m1-sim",)
        Names or paths.
    perturbations : sequence of str, default ("none",)
        Each of them none, or one or several at once, as "drop:0.3" or "drop:0.3+latency:100".
    seeds : iterable of int, default range(8)
    engine : str, default "processes"
        `processes`, on this machine; `dask:ADDRESS`, on a scheduler's workers, which see the same paths; `slurm`, the
        share of this process in a job of Slurm, whose processes see the same folder; or `slurm:I/N`, that of process I
        of N.
    workers : int, optional
        Processes of `processes`; by default one for each core.
    origin : Origin, optional
        What made it, which the page says at its end.
    on_cell : callable (done, cells) -> None, optional
        Called before the first cell and after each.
    **options
        Further options of `closed_loop` that are numbers or texts, such as `task`, `trials` and `calibration_s`.

    Returns
    -------
    SweepResult

    Raises
    ------
    BadInputError
        If something can't be; before any cell runs.
    FailureError
        If a cell could not run (the others are kept), or a package that something needs is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> result = spikeloop.sweep(["kalman", "ridge"], "sweep", seeds=range(4), trials=8)  # doctest: +SKIP
    """
    require_packages("pyarrow", extra="batch", what="the table of a sweep")
    if on_cell is not None:
        checked_callable("on_cell", on_cell)
    folder, opened = CellFolder(checked_path("--out", out), COLUMNS), open_engine(engine, workers)
    cells = _checked_cells(decoders, bundles, perturbations, seeds, options)
    rows = run_cells(opened, run_task, folder, cells, on_cell or (lambda done, cells: None))
    result = SweepResult(folder.path, rows, len(cells))
    write_when_done(result, COLUMNS, lambda: sweep_page(rows, origin))
    return result


def _checked_cells(
    decoders: Sequence[str],
    bundles: Sequence[str],
    perturbations: Sequence[str],
    seeds: Iterable[int],
    options: dict[str, Any],
) -> tuple[Cell, ...]:
    """Return the cells, after a look at every decoder with every bundle."""
    check_axes({"--decoder": decoders, "--bundle": bundles, "--perturb": perturbations})
    if wrong := sorted(UNFIT & options.keys()):
        raise BadInputError(f"{wrong[0]}: expected no such option in a sweep; leave it out")
    every = [perturbation for text in perturbations for perturbation in perturbations_of(text)]
    for bundle in bundles:
        setup = open_setup(decoders, bundle=bundle, seeds=seeds, perturbations=every, **options)
        check_setup(setup)
        seeds = setup.seeds
    return cells_of(bundles, decoders, perturbations, tuple(seeds), options)
