"""`spikeloop.decode_sweep`: decoders offline, over many recordings, bundles, widths of bins and seeds."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.decoders.spec import decoder_specs
from spikeloop.models.errors import BadInputError
from spikeloop.models.html import Table
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_callable, checked_path
from spikeloop.streamer.batch.cells import CellFolder, run_cells
from spikeloop.streamer.batch.opening import open_engine
from spikeloop.streamer.batch.swept import Swept, check_axes, write_when_done
from spikeloop.streamer.inference.decoder_hash import decoder_sha256
from spikeloop.streamer.launch.checks import check_seed, whole_bins
from spikeloop.streamer.launch.compare_decoders import check_specs
from spikeloop.streamer.launch.decode_sweep.cells import COLUMNS, RECORDED, DecodeCell, recording_sha256, run_task
from spikeloop.streamer.launch.decode_sweep.page import HEADINGS, decode_sweep_page, means_of

__all__ = ["DecodeSweepResult", "decode_sweep"]

FIT = ("target", "folds", "lag_s", "history_s", "in_process")  # options of `compare_decoders` that a cell may have


class DecodeSweepResult(Swept):
    """What a sweep of `decode` came to; its attributes are those of every sweep."""

    def _table(self) -> Table:
        lines = [(*place, *cells) for place, cells in means_of(self.rows)]
        return self._title(), ("recording", "bundle", *HEADINGS), lines


def decode_sweep(
    recordings: Sequence[str],
    decoders: Sequence[str],
    out: str | Path,
    *,
    bundles: Sequence[str] = (RECORDED,),
    decoder_bins_s: Sequence[float] = (),
    seeds: Iterable[int] = (0,),
    engine: str = "processes",
    workers: int | None = None,
    origin: Origin | None = None,
    on_cell: Callable[[int, int], None] | None = None,
    **options: Any,
) -> DecodeSweepResult:
    """Compare decoders offline, over every recording, bundle, width of bins and seed.

    Each cell, one decoder on one recording, has the same figures, bit for bit, on whichever engine it runs. What is
    done is kept in a folder, from which the same call, or one with more cells, goes on.

    Parameters
    ----------
    recordings : sequence of str
        Names or paths.
    decoders : sequence of str
        As on the command line.
    out : str or Path
        A folder for the cells, `results.parquet` and `results.html`.
    bundles : sequence of str, default ("none",)
        Each answers to the recordings' movement, as of `compare_decoders`; "none" for recorded spikes alone.
    decoder_bins_s : sequence of float > 0, s, default ()
        Widths of the decoders' bins; by default each recording's own.
    seeds : iterable of int, default (0,)
    engine, workers
        As of `sweep`.
    origin : Origin, optional
        What made it, which the page says at its end.
    on_cell : callable (done, cells) -> None, optional
        Called before the first cell and after each.
    **options
        Of `compare_decoders`: target, folds, lag_s, history_s, in_process.

    Returns
    -------
    DecodeSweepResult

    Raises
    ------
    BadInputError
        If something can't be; before any cell runs.
    FailureError
        If a cell could not run (the others are kept), or a package that something needs is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.decode_sweep(["m1-sim:120"], ["kalman", "ridge"], "sweep", seeds=range(4))  # doctest: +SKIP
    """
    require_packages("pyarrow", extra="batch", what="the table of a sweep")
    if on_cell is not None:
        checked_callable("on_cell", on_cell)
    folder, opened = CellFolder(checked_path("--out", out), COLUMNS), open_engine(engine, workers)
    cells = _cells(recordings, decoders, bundles, decoder_bins_s, seeds, options)
    rows = run_cells(opened, run_task, folder, cells, on_cell or (lambda done, cells: None))
    result = DecodeSweepResult(folder.path, rows, len(cells))
    write_when_done(result, COLUMNS, lambda: decode_sweep_page(rows, origin))
    return result


def _cells(
    recordings: Sequence[str],
    decoders: Sequence[str],
    bundles: Sequence[str],
    decoder_bins_s: Sequence[float],
    seeds: Iterable[int],
    options: dict[str, Any],
) -> tuple[DecodeCell, ...]:
    """Return the cells, in the order of recordings, bundles, widths, seeds, then decoders, after a look at each."""
    check_axes({"RECORDING": recordings, "--decoder": decoders, "--bundle": bundles})
    numbers = tuple(check_seed(seed) for seed in seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise BadInputError(f"--seed: expected different seeds, found {', '.join(map(str, numbers)) or 'none'}")
    if wrong := sorted(options.keys() - set(FIT)):
        raise BadInputError(f"{wrong[0]}: expected no such option in a sweep of decode; leave it out")
    specs, cells = decoder_specs(list(decoders)), list[DecodeCell]()
    bundle_hashes = {bundle: "" if bundle == RECORDED else load_bundle(bundle).sha256 for bundle in bundles}
    decoder_hashes = {decoder: decoder_sha256(decoder) for decoder in decoders}
    for name in recordings:
        recording = read_recording(name)
        widths = [whole_bins("--bin-ms", width_s, recording.bin_size_s, least=1) for width_s in decoder_bins_s]
        if len(set(widths)) < len(widths):
            raise BadInputError(f"--bin-ms: expected different widths, found {', '.join(map(str, decoder_bins_s))}")
        check_specs(recording, specs, **options)
        hashed = recording_sha256(recording)
        cells += [
            DecodeCell(name, bundle, decoder, width_ms, seed, hashed, bundle_hashes[bundle], decoder_hashes[decoder],
                       options)
            for bundle in bundles
            for width_ms in [1000 * float(width_s) for width_s in decoder_bins_s] or [None]
            for seed in numbers
            for decoder in decoders
        ]  # fmt: skip
    return tuple(cells)
