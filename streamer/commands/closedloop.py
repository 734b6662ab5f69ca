"""`spikeloop closedloop`: decoders tested in the loop, with a user, a population and a task."""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.markup import escape
from rich.progress import Progress, TaskID

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import INTERRUPTED, BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.inference.runtime import Device

if TYPE_CHECKING:
    from spikeloop.streamer.closedloop.experiment.record import Moment, Watcher
    from spikeloop.streamer.closedloop.results.result import ClosedLoopResult
    from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["closedloop"]

EVERY_S = 1.0  # of calibration, between two updates of its progress


def closedloop(
    *,
    bundle: str = "m1-sim",
    task: str = "center-out",
    user: str = "simulated",
    decoder: tuple[str, ...] = ("kalman",),
    trials: int = 64,
    seed: int = 0,
    sessions: int = 1,
    clock: Literal["simulated", "real"] = "simulated",
    calibration: float = 180.0,
    recalibrate: int = 0,
    observation_gain: float = 1.0,
    gain: float = 1.0,
    smoothing: float = 0.0,
    decoder_bin: float | None = None,
    history_ms: float = 200.0,
    perturb: tuple[str, ...] = (),
    units: int | None = None,
    device: Device = "auto",
    name: str = "spikeloop",
    mqtt: str | None = None,
    start_delay: float = 0.0,
    in_process: bool = False,
    days: int = 0,
    drift: str = "units",
    policy: tuple[str, ...] = ("none", "daily", "stabilize", "refit"),
    save: Path | None = None,
    report: Path | None = None,
    json: bool = False,
) -> int:
    """Compare decoders in a closed loop.

    In each session the decoder is first calibrated while the user watches a moving cursor. Then the user moves the
    cursor through population and decoder, from target to target. Several decoders get the same seeds and targets. On
    the simulated clock the same seed gives the same report.

    Parameters
    ----------
    bundle : str
        population that answers to velocity: name of a shipped bundle (see `spikeloop models`), or path of a bundle's
        folder or .zip
    task : str
        center-out, random (targets at random places), grid (a keyboard without letters) or webgrid (one of 30 x 30)
    user : str
        who moves the cursor: simulated (feedback control with delayed vision, Willett et al. 2019); adapting (the same,
        who learns over trials how the decoder turns and scales, at the rates of Smith et al. 2006, or adapting:RATE);
        scripted:FILE.npz (array `velocity` of shape (bins, 2), cm/s); or lsl:STREAM (a mouse or any device: velocity x
        and y, cm/s)
    decoder : tuple of str
        decoders to compare with each other: kalman, refit_kalman (a Kalman filter that is shown where the cursor
        is), ridge, wiener, population_vector, chance, recurrent; a file (.onnx, .pt2, .pt, .skops); python:FILE.py:NAME
        or python:MODULE:NAME; falcon:FILE.py:CLASS; sklearn:ESTIMATOR; lsl:STREAM (a process that reads the spikes and
        publishes velocity); oracle (receives the user's intended velocity itself)
    trials : int >= 1, trials
        trials of each session
    seed : int >= 0
        seed of the first session; each further session adds 1
    sessions : int >= 1, sessions
        sessions of each decoder
    clock : str
        simulated runs as fast as the machine allows; real runs the population in a process of its own, over LSL
    calibration : float >= 0, s
        length of the calibration; 0 for decoders that are trained already
    recalibrate : int >= 0, trials
        trials after which the decoder is fitted again to the estimated intended velocity (ReFIT, Gilja et al. 2012);
        --trials further trials follow. 0 for never
    observation_gain : float > 0
        modulation of the population during the calibration, in which the user only watches, as a factor of that in the
        closed loop
    gain : float > 0
        factor on the decoded velocity
    smoothing : float, 0 to below 1
        share of the decoded velocity that is kept from one bin to the next
    decoder_bin : float > 0, ms, optional
        width of the decoder's bins, a multiple of the bundle's; by default the bundle's
    history_ms : float > 0, ms
        how far back ridge, wiener, population_vector and sklearn look, to the nearest whole bin; ridge:3 looks at 3
        bins whatever their width
    perturb : tuple of str
        changes to the loop, KIND:VALUE or KIND:VALUE@ONSET_S: drop:SHARE of units, drift:SD of log rates a minute,
        noise:HZ, loss:SHARE of bins, latency:MS, rotation:DEGREES
    units : int >= 1, units, optional
        units that reach the decoder, chosen at random by --seed; by default all
    device : str
        processor that runs the generator
    name : str
        name of the LSL streams, with --clock real
    mqtt : str, optional
        broker to publish the cursor and the events to, with --clock real; as in `spikeloop stream --mqtt`
    start_delay : float >= 0, s
        time from when a session's streams are there to its first bin, with --clock real; enough to attach a recorder
    in_process : bool
        run decoders of your own in this process, which saves 0.1 ms a bin; by default each has a process of its own, so
        that one that hangs or crashes fails its own trials only
    days : int >= 0, days
        days over which the population drifts, with sessions on each; 0 for sessions without days
    drift : str
        how it drifts, with --days: units (sorted single units), channels (threshold crossings) or steady; values can be
        changed: units,kept_half_life_days=10
    policy : tuple of str
        what is done about it, with --days, compared with the first: none; daily (a calibration each day);
        refit:TRIALS (fitted to the velocity intended in the first trials of each day); stabilize:TRIALS (factor
        analysis, aligned, without labels: Degenhart et al. 2020); python:FILE.py:NAME
    save : path, optional
        .npz file to write, with what happened in each bin and what makes the spikes again; or, of one session of one
        decoder, .nwb file
    report : path, optional
        .html file to write, with tables, intervals and pictures
    json : bool
        print the report as one JSON document
    """
    _check_files(save, report, len(decoder), sessions)
    from spikeloop.streamer.closedloop.closed_loop import MOST_SESSIONS, open_setup

    checked_whole("--sessions", sessions, 1, MOST_SESSIONS)
    options: dict[str, Any] = {
        "bundle": bundle, "task": task, "user": user, "trials": trials, "seeds": range(seed, seed + sessions),
        "clock": clock, "calibration_s": calibration, "recalibrate_after": recalibrate,
        "observation_gain": observation_gain, "gain": gain, "smoothing": smoothing,
        "decoder_bin_s": None if decoder_bin is None else decoder_bin / 1000, "history_s": history_ms / 1000,
        "perturbations": perturb, "units": units, "device": device, "name": name, "mqtt": mqtt,
        "start_delay_s": start_delay, "in_process": in_process,
    }  # fmt: skip
    if days:
        from spikeloop.streamer.commands.closedloop_days import follow_over_days

        return follow_over_days(decoder, days, drift, policy, save, report, json, **options)
    return _compare(open_setup(decoder, **options), save, report, json)


