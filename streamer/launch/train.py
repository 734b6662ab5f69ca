"""Training from Python: a recording goes in, a model comes out that exports to a bundle."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_args

from rich.console import Console

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import BASELINES, CONDITIONAL, FAMILIES, Settings, suited_preset, why_suited
from spikeloop.models.families.registry import preset as named_preset
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.packages import require_packages, require_torch
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import count_short
from spikeloop.models.scalars import (
    checked_callable,
    checked_choice,
    checked_number,
    checked_path,
    checked_text,
    checked_whole,
    is_number,
    is_whole,
    shown,
)
from spikeloop.models.training.processes import Processes, joined, training_device
from spikeloop.models.training.progress import Progress
from spikeloop.models.training.suited_condition import drift_advice, suited_condition
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.answers import answering, checked_answers
from spikeloop.streamer.launch.checks import check_seed
from spikeloop.streamer.launch.trained_model import TrainedModel
from spikeloop.streamer.launch.training_progress import shown_progress

__all__ = ["train"]

MINUTES = 10.0  # of training, where neither time nor steps are given
PREPARING = "preparing, which --minutes leaves out: compares the recording with itself, and times some steps"
LARGEST = 2**31 - 1  # number of steps or parts


def train(
    recording: Recording | str | Path,
    minutes: float | None = None,
    out: str | Path = "runs/mine",
    family: str = "causal_gan",
    preset: str | None = None,
    seed: int = 0,
    hold_out: int = 5,
    condition: str | Sequence[str] | None = None,
    lead_ms: float = 0.0,
    device: Device = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    *,
    steps: int | None = None,
    stop_early: bool | None = None,
) -> TrainedModel:
    """Train a model on a recording, or continue its training.

    Interrupt the training at any time: the same call continues it from the checkpoint in `out`. In a program that
    torchrun starts, all processes train one model, each on its share of every batch; they return the same.

    Parameters
    ----------
    recording : Recording, str or pathlib.Path
        Or what `read_recording` reads.
    minutes : float > 0, min, default 10 where no steps are given
        Time of training in all, at most. A baseline is fitted in one go: leave it out.
    out : str or pathlib.Path
        Folder of the checkpoint.
    family : str
        "causal_gan", "vae" or "vae_gan", which stream without end; "spike_gan", which generates windows; or a
        baseline, "dichotomized_gaussian" or "k_pairwise".
    preset : str, default what suits the recording
        Settings of the family.
    seed : int >= 0
        The same seed makes the same steps, where `steps` are given; the stages of `minutes` follow the machine's speed.
    hold_out : int >= 0
        Every n-th repeat is held out, to compare with, or the last n-th of each of up to 5 stretches of a continuous
        recording; 0 trains on all.
    condition : "none", "phase", "recorded", "session-time" or ("recorded", "session-time"), default "phase" or "none"
        What the model answers to: nothing, the phase of a repeated stimulus, the recording's conditions, or the share
        of the session that has passed. The default is the phase where repeats are alike, as the mean responses of odd
        and even ones correlate by 0.5 or more.
    lead_ms : float >= 0, ms
        Time by which spikes precede the recorded conditions; the model's spikes are delayed by as much.
    device : "auto", "cpu" or "cuda"
    on_progress : callable (Progress), default a bar in a terminal or notebook
        Called in the first process.
    steps : int >= 1, optional
        Steps of training in all.
    stop_early : bool, default True for "causal_gan", "vae" and "vae_gan" where no steps are given
        Whether a tenth of what would be trained on is kept, and each stage of training ends when that part brings
        nothing better. What is held out stays unseen.

    Returns
    -------
    TrainedModel

    Raises
    ------
    BadInputError
        If an option is out of range, the recording does not suit the family, `out` holds another run, or the batches
        can't be shared by so many processes.
    FailureError
        If torch is not installed, training diverges, the disk refuses, or another process of the training ended.

    Examples
    --------
    >>> import spikeloop
    >>> recording = spikeloop.read_recording("m1-sim:60")
    >>> model = spikeloop.train(recording, out="runs/example", steps=2)  # doctest: +SKIP
    >>> bundle = model.export("example.zip")  # doctest: +SKIP
    """
    minutes, steps = _checked_length(minutes, steps)
    seed, out, lead_ms = check_seed(seed), checked_path("--out", out), checked_number("--lead-ms", lead_ms)
    hold_out = checked_whole("--hold-out", hold_out, 0, LARGEST)
    answers = None if condition is None else checked_answers(condition)
    checked_choice("--device", device, get_args(Device))
    if on_progress is not None:
        checked_callable("on_progress", on_progress)
    if stop_early is not None and not isinstance(stop_early, bool):
        raise BadInputError(f"stop_early: expected True or False, found {shown(stop_early)}")
    if not isinstance(family, str) or family not in FAMILIES:
        raise BadInputError(f"no family named {shown(family)}; there are {', '.join(FAMILIES)}")
    processes = Processes.of_environment()
    if processes.first:
        check_writable(out, folder=True)
    recording = recording if isinstance(recording, Recording) else read_recording(recording)
    choices: tuple[str, ...] = ()
    if answers is None:
        answer, why = suited_condition(recording, family, hold_out)
        answers, choices = (answer,), (why,) if why else ()
    if advice := drift_advice(recording, family, answers):
        choices = (*choices, advice)
    recording, lead_bins = answering(recording, family, answers, lead_ms, hold_out)
    if family in BASELINES:
        if minutes is not None or steps is not None:
            raise BadInputError(f"--minutes, --steps: {family} is fitted in one go; leave them out")
        if processes.total > 1:
            raise BadInputError(f"--family: {family} is fitted by one process; start it without torchrun")
        require_packages("safetensors", "filelock")
    else:
        require_torch()
    if stop_early is None:
        stop_early = family in CONDITIONAL and steps is None
    if preset is None:
        preset = suited_preset(family, recording)
        choices = (f"preset {preset}, {why_suited(preset)}", *choices)
    preset = checked_text("--preset", preset)
    console = Console(stderr=True, quiet=not processes.first)
    shows = on_progress is None and processes.first and (console.is_terminal or console.is_jupyter)
    with shown_progress("fitting" if family in BASELINES else "training", console) if shows else nullcontext() as bar:
        show = on_progress or bar or (lambda progress: None)
        if family in BASELINES:
            return _fit(recording, family, preset, out, hold_out, seed, show)
        settings = named_preset(family, preset, hold_out, seed, lead_bins, stop_early)
        window_bins = settings.config.window_bins
        if short := count_short(recording, window_bins):
            console.print(
                f"{short} of {recording.repeats} repeats, shorter than a window of {window_bins} bins, are left out"
            )
        minutes = MINUTES if minutes is None and steps is None else minutes
        return _train(recording, settings, out, device, processes, minutes, steps, _naming(choices, show))


def _naming(choices: tuple[str, ...], on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Add to what is said at the start what was chosen for the user, and why."""

    def show(progress: Progress) -> None:
        on_progress(replace(progress, starts=(choices if progress.starts else ()) + progress.starts))

    return show


