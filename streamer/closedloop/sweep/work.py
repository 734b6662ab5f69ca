"""What a worker does: runs one cell, and gives its figures as a document that is the same wherever it runs."""

import json
from typing import Any

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.documents import json_values
from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.streamer.batch.engine import could_not_run
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.judged import judged
from spikeloop.streamer.closedloop.results.result import ClosedLoopResult, IncompleteError
from spikeloop.streamer.closedloop.results.trial_statistics import seconds_to_target
from spikeloop.streamer.closedloop.sweep.cells import Cell, perturbations_of
from spikeloop.streamer.inference.decoder_hash import decoder_sha256

__all__ = ["run_task"]


def run_task(task: str) -> str:
    """Run a cell, and return its document.

    Parameters
    ----------
    task : str
        As of `Cell.task`.

    Returns
    -------
    str
        JSON: the cell, its figures, and of each trial the outcome and the time to the target. Where the decoder
        failed, the reason too. Of a cell that could not run, as of `could_not_run`.
    """
    cell = Cell(**json.loads(task))
    try:
        _check_files(cell)
        document = _document(cell, _result(cell))
    except SpikeloopError as error:
        return could_not_run(f"{cell}: {error}")
    return json.dumps(json_values(document), allow_nan=False)


def _check_files(cell: Cell) -> None:
    """A worker on another machine may find other files at the same paths."""
    found = (load_bundle(cell.bundle).sha256, decoder_sha256(cell.decoder))
    if found != (cell.bundle_sha256, cell.decoder_sha256):
        raise FailureError("the worker found another bundle or decoder of that name; give every machine the same files")


def _result(cell: Cell) -> ClosedLoopResult:
    try:
        result = closed_loop(
            cell.decoder,
            bundle=cell.bundle,
            seeds=cell.seed,
            perturbations=perturbations_of(cell.perturbations),
            **cell.options,
        )
    except IncompleteError as incomplete:
        result = incomplete.result
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _document(cell: Cell, result: ClosedLoopResult) -> dict[str, Any]:
    report, (run,) = result.report, result.runs
    (decoder,) = report.decoders
    trials, bin_size_s = judged(run), report.bin_size_s
    figures = {name: getattr(figure, "value", figure) for name, figure in vars(decoder.closed_loop).items()}
    return {
        "bundle": cell.bundle,
        "bundle_sha256": report.sha256,
        "perturbations": cell.perturbations,
        "decoder": cell.decoder,
        "seed": cell.seed,
        **figures,
        "r_squared": decoder.r_squared.value,
        "correlation": decoder.correlation.value,
        "failure": run.record.failure,
        "outcomes": [trial.outcome for trial in trials],
        "times_s": [seconds_to_target(trial, bin_size_s) for trial in trials],
    }
