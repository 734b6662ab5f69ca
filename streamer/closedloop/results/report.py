"""The report of a comparison: what was run, and what each decoder came to. On a simulated clock, of the seed alone."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikeloop.models.decoders.history import describe_histories
from spikeloop.models.html import Table, text_columns
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.ceiling import Ceiling
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.perturbations import KINDS, bins_late
from spikeloop.streamer.closedloop.experiment.record import BlockName
from spikeloop.streamer.closedloop.results.cautions import cautions, ceiling_of
from spikeloop.streamer.closedloop.results.estimates import Estimate, format_estimate
from spikeloop.streamer.closedloop.results.falcon import FalconReport, falcon_of, normalized_latencies
from spikeloop.streamer.closedloop.results.judged import BEFORE, CLOSED_LOOP, judged
from spikeloop.streamer.closedloop.results.pairs import PairedReport, compared, every_pair
from spikeloop.streamer.closedloop.results.trial_statistics import Figures, figures_of
from spikeloop.streamer.closedloop.setup import Setup

__all__ = [
    "ClosedLoopReport",
    "DecoderReport",
    "SessionReport",
    "as_document",
    "report_of",
]

OF_PLAN = ("trials", "calibration_s", "recalibrate_after", "observation_gain", "gain", "smoothing", "decoder_bins")


@dataclass(frozen=True)
class SessionReport:
    """A session of one decoder.

    Attributes
    ----------
    seed : int
    trials, successes : int
        Of the closed loop.
    r_squared, correlation : tuple of two floats, or None
        Offline, of both axes of the velocity; None where there is nothing to judge.
    failure : str
        Why it ended before its end; empty where it didn't.
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
    decoder : str
    closed_loop : Figures
    before_recalibration : Figures or None
        None where there is no recalibration.
    r_squared, correlation : Estimate
        Offline, of both axes together; the mean of sessions, with Student's t interval where there are several; NaN
        where there is nothing to judge.
    sessions : tuple of SessionReport
    history_bins : int or None
        Of the decoder's bins, that it looks at; None where it has no fixed history.
    history_s : float or None, s
        The same as a time.
    """

    decoder: str
    closed_loop: Figures
    before_recalibration: Figures | None
    r_squared: Estimate
    correlation: Estimate
    sessions: tuple[SessionReport, ...]
    history_bins: int | None = None
    history_s: float | None = None


@dataclass(frozen=True)
class ClosedLoopReport:
    """A comparison of decoders.

    Attributes
    ----------
    command : that gives it again
    units : of the population; `used_units` reach the decoder
    user_model : parameters of the simulated user; empty of another
    designed_latency_bins : what is late by design, in bins
    paired : every decoder with every other before it, those of the first first
    warnings : what keeps the comparison from being fair, a sentence each
    real_time : timing of each session on a real clock, by decoder and seed; empty on a simulated one
    falcon : scores of each decoder as the FALCON challenge has them
    normalized_latency : of each decoder that runs here, compute time over neural time; of this machine's clock, and so
        in no document of a simulated one
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
    warnings: tuple[str, ...] = ()
    real_time: tuple[dict[str, Any], ...] = ()
    falcon: tuple[FalconReport, ...] = ()
    normalized_latency: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def failures(self) -> tuple[str, ...]:
        """Of sessions, each in a line."""
        return tuple(
            f"{decoder.decoder}, seed {session.seed}: {session.failure}"
            for decoder in self.decoders
            for session in decoder.sessions
            if session.failure
        )

    @property
    def histories(self) -> str:
        """How far back decoders look, in words; empty where none has a fixed history."""
        bin_size_s = self.bin_size_s * self.plan["decoder_bins"]
        return describe_histories({decoder.decoder: decoder.history_bins for decoder in self.decoders}, bin_size_s)

    @property
    def interruption(self) -> str:
        """After how many trials it was interrupted, in words; empty where it wasn't."""
        blocks = [block for decoder in self.decoders for block in (decoder.before_recalibration, decoder.closed_loop)]
        trials = sum(block.trials for block in blocks if block is not None)
        return f"interrupted after {trials} trial{'' if trials == 1 else 's'}" if self.interrupted else ""

    def table(self) -> Table:
        """The figures of each decoder, in words."""
        about = f"{self.bundle}, {self.plan['trials']} trials of {self.task['name']}, seeds {list(self.seeds)}; 95 %"
        title = ", ".join(filter(None, (f"{about} intervals", self.interruption)))
        return (
            title,
            ("decoder", "success", "time, of failures the timeout (s)", "bit/s", "R2"),
            [_cells(decoder) for decoder in self.decoders],
        )

    def __str__(self) -> str:
        return text_columns(*self.table())


