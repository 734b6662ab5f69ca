"""`spikeloop decodesweep`: decoders offline, over recordings x bundles x widths of bins x seeds, on many processes."""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Annotated

from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import INTERRUPTED
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.launch.compare_decoders import DECODERS

__all__ = ["decodesweep"]

MOST_SEEDS = 10_000


def decodesweep(
    recordings: Annotated[Positional[tuple[str, ...]], option("RECORDING ...", default="(required)")],
    *,
    out: Path,
    decoder: tuple[str, ...] = DECODERS,
    bundle: tuple[str, ...] = ("none",),
    bin_ms: tuple[float, ...] = (),
    seed: int = 0,
    sessions: int = 1,
    engine: str = "processes",
    workers: int | None = None,
    target: tuple[str, ...] = ("velocity",),
    folds: int = 5,
    lag_ms: float = 0.0,
    history_ms: float = 200.0,
    in_process: bool = False,
    json: bool = False,
) -> int:
    """Compare decoders offline over many recordings, bins and seeds.

    Every decoder decodes every recording, with every bundle's answers where bundles are given, in bins of every width,
    with every seed. The figures are those of `spikeloop decode`, the same, bit for bit, on whichever engine they are
    made. What is done is kept in a folder: after Ctrl-C, a crash or a kill the same command goes on from there, and one
    with more decoders, widths or seeds runs only those that are new. When all are done, the folder holds every figure
    as results.parquet, and means as results.html.

    Parameters
    ----------
    recordings : tuple of str
        recordings with kinematics, as in `spikeloop decode`
    out : path
        folder to write to
    decoder : tuple of str
        decoders, as in `spikeloop decode`
    bundle : tuple of str
        none (recorded spikes alone), and bundles that answer to the recordings' movement
    bin_ms : tuple of float, ms
        widths of the decoders' bins, multiples of the recordings'; by default each recording's own
    seed : int >= 0
        first seed of random choices: of chance, recurrent, decoders of your own, and bundles
    sessions : int >= 1, seeds
        seeds, each 1 above the one before
    engine : str
        where cells run: processes (of this machine); dask:ADDRESS (workers of a scheduler of Dask, which see the same
        paths); slurm (the share of this process in a job); or slurm:I/N (the share of process I of N)
    workers : int >= 1, optional
        processes of --engine processes; by default one for each core
    target : tuple of str
        what to decode: velocity, position, or names of conditions
    folds : int >= 2
        contiguous segments; each is decoded by a decoder fitted on the others
    lag_ms : float >= 0, ms
        time by which the kinematics follow the spikes
    history_ms : float > 0, ms
        how far back decoders look, as in `spikeloop decode`
    in_process : bool
        run decoders of your own in the process of their cell, and not in one of their own
    json : bool
        print the results as one JSON document
    """
    command = as_typed(decodesweep, locals())
    from spikeloop.streamer.launch.decode_sweep.decode_sweep import decode_sweep

    checked_whole("--sessions", sessions, 1, MOST_SEEDS)
    latest = (0, 0)
    try:
        with Progress(console=SideConsole(), transient=True) as progress, redirect_stdout(sys.stderr):
            bar = progress.add_task("cells", total=None)

            def on_cell(done: int, cells: int) -> None:
                nonlocal latest
                latest = (done, cells)
                progress.update(bar, completed=done, total=cells)

            result = decode_sweep(
                recordings, decoder, out, bundles=bundle, decoder_bins_s=[width / 1000 for width in bin_ms],
                seeds=range(seed, seed + sessions), engine=engine, workers=workers,
                origin=Origin(command, str(seed), datetime.now()), on_cell=on_cell, target=target, folds=folds,
                lag_s=lag_ms / 1000, history_s=history_ms / 1000, in_process=in_process,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(f"interrupted: {latest[0]} of {latest[1]} cells are in {out}; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    if json:
        print_json(result.to_dict())
        return 0
    print(result)
    if result.table is not None:
        print(f"table: {result.table}\npage: {result.page}")
    else:
        print(f"{result.cells - len(result.rows)} cells are left to other processes; the last one writes the table")
    return 0
