"""The results of an evaluation as printed lines."""

from collections.abc import Sequence
from math import isfinite

from rich.console import Console
from rich.table import Table

from spikeloop.models.evaluation.responses import TRAINING_PASSES, ConditionalEvaluation
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.commands.output import print_similarity
from spikeloop.streamer.launch.evaluate import EvaluationReport

__all__ = ["print_report"]


def print_report(report: EvaluationReport) -> None:
    """Print an evaluation for people.

    Parameters
    ----------
    report : EvaluationReport
    """
    _print_windows(report.windows, report.judged_on)
    _print_seams(report.subject.seam_ratio, report.subject.seam_covariance_ratio or ())
    if report.one_step is not None:
        print(f"forecast of the next bin, when it was trained: {report.one_step.in_words()}")
    if report.answers is not None:
        _print_answers(report.answers)


def _print_windows(found: Evaluation, judged_on: str) -> None:
    print_similarity(found.similarity, judged_on)
    if found.published is None:
        print("fluorescence: statistics that need spikes are left out")
    print(f"\nmean E/F {found.mean_ratio:.2f}, worst {found.worst.ratio:.2f} ({title_of(found.worst.statistic)})")
    dynamic = f"{found.dynamic_worst.ratio:.2f} ({title_of(found.dynamic_worst.statistic)})"
    print(f"higher-order and dynamic statistics: mean E/F {found.dynamic_mean_ratio:.2f}, worst {dynamic}")
    print(f"two-sample AUC {found.two_sample:.3f} (real against real {found.real_two_sample:.3f}; 0.5 is perfect)")
    print(f"memorisation AUC {found.memorisation:.3f} (0.5: training windows are no nearer than held-out ones)")


def _print_seams(seam_ratio: float | None, seam_covariance_ratio: Sequence[float]) -> None:
    """Of a stream's windows, where there are any."""
    if seam_ratio is not None and isfinite(seam_ratio):
        print(f"seams: lagged covariance across borders of windows over inside {seam_ratio:.2f} (1: none seen)")
    if any(map(isfinite, seam_covariance_ratio)):
        ratios = ", ".join(f"{ratio:.2f}" for ratio in seam_covariance_ratio)
        print(f"seams at lags of 1 to {len(seam_covariance_ratio)} bins: {ratios}")


def _print_answers(answered: ConditionalEvaluation) -> None:
    if (responses := answered.responses) is not None:
        noise = responses.noise_correlation
        print(f"\nanswers to the stimulus, {responses.repeats} repeats at a time:")
        print(f"PSTH correlation {responses.psth_correlation:.3f} (real repeats reach {responses.psth_reachable:.3f})")
        print(f"noise correlations E/F {noise.ratio:.2f} (E {noise.error:.3g}, F {noise.floor:.3g},", end=" ")
        print(f"I {noise.ceiling:.3g} of repeats shuffled)")
    if (continuous := answered.continuous) is not None:
        print()
        judged_on = "the held-out part as one stream, by halves of blocks of 10 s"
        print_similarity(continuous.rows, judged_on, continuous.reachable)
        print(f"variance of the population count, model over real {continuous.population_variance_ratio:.2f}")
    if answered.decoding:
        passes = f"{TRAINING_PASSES} times over the same movements"
        print(f"\ndecoding held-out conditions, R2 after training on real and on the model's answers ({passes}):")
        table = Table("decoder", "condition", "real", "model", "ratio", box=None, pad_edge=False)
        for score in answered.decoding:
            figures = (f"{figure:.2f}" for figure in (score.real, score.synthetic, score.ratio))
            table.add_row(score.decoder, answered.held_out.channels[score.column].name, *figures)
        Console().print(table)
