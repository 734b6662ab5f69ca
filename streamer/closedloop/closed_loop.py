"""`spikeloop.closed_loop`: decoders tested in the loop, called from Python as from the command line."""

import dataclasses
import operator
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.history import HISTORY_S, checked_history_s
from spikeloop.models.decoders.spec import Decoders, decoder_specs
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.scalars import (
    checked_callable,
    checked_choice,
    checked_finite,
    checked_flag,
    checked_number,
    checked_whole,
    is_whole,
)
from spikeloop.streamer.closedloop.ceiling import measured_ceiling
from spikeloop.streamer.closedloop.comparison import Run, run_comparison
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation, parse_perturbations
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import Watcher
from spikeloop.streamer.closedloop.experiment.tasks import Task, open_task
from spikeloop.streamer.closedloop.experiment.user_spec import parse_user
from spikeloop.streamer.closedloop.experiment.users import User
from spikeloop.streamer.closedloop.progress import TrialCounter, TrialDone
from spikeloop.streamer.closedloop.results.repeat import repeat_of
from spikeloop.streamer.closedloop.results.report import report_of
from spikeloop.streamer.closedloop.results.result import ClosedLoopResult, IncompleteError
from spikeloop.streamer.closedloop.setup import Clock, Setup
from spikeloop.streamer.inference.isolation.limits import DecoderLimits, checked_limits
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import check_seed, open_bundle, whole_bins
from spikeloop.streamer.mqtt.address import parse_address

__all__ = ["MOST_SESSIONS", "MOST_TRIALS", "check_on_trial", "closed_loop", "open_setup", "run_setup"]

MOST_TRIALS, MOST_SESSIONS = 100_000, 1000
LONGEST_DELAY_S = 3600.0


