"""What an offline comparison of decoders says, told as JSON or in words."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spikeloop.models.measures.decoder_comparison import CrossValidation, fold_mean
from spikeloop.models.offline_decoding import OfflineComparison, OfflineScore, largest_difference, rank_correlation
from spikeloop.streamer.commands.output import WIDE

__all__ = ["comparison_as_json", "print_comparison"]


def comparison_as_json(comparison: OfflineComparison) -> dict[str, Any]:
    """By decoder at each width of bins, means with intervals; how alike the ranks are where there is a bundle."""
    rankings = [
        {"bin_ms": size_s * 1000, "rank_correlation": rank_correlation(scores), "decoders": len(scores),
         "largest_difference": largest_difference(scores)}
        for size_s, scores in comparison.by_width().items()
        if comparison.bundle is not None
    ]  # fmt: skip
    return {
        "recording": comparison.recording.name,
        "target": comparison.columns,
        "units": comparison.recording.units,
        "lag_ms": comparison.lag_s * 1000,
        "folds": comparison.task.folds,
        "judged_on": comparison.judged_on,
        "bundle": comparison.bundle,
        "decoders": [
            {"decoder": score.decoder, "bin_ms": score.bin_size_s * 1000}
            | {
                kind: found and _figures(found, comparison.columns)
                for kind, found in (("recorded", score.recorded), ("generated", score.generated))
            }
            for score in comparison.scores
        ],
        "rankings": rankings,
    }


def _figures(found: CrossValidation, columns: Sequence[str]) -> dict[str, Any]:
    """Means over columns, and of each column."""
    return {
        measure: asdict(fold_mean(values.mean(axis=1)))
        | {"folds": values.mean(axis=1).tolist()}
        | {"columns": {name: asdict(fold_mean(each)) for name, each in zip(columns, values.T, strict=True)}}
        for measure, values in (("r_squared", found.r_squared), ("correlation", found.correlation))
    }


def print_comparison(comparison: OfflineComparison) -> None:
    """A table for each width of bins, for people."""
    console = Console()
    print(
        f"{comparison.recording.name}: {', '.join(comparison.columns)}, {comparison.lag_s * 1000:g} ms after the counts"
    )
    print(f"judged on {comparison.judged_on}")
    for size_s, scores in comparison.by_width().items():
        print(f"\nbins of {size_s * 1000:g} ms:")
        wide = console.width >= WIDE
        table = _ranked_table(scores) if comparison.bundle is not None else _table(scores, comparison.columns, wide)
        console.print(table)
        if comparison.bundle is not None:
            print(f"rank correlation {rank_correlation(scores):.2f} (Spearman, of {len(scores)} decoders)")
            print(f"largest difference of R2 {largest_difference(scores):.3f}")
    print("95 %: Student's t over folds, which share training data")


def _table(scores: Sequence[OfflineScore], columns: Sequence[str], wide: bool) -> Table:
    """Columns are of R2; the interval of r where there is room."""
    table = Table("decoder", "R2", "95 %", *columns, "r", *["95 %"] * wide, box=None, pad_edge=False)
    for score in scores:
        found = score.recorded
        each_column = (f"{value:.3f}" for value in found.r_squared.mean(axis=0))
        correlation = _mean_cells(found.correlation)[: 1 + wide]
        table.add_row(escape(score.decoder), *_mean_cells(found.r_squared), *each_column, *correlation)
    return table


def _ranked_table(scores: Sequence[OfflineScore]) -> Table:
    table = Table("decoder", "R2 recorded", "95 %", "R2 generated", "95 %", box=None, pad_edge=False)
    for score in scores:
        both = [_mean_cells(each.r_squared) for each in (score.recorded, score.generated) if each is not None]
        table.add_row(escape(score.decoder), *(cell for cells in both for cell in cells))
    return table


def _mean_cells(values: NDArray[np.float64]) -> tuple[str, str]:
    mean = fold_mean(values.mean(axis=1))
    return f"{mean.value:.3f}", f"{mean.low:.2f} to {mean.high:.2f}"
