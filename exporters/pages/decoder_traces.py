"""What decoders made of a stretch of movement, each at the width of bins that suits it best."""

from collections.abc import Iterator, Sequence

import numpy as np

from spikeloop.exporters.pages.drawing import MODEL, NARROW, REAL, Axes, draw_stack, literal
from spikeloop.exporters.pages.shell import Markup, fill, legend, panel, panels
from spikeloop.models.decoders.cross_validation import CrossValidation
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison, OfflineScore
from spikeloop.models.measures.decoding_scores import FoldMean, fold_mean

__all__ = ["best_of", "best_of_each", "mean_of", "traces"]

TRACE_S, TRACED_COLUMNS = 10.0, 2


def traces(comparison: OfflineComparison) -> Iterator[Markup]:
    """Draw what each decoder made of a stretch at its best width; then the best decoder at every width."""
    best = best_of(comparison.scores)
    more = len(comparison.columns) - TRACED_COLUMNS
    yield fill(
        "<p>A stretch of {:g} s from the middle of what was judged, on recorded counts; each decoder at the width of"
        " bins that suits it best.{}</p>",
        TRACE_S,
        f" Shown are {TRACED_COLUMNS} of {len(comparison.columns)} decoded signals." if more > 0 else "",
    )
    yield legend(("true", "ink"), ("decoded", "line"))
    yield panels(*(_trace_panel(comparison, score, score.decoder) for score in best_of_each(comparison)))
    widths = [score for score in comparison.scores if score.decoder == best.decoder]
    if len(widths) > 1:
        yield fill("<h3>{} at every width of bins</h3>", best.decoder)
        yield panels(*(_trace_panel(comparison, score, "") for score in widths))


def _trace_panel(comparison: OfflineComparison, score: OfflineScore, name: str) -> Markup:
    bin_size_s = comparison.recording.bin_size_s
    true, decoded = score.recorded.kinematics, score.recorded.decoded
    bins = min(len(true), round(TRACE_S / bin_size_s))
    shown = slice((len(true) - bins) // 2, (len(true) - bins) // 2 + bins)
    times = np.arange(bins) * bin_size_s
    columns = comparison.task.columns[:TRACED_COLUMNS]

    def paint(place: int, axis: Axes) -> None:
        channel = comparison.recording.channels[columns[place]]
        for values, colour, width in ((true, REAL, 1.2), (decoded, MODEL, 1.2)):
            axis.plot(times, values[shown, place], color=colour, linewidth=width)
        axis.set_ylabel(literal(channel.name) + (f"\n({literal(channel.unit)})" if channel.unit else ""))
        axis.set_xlim(0, bins * bin_size_s)

    rows = [lambda axis, place=place: paint(place, axis) for place in range(len(columns))]
    picture = draw_stack(rows, [1] * len(rows), NARROW, 70 + 95 * len(rows), xlabel="time (s)", left=66)
    width = f"bins of {score.bin_size_s * 1000:g} ms"
    note = f"R² {mean_of(score.recorded).value:.2f} over all folds"
    return panel(f"{name}, {width}" if name else width, picture, note)


def best_of(scores: Sequence[OfflineScore]) -> OfflineScore:
    """Return the score of the highest mean R2 on recorded counts."""
    return max(scores, key=lambda score: np.nan_to_num(score.recorded.r_squared.mean(), nan=-np.inf))


def best_of_each(comparison: OfflineComparison) -> list[OfflineScore]:
    """Return every decoder at the width that suits it best, the best first."""
    names = dict.fromkeys(score.decoder for score in comparison.scores)
    best = [best_of([score for score in comparison.scores if score.decoder == name]) for name in names]
    return sorted(best, key=lambda score: -np.nan_to_num(score.recorded.r_squared.mean(), nan=-np.inf))


def mean_of(found: CrossValidation) -> FoldMean:
    """Return the mean R2 over columns, with its interval over folds."""
    return fold_mean(found.r_squared.mean(axis=1))
