"""What an evaluation found, told as JSON or in words."""

import dataclasses
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from spikeloop.models.conditional_evaluation import TRAINING_PASSES, ConditionalEvaluation
from spikeloop.streamer.commands.output import likeness_rows, print_likeness

if TYPE_CHECKING:
    from spikeloop.models.evaluation import Evaluation

__all__ = ["ANSWERS", "answers_as_json", "print_answers", "print_verdict", "verdict_as_json"]

ANSWERS = ("responses", "continuous", "decoding")  # keys of what only a conditional bundle has


def verdict_as_json(found: "Evaluation") -> dict[str, Any]:
    """A verdict on windows."""
    return {
        "window_bins": found.sampled.shape[1],
        "mean_ratio": found.mean_ratio,
        "worst": found.worst.statistic,
        "two_sample_auc": found.two_sample,
        "real_two_sample_auc": found.real_two_sample,
        "memorisation_auc": found.memorisation,
        "exact_duplicates": found.duplicates,
        "real_exact_duplicates": found.real_duplicates,
        "statistics": likeness_rows(found.likeness),
        "published_errors": found.published and dataclasses.asdict(found.published),
    }


def answers_as_json(answered: ConditionalEvaluation | None) -> dict[str, Any]:
    """How a conditional model answers, by `ANSWERS`; None for what there is not."""
    document: dict[str, Any] = dict.fromkeys(ANSWERS)
    if answered is None:
        return document
    if answered.responses is not None:
        noise = likeness_rows([answered.responses.noise_correlation])[0]
        document["responses"] = dataclasses.asdict(answered.responses) | {"noise_correlation": noise}
    if answered.continuous is not None:
        rows = likeness_rows(answered.continuous.rows)
        ratio, skipped = answered.continuous.population_variance_ratio, answered.continuous.skipped_units
        document["continuous"] = {"statistics": rows, "population_variance_ratio": ratio, "skipped_units": skipped}
    if answered.decoding:
        document["decoding"] = [
            {"decoder": each.decoder, "channel": answered.held_out.channels[each.column].name, "real": each.real,
             "synthetic": each.synthetic, "ratio": each.ratio}
            for each in answered.decoding
        ]  # fmt: skip
    return document


def print_verdict(
    found: "Evaluation", judged_on: str, seam_ratio: float | None, seam_covariance_ratio: Sequence[float]
) -> None:
    """A verdict on windows, for people; seams of a stream where there are any."""
    print_likeness(found.likeness, judged_on)
    if found.published is None:
        print("fluorescence: statistics that need spikes are left out")
    print(f"\nmean E/F {found.mean_ratio:.2f}, worst {found.worst.ratio:.2f} ({found.worst.statistic})")
    print(f"two-sample AUC {found.two_sample:.3f} (real against real {found.real_two_sample:.3f}; 0.5 is perfect)")
    print(f"memorisation AUC {found.memorisation:.3f} (0.5: training windows are no nearer than held-out ones)")
    if seam_ratio is not None and isfinite(seam_ratio):
        print(f"seams: lagged covariance across borders of windows over inside {seam_ratio:.2f} (1: none seen)")
    if any(map(isfinite, seam_covariance_ratio)):
        ratios = ", ".join(f"{ratio:.2f}" for ratio in seam_covariance_ratio)
        print(f"seams at lags of 1 to {len(seam_covariance_ratio)} bins: {ratios}")


def print_answers(answered: ConditionalEvaluation) -> None:
    """How a conditional model answers, for people."""
    if (responses := answered.responses) is not None:
        noise = responses.noise_correlation
        print(f"\nanswers to the stimulus, {responses.repeats} repeats at a time:")
        print(f"PSTH correlation {responses.psth_correlation:.3f} (real repeats reach {responses.psth_reachable:.3f})")
        print(f"noise correlations E/F {noise.ratio:.2f} (E {noise.error:.3g}, F {noise.floor:.3g},", end=" ")
        print(f"I {noise.ceiling:.3g} of repeats shuffled)")
    if (continuous := answered.continuous) is not None:
        print()
        print_likeness(continuous.rows, "the held-out part as one stream, by halves of blocks of 10 s")
        print(f"variance of the population count, model over real {continuous.population_variance_ratio:.2f}")
    if answered.decoding:
        passes = f"{TRAINING_PASSES} times over the same movements"
        print(f"\ndecoding held-out conditions, R2 after training on real and on the model's answers ({passes}):")
        table = Table("decoder", "condition", "real", "model", "ratio", box=None, pad_edge=False)
        for each in answered.decoding:
            figures = (f"{figure:.2f}" for figure in (each.real, each.synthetic, each.ratio))
            table.add_row(each.decoder, answered.held_out.channels[each.column].name, *figures)
        Console().print(table)