def _checked_length(minutes: float | None, steps: int | None) -> tuple[float | None, int | None]:
    """Return the length of a training, in whichever of the two it is given."""
    if minutes is not None and not (is_number(minutes) and minutes > 0):
        raise BadInputError(f"--minutes, --steps: expected more than 0, found {shown(minutes)} minutes")
    if steps is not None and not (is_whole(steps) and 0 < steps <= LARGEST):
        raise BadInputError(f"--minutes, --steps: expected more than 0, found {shown(steps)} steps")
    return None if minutes is None else float(minutes), None if steps is None else int(steps)


def _train(
    recording: Recording,
    settings: Settings,
    out: Path,
    device: Device,
    processes: Processes,
    minutes: float | None,
    steps: int | None,
    on_progress: Callable[[Progress], None],
) -> TrainedModel:
    on_progress(Progress(0, 0.0, preparing=PREPARING))
    from spikeloop.models.training.run import Training
    from spikeloop.models.training.trainer import train as train_run

    with joined(processes, training_device(device, processes)):
        run = Training(recording, settings, device, processes)
        similarity = train_run(run, out, minutes, steps, on_progress)
    return TrainedModel(
        checkpoint=out,
        family=settings.family,
        preset=settings.preset,
        steps=run.steps,
        trained_s=run.trained_s,
        device=str(run.device),
        judged_on=run.validation.judged_on,
        similarity=similarity,
        stopped_early=run.over,
        one_step=run.one_step,
    )


def _fit(
    recording: Recording,
    family: str,
    preset: str,
    out: Path,
    hold_out: int,
    seed: int,
    on_progress: Callable[[Progress], None],
) -> TrainedModel:
    from spikeloop.models.training.checkpoint import read_checkpoint
    from spikeloop.models.training.fit_baseline import fit

    began = time.perf_counter()

    def elapsed_s() -> float:
        return time.perf_counter() - began

    def report(share: float) -> None:
        on_progress(Progress(0, elapsed_s(), share))

    similarity = fit(recording, family, out, preset, hold_out, seed, report)
    on_progress(Progress(0, elapsed_s(), 1.0, similarity))
    judged_on = "held-out repeats" if hold_out else "training data"
    one_step = parse_one_step(read_checkpoint(out)[1]["realism"])
    return TrainedModel(out, family, preset, 0, elapsed_s(), "cpu", judged_on, similarity, one_step=one_step)