def closed_loop(
    decoders: Decoders,
    *,
    bundle: str | Path | Bundle = "m1-sim",
    task: str | Task = "center-out",
    user: str | Callable[[], User] = "simulated",
    trials: int = 64,
    seeds: int | Iterable[int] = 0,
    clock: Clock = "simulated",
    calibration_s: float = 180.0,
    recalibrate_after: int = 0,
    observation_gain: float = 1.0,
    gain: float = 1.0,
    smoothing: float = 0.0,
    decoder_bin_s: float | None = None,
    history_s: float = HISTORY_S,
    perturbations: Iterable[str | Perturbation] = (),
    units: int | None = None,
    device: Device = "auto",
    name: str = "spikeloop",
    mqtt: str | None = None,
    start_delay_s: float = 0.0,
    in_process: bool = False,
    limits: DecoderLimits | None = None,
    keep_bins: bool = False,
    on_trial: Callable[[TrialDone], None] | None = None,
) -> ClosedLoopResult:
    """Test decoders in a closed loop, and compare them over the same seeds.

    In each session the decoder first learns while the user watches a cursor move (calibration); then the user moves
    the cursor through it from target to target. On a simulated clock the same seeds give the same result. It blocks
    until all is done, also where an event loop is running, as in a notebook; `start_closed_loop` returns at once.

    Parameters
    ----------
    decoders : dict by name, sequence, or str
        Of texts as on the command line ("kalman", "ridge:20", "onnx:FILE" ...); of classes or functions that, called
        without arguments for each session, give an object with `fit(counts, kinematics)` and `step(counts)`; or of
        such objects, of which each session has a copy. Counts are of shape (bins, units) and (units,), kinematics of
        shape (bins, 2), cm/s; `step` returns a velocity of shape (2,), cm/s.
    bundle : str, path or Bundle, default "m1-sim"
        The population, driven by velocity: a shipped bundle's name, or a folder or .zip. A real clock needs a name or
        a path.
    task : str or Task, default "center-out"
        "center-out", "random", "grid" or "webgrid", or one of these with other parameters, such as
        `CenterOut(radius_cm=1)`.
    user : str or callable, default "simulated"
        "simulated", "adapting", "adapting:RATE", "scripted:FILE.npz" or "lsl:STREAM"; or a class or function that,
        called without arguments for each session, gives an object with `intend(view)` and `follow(velocity_cm_s)`.
    trials : int, 1 to 100000, default 64
        Of each session.
    seeds : int or iterable of int >= 0, default 0
        One for each session.
    clock : {"simulated", "real"}, default "simulated"
        "simulated" runs as fast as the machine allows; "real" has the population in a process of its own, over LSL.
    calibration_s : float, 10 to 36000 s, default 180
        0 for decoders that have learned already.
    recalibrate_after : int >= 0, default 0
        Trials after which the decoder learns anew from the user's intended velocity; `trials` follow. 0 for never.
    observation_gain : float from 0.01 to 10, default 1
        Modulation of the population while the user only watches, as a share of that in the closed loop.
    gain : float >= 0, default 1
        Of the decoded velocity.
    smoothing : float from 0 to below 1, default 0
        Part of the decoded velocity that stays from one bin to the next.
    decoder_bin_s : float, s, optional
        Width of the decoder's bins, a multiple of the bundle's; by default the bundle's.
    history_s : float > 0, s, default 0.2
        How far back decoders look that look back, in whole bins of theirs: the nearest number, one at least. One with
        its own number of bins, as "ridge:20", keeps it.
    perturbations : iterable of str or Perturbation, default ()
        What goes wrong, such as "drop:0.3", "latency:100" or "noise:5@30"; see `parse_perturbation`.
    units : int, optional
        Units, drawn at random, that reach the decoder; by default all.
    device : {"auto", "cpu", "cuda"}, default "auto"
    name : str, default "spikeloop"
        Of the LSL streams of a real clock.
    mqtt : str, optional
        Broker to which a session on a real clock publishes its cursor and events, such as
        "mqtt://localhost".
    start_delay_s : float from 0 to 3600, s, default 0
        On a real clock, from when a session's streams are there to its first bin: time to attach a recorder.
    in_process : bool, default False
        Whether decoders of your own run in this process, which saves 0.1 ms a step. By default each session of one has
        a process of its own, so that whatever it does ends its own trials only; but an object that can't be pickled, or
        whose class is that of a script or a notebook, runs in this one.
    limits : DecoderLimits, optional
        Of such a process: time, memory and printed text.
    keep_bins : bool, default False
        Whether every bin of every session is kept in the result, and not only those of the first seed.
    on_trial : callable (TrialDone) -> None, optional
        Called after each trial.

    Returns
    -------
    ClosedLoopResult
        With `interrupted` where Ctrl-C ended it after a session had begun.

    Raises
    ------
    BadInputError
        If something can't be; before any session runs.
    IncompleteError
        If a session ended before its end, as where a decoder or user failed; its `result` holds what was done.
    FailureError
        If a decoder or user of the caller's own can't be made, or a package that something needs is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> result = spikeloop.closed_loop({"filter": "kalman", "chance": "chance"}, trials=8, calibration_s=60)
    >>> result.compare("filter", "chance").verdict
    'better'
    """
    check_on_trial(on_trial)
    setup = open_setup(
        decoders, bundle=bundle, task=task, user=user, trials=trials, seeds=seeds, clock=clock,
        calibration_s=calibration_s, recalibrate_after=recalibrate_after, observation_gain=observation_gain, gain=gain,
        smoothing=smoothing, decoder_bin_s=decoder_bin_s, history_s=history_s, perturbations=perturbations, units=units,
        device=device, name=name, mqtt=mqtt, start_delay_s=start_delay_s, in_process=in_process, limits=limits,
    )  # fmt: skip
    return run_setup(setup, TrialCounter(setup, on_trial).watch if on_trial is not None else None, keep_bins)