def _compare(setup: "Setup", save: Path | None, report: Path | None, json: bool) -> int:
    """Run all sessions, then write and print what they came to; return the exit code."""
    from spikeloop.streamer.closedloop.results.result import IncompleteError

    if setup.start_delay_s:
        waits = (
            f"each session waits {setup.start_delay_s:g} s for recorders of its streams: spikeloop record {setup.name}"
            " --out FILE.xdf"
        )
        SideConsole().print(waits, markup=False, highlight=False, soft_wrap=True)
    error = None
    try:
        result = _run(setup, keep_bins=save is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except IncompleteError as incomplete:
        result, error = incomplete.result, incomplete
    _write(result, report, save, json)
    if result.interrupted:
        return INTERRUPTED
    if error is not None:
        raise error
    return 0


def _check_files(save: Path | None, report: Path | None, decoders: int, sessions: int) -> None:
    """Before the work, not after it."""
    from spikeloop.streamer.closedloop.results.saved import check_one_session, saved_path

    if save is not None:
        if saved_path(save).suffix == ".nwb":
            check_one_session(decoders, sessions)
            require_packages("pynwb", extra="nwb", what="writing NWB files")
        check_writable(save)
    if report is not None:
        if report.suffix != ".html":
            raise BadInputError(f"--report: expected a file ending in .html, found {report}")
        check_writable(report)
        require_packages("matplotlib", extra="evaluate", what="the report")


def _write(result: "ClosedLoopResult", report: Path | None, save: Path | None, json: bool) -> None:
    """Write the files, then print: whoever reads stdout may be gone."""
    from spikeloop.streamer.commands.results.closedloop import print_findings

    try:
        if report is not None:
            result.write_report(report, datetime.now() if result.setup.clock == "real" else None)
        if save is not None:
            result.save(save)
    finally:
        if json:
            print_json(result.to_dict())
        else:
            print_findings(result.report)
    if not json:
        for what, path in (("report", report), ("saved", save)):
            if path is not None:
                print(f"{what}: {path}")


def _run(setup: "Setup", keep_bins: bool) -> "ClosedLoopResult":
    """Run all sessions with a progress bar; what the user's own code prints goes to stderr."""
    from spikeloop.streamer.closedloop.closed_loop import run_setup
    from spikeloop.streamer.closedloop.progress import TrialCounter

    with Progress(console=SideConsole(), transient=True) as progress, redirect_stdout(sys.stderr):
        task = progress.add_task("")
        counter = TrialCounter(setup, lambda trial: progress.update(task, completed=trial.done))
        progress.update(task, total=counter.total)

        def watch(name: str, seed: int) -> _Description:
            return _Description(progress, task, setup, counter.watch(name, seed), f"{name}, seed {seed}")

        return run_setup(setup, watch, keep_bins)


class _Description:
    """Says before the progress bar how far a session is."""

    def __init__(self, progress: Progress, task: TaskID, setup: "Setup", watcher: "Watcher", session: str) -> None:
        self._progress, self._task, self._watcher, self._session = progress, task, watcher, escape(session)
        self._bin_size_s, self._calibration_s = setup.loaded.card.bin_size_s, setup.plan.calibration_s
        self._every = max(1, round(EVERY_S / self._bin_size_s))

    def show(self, moment: "Moment") -> None:
        """A bin is over."""
        self._watcher.show(moment)
        done: str = moment.block
        if moment.block == "calibration":
            if moment.bin % self._every:
                return
            done = f"calibration {moment.bin * self._bin_size_s:.0f} of {self._calibration_s:.0f} s"
        elif not any(event.kind == "target" for event in moment.events):
            return
        self._progress.update(self._task, description=f"{self._session}: {done}")
