"""`spikeloop sweep`: closed loops of decoders x bundles x perturbations x seeds, on many processes or machines."""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path

from rich.progress import Progress

from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import INTERRUPTED
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.inference.runtime import Device

__all__ = ["sweep"]


def sweep(
    *,
    out: Path,
    decoder: tuple[str, ...] = ("kalman", "ridge"),
    bundle: tuple[str, ...] = ("m1-sim",),
    perturb: tuple[str, ...] = ("none",),
    seed: int = 0,
    sessions: int = 8,
    engine: str = "processes",
    workers: int | None = None,
    task: str = "center-out",
    user: str = "simulated",
    trials: int = 64,
    calibration: float = 180.0,
    recalibrate: int = 0,
    observation_gain: float = 1.0,
    gain: float = 1.0,
    smoothing: float = 0.0,
    decoder_bin: float | None = None,
    history_ms: float = 200.0,
    units: int | None = None,
    device: Device = "auto",
    in_process: bool = False,
    json: bool = False,
) -> int:
    """Compare decoders over many bundles, perturbations and seeds.

    The figures of each session are the same, bit for bit, on whichever engine it runs. What is done is kept in a
    folder: after Ctrl-C, a crash or a kill the same command goes on from there, and one with more decoders or sessions
    runs only the new ones. When all are done, the folder holds the figures of every session as results.parquet, and
    their means as results.html.

    Parameters
    ----------
    out : path
        folder to write to
    decoder : tuple of str
        decoders, as in `spikeloop closedloop`
    bundle : tuple of str
        populations that answer to velocity, as in `spikeloop closedloop`
    perturb : tuple of str
        changes to the loop, each in sessions of its own: none, or as in `spikeloop closedloop`; several at once are
        joined by +, as in drop:0.3+latency:100
    seed : int >= 0
        seed of the first session; each further session adds 1
    sessions : int >= 1, sessions
        sessions of each decoder with each bundle and perturbation
    engine : str
        where sessions run: processes (of this machine); dask:ADDRESS (workers of a scheduler of Dask, which see the
        same paths); slurm (the share of this process in a job: srun -n 8 spikeloop sweep ...); or
        slurm:I/N (the share of process I of N)
    workers : int >= 1, optional
        processes of --engine processes; by default one for each core
    task : str
        task, as in `spikeloop closedloop`
    user : str
        user, as in `spikeloop closedloop`
    trials : int >= 1, trials
        trials of each session
    calibration : float >= 0, s
        length of the calibration; 0 for decoders that are trained already
    recalibrate : int >= 0, trials
        trials after which the decoder is fitted again, as in `spikeloop closedloop`
    observation_gain : float > 0
        modulation of the population in the calibration, as a share of that in the closed loop
    gain : float > 0
        factor on the decoded velocity
    smoothing : float, 0 to below 1
        share of the decoded velocity that is kept from one bin to the next
    decoder_bin : float > 0, ms, optional
        width of the decoder's bins, a multiple of the bundle's; by default the bundle's
    history_ms : float > 0, ms
        how far back decoders look, as in `spikeloop closedloop`
    units : int >= 1, units, optional
        units that reach the decoder, chosen at random by the seed; by default all
    device : str
        processor that runs the generator
    in_process : bool
        run decoders of your own in the process of their session, and not in one of their own
    json : bool
        print the results as one JSON document
    """
    command = as_typed(sweep, locals())
    from spikeloop.streamer.closedloop.closed_loop import MOST_SESSIONS
    from spikeloop.streamer.closedloop.sweep.sweep import sweep as run_sweep

    checked_whole("--sessions", sessions, 1, MOST_SESSIONS)
    latest = (0, 0)
    try:
        with Progress(console=SideConsole(), transient=True) as progress, redirect_stdout(sys.stderr):
            bar = progress.add_task("sessions", total=None)

            def on_cell(done: int, cells: int) -> None:
                nonlocal latest
                latest = (done, cells)
                progress.update(bar, completed=done, total=cells)

            result = run_sweep(
                decoder, out, bundles=bundle, perturbations=perturb, seeds=range(seed, seed + sessions), engine=engine,
                workers=workers, origin=Origin(command, str(seed), datetime.now()), on_cell=on_cell, task=task,
                user=user, trials=trials, calibration_s=calibration, recalibrate_after=recalibrate,
                observation_gain=observation_gain, gain=gain, smoothing=smoothing,
                decoder_bin_s=None if decoder_bin is None else decoder_bin / 1000, history_s=history_ms / 1000,
                units=units, device=device, in_process=in_process,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(
            f"interrupted: {latest[0]} of {latest[1]} sessions are in {out}; the same command goes on", file=sys.stderr
        )
        return INTERRUPTED
    if json:
        print_json(result.to_dict())
        return 0
    print(result)
    if result.table is not None:
        print(f"table: {result.table}\npage: {result.page}")
    else:
        print(f"{result.cells - len(result.rows)} sessions are left to other processes; the last one writes the table")
    return 0
