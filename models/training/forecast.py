"""What a recording can give and how long its training takes, said before it starts."""

import math
from dataclasses import dataclass

import numpy as np

from spikeloop.models.families.gan import ENDLESS
from spikeloop.models.measures.similarity import MEANING_OF_RATIO
from spikeloop.models.recordings.windows import random_window_count
from spikeloop.models.training.run import Training
from spikeloop.models.training.stopping import ANNEALED_SHARE

__all__ = ["Forecast", "forecast", "plan", "replan"]

FIRST_STAGE_SHARE = 0.4  # of the time: the critic mends what the likelihood leaves, and needs the rest
LEAST_STEPS = 200  # of the first stage, below which nothing is learned, whatever a busy machine takes for the first few


@dataclass(frozen=True)
class Forecast:
    """What a training starts from.

    Attributes
    ----------
    units, training_bins, kept_bins, held_out_bins : int
        What is trained on, what decides when to stop (0 for nothing), and what is compared with.
    windows : int
        That fit into what is trained on.
    window_bins : int
    independent : float
        The mean E/F of independent units of the same rates, which are the least a model must improve on; 1 is the
        floor.
    step_s : tuple of float, s
        Of a step in each stage, as just measured.
    first_stage_steps : int
        About, of the first of two stages; 0 where there is one stage.
    minutes : float or None
        That the training takes at most, as far as steps or a time are given.
    """

    units: int
    training_bins: int
    kept_bins: int
    held_out_bins: int
    windows: int
    window_bins: int
    independent: float
    step_s: tuple[float, ...]
    first_stage_steps: int
    minutes: float | None

    def lines(self) -> tuple[str, ...]:
        """Say it in sentences."""
        parts = [f"{self.training_bins:,} bins of {self.units} units ({self.windows:,} windows of {self.window_bins})"]
        if self.kept_bins:
            parts.append(f"{self.kept_bins:,} bins decide when to stop")
        parts.append(f"{self.held_out_bins:,} are held out")
        floor = f"{MEANING_OF_RATIO}; independent units have {self.independent:.1f}"
        times = " and ".join(f"{1000 * seconds:.0f}" for seconds in self.step_s)
        stages = f", about {self.first_stage_steps:,} of the first stage" if self.first_stage_steps else ""
        at_most = "" if self.minutes is None else f"; at most {self.minutes:.1f} min"
        sooner = ", less where what is kept says so" if self.kept_bins else ""
        return ("trains on " + ", ".join(parts), floor, f"steps of {times} ms{stages}{at_most}{sooner}")


def plan(run: Training, minutes: float | None) -> tuple[float, ...]:
    """Measure the steps of each stage, and shorten that of likelihood to its share of the time where a rule ends it.

    Parameters
    ----------
    run : Training
        That has not begun.
    minutes : float > 0, or None

    Returns
    -------
    tuple of float, s
        Of a step in each stage.
    """
    step_s = run.time_steps()
    first_s, stages = step_s[0], len(step_s)
    if minutes is not None and run.stopping is not None:
        share = FIRST_STAGE_SHARE if stages > 1 else 1.0
        _plan_first_stage(run, int(share * 60 * minutes / first_s))
    return step_s


def replan(run: Training, minutes: float | None, step_s: float) -> None:
    """Give the stage of likelihood the rest of its share of the time, as a machine may be slower or faster by now.

    Parameters
    ----------
    run : Training
        Left as it is where that stage is over, or is about to end by its rule.
    minutes : float > 0, or None
    step_s : float, s
        Of a step lately.
    """
    stopping, model = run.stopping, run.model
    if minutes is None or stopping is None or stopping.annealing or run.steps >= model.likelihood_steps:
        return
    share = FIRST_STAGE_SHARE if model.first_stage_steps < ENDLESS else 1.0
    by_time = run.steps + int((share * 60 * minutes - run.trained_s) / step_s)
    soonest = min(model.likelihood_steps, math.ceil((1 + ANNEALED_SHARE) * run.steps))  # its rate has to fall first
    _plan_first_stage(run, max(by_time, soonest))


def _plan_first_stage(run: Training, steps: int) -> None:
    if run.model.likelihood_steps:
        run.model.plan_first_stage(min(run.settings.config.likelihood_steps, max(LEAST_STEPS, steps)))


def forecast(run: Training, step_s: tuple[float, ...], minutes: float | None, steps: int | None) -> Forecast:
    """Forecast a training of at most so many minutes or steps.

    Parameters
    ----------
    run : Training
        That has not begun.
    step_s : tuple of float, s
        Of a step in each stage, as `plan` measures it.
    minutes : float > 0, or None
    steps : int >= 0, or None

    Returns
    -------
    Forecast
    """
    validation, distances = run.validation, run.validation.reference_distances
    ratios = [distances.ceilings[name] / floor for name, floor in distances.floors.items() if floor > 0]
    first_s, last_s = step_s[0], step_s[-1]
    first = run.model.first_stage_steps if len(step_s) > 1 else 0
    by_steps = None if steps is None else (min(steps, first) * first_s + max(0, steps - first) * last_s) / 60
    limits = [limit for limit in (minutes, by_steps) if limit is not None]
    return Forecast(
        units=run.recording.units,
        training_bins=validation.training.recorded_bins,
        kept_bins=0 if validation.kept is None else validation.kept.recorded_bins,
        held_out_bins=validation.judged.recorded_bins,
        windows=random_window_count(validation.training, validation.window_bins),
        window_bins=validation.window_bins,
        independent=float(np.mean([ratio for ratio in ratios if np.isfinite(ratio)] or [np.nan])),
        step_s=step_s,
        first_stage_steps=first,
        minutes=min(limits) if limits else None,
    )
