"""`spikeloop closedloop`: decoders tested in the loop, with a user, a population and a task."""

import dataclasses
import math
import os
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.markup import escape
from rich.progress import Progress, TaskID

from spikeloop.exporters.bundle import read_bundle
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.streamer.commands.options import check_seed, require_packages
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.session import Device

if TYPE_CHECKING:
    from spikeloop.streamer.closedloop.comparison import Clock, OpenLoop, Run, Setup
    from spikeloop.streamer.closedloop.record import Moment

__all__ = ["closedloop"]

INTERRUPTED = 130
MOST_TRIALS, MOST_SESSIONS = 100_000, 1000
ROUNDING = 1e-6  # of a bin
TELL_S = 1.0  # between two words on how far calibration is


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
    gain: float = 1.0,
    smoothing: float = 0.0,
    decoder_bin: float | None = None,
    perturb: tuple[str, ...] = (),
    units: int | None = None,
    device: Device = "auto",
    name: str = "spikeloop",
    mqtt: str | None = None,
    save: Path | None = None,
    report: Path | None = None,
    json: bool = False,
) -> int:
    """Test decoders in a closed loop, and compare them over the same seeds.

    In each session the decoder first learns while the user watches a cursor move (calibration), then the user moves
    the cursor through it from target to target. On a simulated clock the same seed gives the same report.

    Parameters
    ----------
    bundle
        the population, driven by velocity: a shipped bundle's name (see `spikeloop models`), or the path of a folder
        or .zip
    task
        center-out, random (targets at random places) or grid (a keyboard without letters)
    user
        simulated (feedback control with delayed vision, Willett et al. 2019), scripted:FILE.npz (array velocity: bins
        x 2, cm/s), or lsl:STREAM (a mouse or any device: velocity x and y in cm/s)
    decoder
        one or several: kalman, ridge, wiener, population_vector, chance, recurrent; onnx:FILE; python:FILE.py:NAME or
        python:MODULE:NAME; sklearn:ESTIMATOR; lsl:STREAM (a process that reads the spikes and publishes velocity);
        oracle (is told what the user intends). Others are compared with the first
    trials
        of each session
    seed
        of the first session; the next have the next ones
    sessions
        of each decoder
    clock
        simulated runs as fast as the machine allows; real has the population in a process of its own, over LSL
    calibration
        seconds; 0 for decoders that have learned already
    recalibrate
        trials after which the decoder learns anew from what the user must have intended (the intention estimation of
        ReFIT, Gilja et al. 2012);
        `trials` follow; 0 for never
    gain
        of the decoded velocity
    smoothing
        of the decoded velocity: the part of it that stays from one bin to the next, from 0 to below 1
    decoder_bin
        ms that the decoder takes as one bin, a multiple of the bundle's; by default the bundle's
    perturb
        what goes wrong in the loop, KIND:VALUE or KIND:VALUE@ONSET_S: drop:SHARE of units, drift:SD of log rates a
        minute, noise:HZ, loss:SHARE of bins, latency:MS, rotation:DEGREES
    units
        of the population, drawn at random from the seed, that reach the decoder; by default all
    device
        where the generator runs
    name
        of the LSL streams of a real clock
    mqtt
        broker that is told the cursor and events of a session on a real clock, as of `spikeloop stream --mqtt`
    save
        .npz file for what happened in every bin
    report
        .html file to write: tables with intervals, and pictures
    json
        print one JSON document
    """
    _check_numbers(trials, recalibrate, sessions, seed)
    _check_files(save, report)
    from spikeloop.streamer.closedloop.comparison import Setup, opener
    from spikeloop.streamer.closedloop.perturbations import parse_perturbation
    from spikeloop.streamer.closedloop.report import as_document, report_of
    from spikeloop.streamer.closedloop.session import Plan
    from spikeloop.streamer.closedloop.tasks import open_task
    from spikeloop.streamer.commands.closedloop_findings import print_findings, save_blocks
    from spikeloop.streamer.mqtt.address import parse_address

    loaded = read_bundle(bundle)
    plan = Plan(
        task=open_task(task),
        trials=trials,
        calibration_s=calibration,
        recalibrate_after=recalibrate,
        gain=gain,
        smoothing=smoothing,
        decoder_bins=_decoder_bins(decoder_bin, loaded.card.bin_size_s),
        perturbations=tuple(map(parse_perturbation, perturb)),
        seed=seed,
    )
    broker = parse_address(mqtt) if mqtt is not None else None
    setup = Setup(bundle, loaded, user, decoder, plan, sessions, units, device, name, broker)
    done = _run(setup, opener(setup, clock), save is not None)
    if not done.runs:
        return INTERRUPTED
    found = report_of(setup, done.runs, clock=clock, command=_command(setup, clock), interrupted=done.interrupted)
    try:  # files first: whoever reads stdout may be gone
        if report is not None:
            from spikeloop.streamer.closedloop.page import write_page

            write_page(report, found, setup, done.runs)
        if save is not None:
            save_blocks(save, setup, done.runs)
    finally:
        if json:
            print_json(as_document(found))
        else:
            print_findings(found)
    if not json:
        for what, path in (("report", report), ("saved", save)):
            if path is not None:
                print(f"{what}: {path}")
    if found.interrupted:
        return INTERRUPTED
    if done.error is not None:
        raise done.error
    if found.failures:
        raise FailureError(f"ended before its end: {'; '.join(found.failures)}; the report is of what was done")
    return 0


