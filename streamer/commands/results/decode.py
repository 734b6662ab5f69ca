"""The results of an offline comparison of decoders, as a document and as printed lines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spikeloop.models.decoders.history import describe_histories
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison, OfflineScore
from spikeloop.models.evaluation.rank_agreement import largest_difference, rank_correlation
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.measures.falcon_scores import session_scores
from spikeloop.streamer.commands.output import WIDE

__all__ = ["print_comparison"]


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
        if histories := describe_histories({score.decoder: score.history_bins for score in scores}, size_s):
            print(f"history: {histories}")
        if comparison.bundle is not None:
            print(f"rank correlation {rank_correlation(scores):.2f} (Spearman, of {len(scores)} decoders)")
            print(f"largest difference of R2 {largest_difference(scores):.3f}")
        print("FALCON: R2 of all columns, held in (folds) and held out; compute time over neural time:")
        console.print(_falcon_table(scores))
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
        both = [_mean_cells(found.r_squared) for found in (score.recorded, score.generated) if found is not None]
        table.add_row(escape(score.decoder), *(cell for cells in both for cell in cells))
    return table


def _falcon_table(scores: Sequence[OfflineScore]) -> Table:
    table = Table("decoder", "held in", "held out", "latency", box=None, pad_edge=False)
    for score in scores:
        both = (session_scores(score.recorded.variance_weighted), session_scores(score.held_out))
        table.add_row(escape(score.decoder), *map(str, both), f"{score.normalized_latency:.2g}")
    return table


def _mean_cells(values: NDArray[np.float64]) -> tuple[str, str]:
    mean = fold_mean(values.mean(axis=1))
    return f"{mean.value:.3f}", f"{mean.low:.2f} to {mean.high:.2f}"