def report_of(
    setup: Setup, runs: Sequence[Run], *, command: str, interrupted: bool = False, ceiling: Ceiling | None = None
) -> ClosedLoopReport:
    """Make the report of the sessions that were run, whether or not these are all.

    Parameters
    ----------
    setup : Setup
    runs : sequence of Run
    command : str
        That repeats the comparison.
    interrupted : bool, default False
        Whether Ctrl-C ended it between sessions.
    ceiling : Ceiling, optional
        What the loop allows, where it was measured; where the oracle took part, what it came to counts.
    """
    plan, card = setup.plan, setup.loaded.card
    done = [decoder for decoder in setup.decoders if any(run.decoder == decoder for run in runs)]
    return ClosedLoopReport(
        command=command,
        bundle=card.name,
        sha256=setup.loaded.sha256,
        units=len(card.unit_names),
        used_units=setup.units or len(card.unit_names),
        bin_size_s=card.bin_size_s,
        clock=setup.clock,
        task={"name": plan.task.name} | vars(plan.task),
        user=setup.user.name,
        user_model=vars(setup.user_model) if setup.user.kind == "simulated" else {},
        plan={name: getattr(plan, name) for name in OF_PLAN},
        perturbations=tuple(
            vars(perturbation) | {"does": KINDS[perturbation.kind].does} for perturbation in plan.perturbations
        ),
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        designed_latency_bins=_designed_latency_bins(setup),
        decoders=tuple(_decoder(setup, decoder, [run for run in runs if run.decoder == decoder]) for decoder in done),
        paired=compared(setup, every_pair(done), runs),
        interrupted=interrupted or any(run.record.interrupted for run in runs),
        warnings=cautions(setup, ceiling_of(setup, runs) or ceiling),
        real_time=tuple(
            {"decoder": run.decoder, "seed": run.seed} | dataclasses.asdict(run.real_time)
            for run in runs
            if run.real_time is not None
        ),
        falcon=tuple(
            falcon_of(name, setup.decoders[name], [run for run in runs if run.decoder == name]) for name in done
        ),
        normalized_latency=normalized_latencies(runs),
    )


def _decoder(setup: Setup, decoder: str, runs: Sequence[Run]) -> DecoderReport:
    sessions, history_bins = tuple(_session(run) for run in runs), setup.spec_of(decoder).history_bins
    return DecoderReport(
        decoder=decoder,
        closed_loop=_figures(setup, runs, CLOSED_LOOP),
        before_recalibration=_figures(setup, runs, BEFORE) if setup.plan.recalibrate_after else None,
        r_squared=_mean([session.r_squared for session in sessions]),
        correlation=_mean([session.correlation for session in sessions]),
        sessions=sessions,
        history_bins=history_bins,
        history_s=None if history_bins is None else round(history_bins * setup.decoder_bin_s, 9),
    )


def _session(run: Run) -> SessionReport:
    trials, offline = judged(run), run.record.offline
    return SessionReport(
        seed=run.seed,
        trials=len(trials),
        successes=sum(trial.outcome == "success" for trial in trials),
        r_squared=offline and offline.r_squared,
        correlation=offline and offline.correlation,
        failure=run.record.failure,
    )


def _figures(setup: Setup, runs: Sequence[Run], block: BlockName) -> Figures:
    trials = [judged(run, block) for run in runs]
    task = setup.plan.task
    return figures_of(trials, setup.loaded.card.bin_size_s, task.timeout_s, _random(setup), task.choices)


def _random(setup: Setup) -> np.random.Generator:
    """Anew for each figure, so that none depends on which others there are."""
    return random_stream(setup.seeds[0], Purpose.TRIAL_BOOTSTRAP)


def _designed_latency_bins(setup: Setup) -> dict[str, int]:
    plan, bin_size_s, model = setup.plan, setup.loaded.card.bin_size_s, setup.user_model
    user = (
        {"visual feedback": model.visual_delay_s, "reaction": model.reaction_s}
        if setup.user.kind == "simulated"
        else {}
    )
    return {name: round(delay_s / bin_size_s) for name, delay_s in user.items()} | {
        "perturbation": bins_late(plan.perturbations, bin_size_s),
        "population": setup.loaded.card.latency_bins,
        "decoder": plan.decoder_bins - 1,  # at most: the bins that it waits for
    }


def _cells(decoder: DecoderReport) -> list[str]:
    figures = decoder.closed_loop
    return [
        decoder.decoder,
        format_estimate(figures.success_rate, percent=True),
        format_estimate(figures.time_with_failures_s),
        format_estimate(figures.fitts_bits_per_s),
        format_estimate(decoder.r_squared),
    ]


def _mean(offline: Sequence[tuple[float, float] | None]) -> Estimate:
    """Over sessions, of the mean over axes."""
    means = np.array([np.mean(of_axes) for of_axes in offline if of_axes is not None], np.float64)
    if len(means) < 2:
        return Estimate(float(means[0]) if len(means) else math.nan, math.nan, math.nan)
    mean = fold_mean(means)
    return Estimate(mean.value, mean.low, mean.high)


def as_document(report: ClosedLoopReport) -> dict[str, Any]:
    """The report as JSON has it: without a clock's figures where there was no clock."""
    document = dataclasses.asdict(report)
    if not report.real_time:
        del document["real_time"], document["normalized_latency"]
    return document
