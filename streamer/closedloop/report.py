"""The report of a comparison: what was run, and what each decoder came to. On a simulated clock, of the seed alone."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeloop.models.measures.decoder_comparison import fold_mean
from spikeloop.streamer.closedloop.comparison import Clock, Run, Setup
from spikeloop.streamer.closedloop.figures import Estimate, Figures, Paired, figures_of, paired_figures
from spikeloop.streamer.closedloop.perturbations import KINDS, bins_late
from spikeloop.streamer.closedloop.record import BlockName, Trial
from spikeloop.streamer.source import seeded

__all__ = [
    "ClosedLoopReport",
    "DecoderReport",
    "PairedReport",
    "SessionReport",
    "as_document",
    "judged",
    "report_of",
    "tell",
]

BOOTSTRAP = 105  # purpose of random numbers
CLOSED_LOOP: BlockName = "closed loop"
BEFORE: BlockName = "before recalibration"


@dataclass(frozen=True)
class SessionReport:
    """A session of one decoder.

    Attributes
    ----------
    trials, successes : of the closed loop
    r_squared, correlation : offline, of both axes of the velocity; None where there is nothing to judge
    failure : why it ended before its end; empty where it didn't
    """

    seed: int
    trials: int
    successes: int
    r_squared: tuple[float, float] | None
    correlation: tuple[float, float] | None
    failure: str


@dataclass(frozen=True)
class DecoderReport:
    """A decoder over all its sessions.

    Attributes
    ----------
    before_recalibration : None where there is no recalibration
    r_squared, correlation : offline, of both axes together; the mean of sessions, with Student's t interval where there
        are several; NaN where there is nothing to judge
    """

    decoder: str
    closed_loop: Figures
    before_recalibration: Figures | None
    r_squared: Estimate
    correlation: Estimate
    sessions: tuple[SessionReport, ...]


@dataclass(frozen=True)
class PairedReport:
    """A decoder's closed loop less that of the first decoder, trial by trial."""

    decoder: str
    baseline: str
    figures: Paired


