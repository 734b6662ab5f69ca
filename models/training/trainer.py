"""The training loop: steps, comparisons with held-out data, and checkpoints, until the time or the steps are over."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.training.checkpoint import sole_writer
from spikeloop.models.training.forecast import forecast, plan, replan
from spikeloop.models.training.progress import Progress
from spikeloop.models.training.run import Training
from spikeloop.models.training.saved_run import resume_run, save_run
from spikeloop.models.training.validation import describe_recording

__all__ = ["train"]

SAVE_EVERY_S = 60.0
JUDGE_EVERY_S = 60.0
REPLANNED_STEPS = 50


@dataclass(frozen=True)
class _Limit:
    """When a run is over: after a total time or number of steps, or when its rule says so, whichever comes first."""

    minutes: float | None
    steps: int | None

    def share(self, run: Training) -> float:
        """How much is done, 1 where it is over."""
        if run.over:
            return 1.0
        by_time = 0.0 if self.minutes is None else run.trained_s / (60 * self.minutes)
        by_steps = 0.0 if self.steps is None else run.steps / self.steps
        return min(1.0, max(by_time, by_steps))


def train(
    run: Training,
    folder: Path,
    minutes: float | None,
    steps: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Similarity, ...]:
    """Train up to a total time or number of steps, or until the part that is kept says so, whichever comes first.

    Continues from the folder's checkpoint where there is one. Saves at once, every minute, at the end, and when
    interrupted, as the only writer of the folder. Of processes that train together, the first saves, judges and
    reports.

    Parameters
    ----------
    run : Training
    folder : pathlib.Path
        Of the checkpoint.
    minutes : float > 0, min, or None
    steps : int >= 1, or None
        In total, what was trained before a resume included; one of the two is needed.
    on_progress : callable (Progress)
        Called at the beginning, after each step, and before calibration and the last comparison.

    Returns
    -------
    tuple of Similarity
        To what was held out.

    Raises
    ------
    BadInputError
        If another training writes to the folder, its checkpoint is damaged or of another run, or the processes were
        given different recordings or settings.
    FailureError
        If training diverges or the disk refuses.
    """
    if minutes is None and steps is None:
        raise BadInputError("expected a time or a number of steps to train for; give --minutes or --steps")
    first = run.processes.first
    with sole_writer(folder) if first else nullcontext():
        _check_alike(run)
        return _train(run, folder, _Limit(minutes, steps), on_progress if first else lambda progress: None)


def _check_alike(run: Training) -> None:
    processes = run.processes
    if processes.total == 1:
        return
    described = describe_recording(run.recording), run.settings
    if processes.of_first(lambda: described) != described:
        raise BadInputError(
            f"process {processes.number + 1} of {processes.total} has another recording, or other options, than the"
            " first; give all the same"
        )


def _train(
    run: Training, folder: Path, limit: _Limit, on_progress: Callable[[Progress], None]
) -> tuple[Similarity, ...]:
    resumed = resume_run(run, folder)
    found_steps = run.steps if resumed else -1
    run.go_on()  # what is trained on is calibrated anew at the end
    starts = () if resumed else forecast(run, plan(run, limit.minutes), limit.minutes, limit.steps).lines()
    on_progress(Progress(run.steps, run.trained_s, limit.share(run), run.similarity, resumed, starts=starts))
    if not resumed:
        _save(run, folder)  # so that a disk that refuses is known at once
    try:
        _steps(run, folder, limit, on_progress)
        if run.processes.first:
            _finish(run, limit, on_progress)
    except FailureError:
        raise  # what diverged is not worth keeping
    except BaseException:
        if run.steps > found_steps and not run.in_step:  # else what is there is this, and finished perhaps
            _save(run, folder)
        raise
    _save(run, folder)
    run.similarity, run.one_step = run.processes.of_first(lambda: (run.similarity, run.one_step))
    return run.similarity


def _finish(run: Training, limit: _Limit, on_progress: Callable[[Progress], None]) -> None:
    for doing, finish in (
        ("calibrating", run.finish),
        ("comparing with held-out data", run.judge),
        ("predicting held-out bins", run.predict),
    ):
        on_progress(
            Progress(run.steps, run.trained_s, limit.share(run), run.similarity, finishing=doing, stopped=_why(run))
        )
        finish()


def _save(run: Training, folder: Path) -> None:
    if run.processes.first:
        save_run(run, folder)


def _why(run: Training) -> str:
    if run.stopping is None or not run.over:
        return ""
    return f"nothing better on what is kept since step {run.stopping.best_step}, whose weights are taken"


def _steps(run: Training, folder: Path, limit: _Limit, on_progress: Callable[[Progress], None]) -> None:
    saved = judged = run.trained_s
    planned = run.steps, run.trained_s
    while limit.share(run) < 1:
        with hold_interrupts() as arrived:  # or a step would be saved half-done
            run.step()
            if run.processes.any(bool(arrived)):  # so that all end after the same step
                raise KeyboardInterrupt
        if run.steps - planned[0] == REPLANNED_STEPS:
            replan(run, limit.minutes, (run.trained_s - planned[1]) / REPLANNED_STEPS)
            planned = run.steps, run.trained_s
        if run.trained_s - judged >= JUDGE_EVERY_S:
            judged = run.trained_s
            if run.processes.first:
                run.judge()
        if run.trained_s - saved >= SAVE_EVERY_S:
            saved = run.trained_s
            _save(run, folder)
        on_progress(Progress(run.steps, run.trained_s, limit.share(run), run.similarity))