def _check_numbers(trials: int, recalibrate: int, sessions: int, seed: int) -> None:
    for option, value, least, most in (
        ("--trials", trials, 1, MOST_TRIALS),
        ("--recalibrate", recalibrate, 0, MOST_TRIALS),
        ("--sessions", sessions, 1, MOST_SESSIONS),
    ):
        if not least <= value <= most:
            raise BadInputError(f"{option}: expected {least} to {most}, found {value}")
    check_seed(seed)
    check_seed(seed + sessions - 1)


def _check_files(save: Path | None, report: Path | None) -> None:
    """Before the work, not after it."""
    for option, path, suffix in (("--save", save, ".npz"), ("--report", report, ".html")):
        if path is None:
            continue
        if path.suffix != suffix:
            raise BadInputError(f"{option}: expected a file ending in {suffix}, found {path}")
        nearest = next(each for each in path.absolute().parents if each.exists())
        if path.is_dir() or not nearest.is_dir() or not os.access(nearest, os.W_OK):
            raise FailureError(f"could not write {path} (a folder, or in none that can be written to); choose another")
    if report is not None:
        require_packages("matplotlib", extra="evaluate", what="the report")


def _decoder_bins(decoder_bin_ms: float | None, bin_size_s: float) -> int:
    bins = 1.0 if decoder_bin_ms is None else decoder_bin_ms / 1000 / bin_size_s
    if not math.isfinite(bins) or abs(bins - round(bins)) > ROUNDING or bins < 1 - ROUNDING:
        raise BadInputError(f"--decoder-bin: expected a multiple of {1000 * bin_size_s:g} ms, found {decoder_bin_ms:g}")
    return round(bins)


@dataclass(frozen=True, eq=False)
class _Done:
    """What was done until something ended it, if anything did."""

    runs: list["Run"]
    interrupted: bool = False
    error: SpikeloopError | None = None


def _run(setup: "Setup", open_loop: "OpenLoop", keep: bool) -> _Done:
    """Run all sessions; what is neither drawn nor kept of them is let go of, bin by bin.

    Raises
    ------
    BadInputError, FailureError
        If none can begin.
    """
    from spikeloop.streamer.closedloop.comparison import run_comparison

    runs: list[Run] = []
    try:
        with Progress(console=SideConsole(), transient=True) as progress:
            total = len(setup.seeds) * len(setup.decoders) * (setup.plan.recalibrate_after + setup.plan.trials)
            task = progress.add_task("", total=total)
            for run in run_comparison(setup, open_loop, partial(_Teller, progress, task, setup)):
                drawn = keep or run.seed == setup.plan.seed
                kept = run if drawn else dataclasses.replace(run, record=dataclasses.replace(run.record, blocks=()))
                runs.append(kept)
    except KeyboardInterrupt:
        return _Done(runs, interrupted=True)
    except SpikeloopError as error:
        if not runs:
            raise
        return _Done(runs, error=error)
    return _Done(runs)


class _Teller:
    """Tells how far a session is."""

    def __init__(self, progress: Progress, task: TaskID, setup: "Setup", decoder: str, seed: int) -> None:
        self._progress, self._task, self._name = progress, task, escape(f"{decoder}, seed {seed}")
        self._every = max(1, round(TELL_S / setup.loaded.card.bin_size_s))
        self._bin_size_s, self._calibration_s = setup.loaded.card.bin_size_s, setup.plan.calibration_s

    def show(self, moment: "Moment") -> None:
        """A bin is over."""
        if moment.block == "calibration":
            if moment.bin % self._every == 0:
                done = f"calibration {moment.bin * self._bin_size_s:.0f} of {self._calibration_s:.0f} s"
                self._progress.update(self._task, description=f"{self._name}: {done}")
            return
        for event in moment.events:
            if event.kind == "target":
                self._progress.update(self._task, description=f"{self._name}: {moment.block}")
            elif event.kind not in ("enter", "leave"):
                self._progress.advance(self._task)


def _command(setup: "Setup", clock: "Clock") -> str:
    """The command that does the same again."""
    plan, perturbed = setup.plan, [str(each) for each in setup.plan.perturbations]
    given = {
        "bundle": setup.bundle,
        "task": plan.task.name,
        "user": setup.user,
        "trials": plan.trials,
        "seed": plan.seed,
        "sessions": setup.sessions,
        "clock": clock,
        "calibration": plan.calibration_s,
        "recalibrate": plan.recalibrate_after,
        "gain": plan.gain,
        "smoothing": plan.smoothing,
        "decoder-bin": round(plan.decoder_bins * setup.loaded.card.bin_size_s * 1000, 6),
        "device": setup.device,
    } | ({"name": setup.name} if clock == "real" else {})
    words = ["spikeloop", "closedloop", "--decoder", *setup.decoders]
    words += [word for option, value in given.items() for word in (f"--{option}", str(value))]
    words += ["--perturb", *perturbed] if perturbed else []
    words += ["--units", str(setup.units)] if setup.units is not None else []
    return shlex.join(words)