@dataclass(frozen=True)
class ClosedLoopReport:
    """A comparison of decoders.

    Attributes
    ----------
    command : that gives it again
    units : of the population; `used_units` reach the decoder
    user_model : parameters of the simulated user; empty of another
    designed_latency_bins : what is late by design, in bins
    real_time : what the clock told of each session on a real one, by decoder and seed; empty on a simulated one
    """

    command: str
    bundle: str
    sha256: str
    units: int
    used_units: int
    bin_size_s: float
    clock: str
    task: dict[str, Any]
    user: str
    user_model: dict[str, float]
    plan: dict[str, Any]
    perturbations: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    designed_latency_bins: dict[str, int]
    decoders: tuple[DecoderReport, ...]
    paired: tuple[PairedReport, ...]
    interrupted: bool
    real_time: tuple[dict[str, Any], ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Of sessions, each in a line."""
        return tuple(
            f"{decoder.decoder}, seed {session.seed}: {session.failure}"
            for decoder in self.decoders
            for session in decoder.sessions
            if session.failure
        )


def report_of(
    setup: Setup,
    runs: Sequence[Run],
    *,
    clock: Clock,
    command: str,
    interrupted: bool = False,
) -> ClosedLoopReport:
    """The report of the sessions that were run, whether or not these are all."""
    plan, card = setup.plan, setup.loaded.card
    done = [each for each in setup.decoders if any(run.decoder == each for run in runs)]
    return ClosedLoopReport(
        command=command,
        bundle=card.name,
        sha256=setup.loaded.sha256,
        units=len(card.unit_names),
        used_units=setup.units or len(card.unit_names),
        bin_size_s=card.bin_size_s,
        clock=clock,
        task={"name": plan.task.name} | vars(plan.task),
        user=setup.user,
        user_model=vars(setup.user_model) if setup.user == "simulated" else {},
        plan={
            each: getattr(plan, each)
            for each in ("trials", "calibration_s", "recalibrate_after", "gain", "smoothing", "decoder_bins")
        },
        perturbations=tuple(vars(each) | {"does": KINDS[each.kind].does} for each in plan.perturbations),
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        designed_latency_bins=_designed_latency_bins(setup),
        decoders=tuple(_decoder(setup, each, [run for run in runs if run.decoder == each]) for each in done),
        paired=tuple(_paired(setup, each, done[0], runs) for each in done[1:]),
        interrupted=interrupted or any(run.record.interrupted for run in runs),
        real_time=tuple(
            {"decoder": run.decoder, "seed": run.seed} | dataclasses.asdict(run.real_time)
            for run in runs
            if run.real_time is not None
        ),
    )


def judged(run: Run, block: BlockName = CLOSED_LOOP) -> list[Trial]:
    """The trials of a block, but for the one that Ctrl-C cut off."""
    return [
        trial
        for trial in run.record.trials
        if trial.block == block and not (run.record.interrupted and trial.outcome == "lost")
    ]


def _decoder(setup: Setup, decoder: str, runs: Sequence[Run]) -> DecoderReport:
    sessions = tuple(_session(run) for run in runs)
    return DecoderReport(
        decoder=decoder,
        closed_loop=_figures(setup, runs, CLOSED_LOOP),
        before_recalibration=_figures(setup, runs, BEFORE) if setup.plan.recalibrate_after else None,
        r_squared=_mean([each.r_squared for each in sessions]),
        correlation=_mean([each.correlation for each in sessions]),
        sessions=sessions,
    )


def _session(run: Run) -> SessionReport:
    trials, offline = judged(run), run.record.offline
    return SessionReport(
        seed=run.seed,
        trials=len(trials),
        successes=sum(each.outcome == "success" for each in trials),
        r_squared=offline and offline.r_squared,
        correlation=offline and offline.correlation,
        failure=run.record.failure,
    )


def _figures(setup: Setup, runs: Sequence[Run], block: BlockName) -> Figures:
    trials = [judged(run, block) for run in runs]
    return figures_of(trials, setup.loaded.card.bin_size_s, _random(setup), setup.plan.task.choices)


def _paired(setup: Setup, decoder: str, baseline: str, runs: Sequence[Run]) -> PairedReport:
    """Over the trials that both had."""
    by_place = {
        name: {(run.seed, trial.index): trial for run in runs if run.decoder == name for trial in judged(run)}
        for name in (decoder, baseline)
    }
    both = sorted(by_place[decoder].keys() & by_place[baseline].keys())
    sessions = [[place for place in both if place[0] == seed] for seed in dict.fromkeys(seed for seed, _ in both)]
    one, other = ([[by_place[name][each] for each in places] for places in sessions] for name in (decoder, baseline))
    plan, card = setup.plan, setup.loaded.card
    return PairedReport(
        decoder, baseline, paired_figures(one, other, card.bin_size_s, plan.task.timeout_s, _random(setup))
    )


def _random(setup: Setup) -> np.random.Generator:
    """Anew for each figure, so that none depends on which others there are."""
    return seeded(setup.plan.seed, BOOTSTRAP)


def _designed_latency_bins(setup: Setup) -> dict[str, int]:
    plan, bin_size_s, model = setup.plan, setup.loaded.card.bin_size_s, setup.user_model
    user = {"visual feedback": model.visual_delay_s, "reaction": model.reaction_s} if setup.user == "simulated" else {}
    return {name: round(each / bin_size_s) for name, each in user.items()} | {
        "perturbation": bins_late(plan.perturbations, bin_size_s),
        "population": setup.loaded.card.latency_bins,
        "decoder": plan.decoder_bins - 1,  # at most: the bins that it waits for
    }


def _mean(offline: Sequence[tuple[float, float] | None]) -> Estimate:
    """Over sessions, of the mean over axes."""
    told = np.array([np.mean(each) for each in offline if each is not None], np.float64)
    if len(told) < 2:
        return Estimate(float(told[0]) if len(told) else math.nan, math.nan, math.nan)
    mean = fold_mean(told)
    return Estimate(mean.value, mean.low, mean.high)


def as_document(report: ClosedLoopReport) -> dict[str, Any]:
    """The report as JSON has it: without a clock's figures where there was no clock."""
    document = dataclasses.asdict(report)
    if not report.real_time:
        del document["real_time"]
    return document


def tell(estimate: Estimate, percent: bool = False, sign: bool = False) -> str:
    """Such as 1.42 (1.30-1.55), or with signs +0.10 (-0.02 to +0.21); a share in %."""
    if math.isnan(estimate.value):
        return "-"
    scale, form = (100, "+z.0f" if sign else ".0f") if percent else (1, "+z.2f" if sign else ".2f")
    value, low, high = (f"{scale * each:{form}}" for each in dataclasses.astuple(estimate))
    interval = "" if math.isnan(estimate.low) else f" ({low}{' to ' if sign else '-'}{high})"
    return f"{value}{' %' if percent else ''}{interval}"