def open_setup(
    decoders: Decoders,
    *,
    bundle: str | Path | Bundle = "m1-sim",
    task: str | Task = "center-out",
    user: str | Callable[[], User] = "simulated",
    trials: int = 64,
    seeds: int | Iterable[int] = 0,
    clock: Clock = "simulated",
    calibration_s: float = 180.0,
    recalibrate_after: int = 0,
    observation_gain: float = 1.0,
    gain: float = 1.0,
    smoothing: float = 0.0,
    decoder_bin_s: float | None = None,
    history_s: float = HISTORY_S,
    perturbations: Iterable[str | Perturbation] = (),
    units: int | None = None,
    device: Device = "auto",
    name: str = "spikeloop",
    mqtt: str | None = None,
    start_delay_s: float = 0.0,
    in_process: bool = False,
    limits: DecoderLimits | None = None,
) -> Setup:
    """Check and parse what `closed_loop` was given; parameters and errors are the same."""
    checked_choice("--clock", clock, get_args(Clock))
    checked_choice("--device", device, get_args(Device))
    every_seed = _seeds(seeds)
    trials = checked_whole("--trials", trials, 1, MOST_TRIALS)
    recalibrate_after = checked_whole("--recalibrate", recalibrate_after, 0, MOST_TRIALS)
    calibration_s = checked_finite("--calibration", calibration_s)
    gain, smoothing = checked_finite("--gain", gain), checked_finite("--smoothing", smoothing)
    loaded = open_bundle(bundle)
    if isinstance(bundle, Bundle) and clock == "real":
        raise BadInputError("a real clock starts the population by name or path, found a loaded bundle; give its path")
    units = None if units is None else checked_whole("--units", units, 1, len(loaded.card.unit_names))
    bin_size_s = loaded.card.bin_size_s
    decoder_bins = 1 if decoder_bin_s is None else whole_bins("--decoder-bin", decoder_bin_s, bin_size_s, least=1)
    plan = Plan(
        task=open_task(task),
        trials=trials,
        calibration_s=calibration_s,
        recalibrate_after=recalibrate_after,
        observation_gain=checked_number("--observation-gain", observation_gain, 0.01, 10),
        gain=gain,
        smoothing=smoothing,
        decoder_bins=decoder_bins,
        perturbations=parse_perturbations(perturbations),
        seed=every_seed[0],
    )
    source = loaded.card.name if isinstance(bundle, Bundle) else str(bundle)
    for option, text in {"--name": name, "--mqtt": mqtt}.items():
        if not isinstance(text, str) and (text is not None or option == "--name"):
            raise BadInputError(f"{option}: expected text, found {text!r:.80}")
    broker = parse_address(mqtt) if mqtt is not None else None
    delay_s = checked_number("--start-delay", start_delay_s, 0, LONGEST_DELAY_S, "s")
    return Setup(
        source, loaded, decoder_specs(decoders), plan, every_seed, parse_user(user), clock, units, device, name, broker,
        delay_s, checked_history_s(history_s), checked_flag("in_process", in_process), checked_limits(limits),
    )  # fmt: skip


def run_setup(
    setup: Setup, watch: Callable[[str, int], Watcher] | None = None, keep_bins: bool = False
) -> ClosedLoopResult:
    """Run all sessions of a setup.

    Parameters
    ----------
    setup : Setup
    watch : callable (decoder's name, seed) -> Watcher, optional
        Called before each session; the watcher is shown every bin.
    keep_bins : bool, default False
        As of `closed_loop`; what isn't kept is dropped after each session.

    Raises
    ------
    BadInputError, FailureError, IncompleteError
        As of `closed_loop`.
    KeyboardInterrupt
        If Ctrl-C came before the first session.
    """
    ceiling = measured_ceiling(setup)
    runs: list[Run] = []
    interrupted, error = False, None
    try:
        for run in run_comparison(setup, watch, lambda seed: keep_bins or seed == setup.seeds[0]):
            kept = keep_bins or run.seed == setup.seeds[0]
            record = run.record if kept else dataclasses.replace(run.record, blocks=())
            runs.append(dataclasses.replace(run, record=record))
    except (KeyboardInterrupt, SpikeloopError) as found:
        if not runs:
            raise
        interrupted, error = isinstance(found, KeyboardInterrupt), found
    report = report_of(setup, runs, command=repeat_of(setup), interrupted=interrupted, ceiling=ceiling)
    result = ClosedLoopResult(report, setup, tuple(runs))
    if isinstance(error, SpikeloopError):
        raise IncompleteError(str(error), result, error.exit_code) from error
    if report.failures and not report.interrupted:
        failures = "; ".join(report.failures)
        raise IncompleteError(f"ended before its end: {failures}; the report is of what was done", result)
    return result


def check_on_trial(on_trial: Callable[[TrialDone], None] | None) -> None:
    """Raise BadInputError for an `on_trial` that can't be called."""
    if on_trial is not None:
        checked_callable("on_trial", on_trial)


def _seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    given: tuple[Any, ...] = (seeds,)
    if isinstance(seeds, Iterable) and not is_whole(seeds):  # an array of no dimensions is a number
        given = tuple(islice(seeds, MOST_SESSIONS + 1))
    checked_whole("--sessions", len(given), 1, MOST_SESSIONS)
    for seed in given:
        check_seed(seed)
    found = tuple(map(operator.index, given))
    if len(set(found)) < len(found):
        raise BadInputError(f"--seed: expected a different seed for each session, found {found}")
    return found
