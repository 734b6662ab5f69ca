"""An offline comparison of decoders as one self-contained page: R2 at every width of bins, true and decoded traces."""

from collections.abc import Iterator, Sequence

import numpy as np

from spikeloop.exporters.pages.decoder_traces import best_of, best_of_each, mean_of, traces
from spikeloop.exporters.pages.drawing import (
    FAINT,
    HEIGHT,
    MODEL,
    NARROW,
    REAL,
    SERIES,
    Axes,
    draw,
    room_for,
)
from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.plots import dots, name_rows
from spikeloop.exporters.pages.shell import (
    Markup,
    figures,
    fill,
    join,
    legend,
    page,
    panel,
    panels,
    section,
    table,
)
from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.cross_validation import CrossValidation
from spikeloop.models.decoders.history import describe_histories
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison, OfflineScore
from spikeloop.models.evaluation.rank_agreement import largest_difference, rank_correlation
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.measures.falcon_scores import session_scores

__all__ = ["decoding_page"]

KINDS = {"recorded": ("recorded counts", "ink", REAL), "generated": ("generated counts", "line", MODEL)}
SHOWN = (-0.5, 1.0)  # R2; chance may lie below
EXPLAINED = """<p>R² = 1 - squared error / squared deviation from the mean, and Pearson's correlation, are means over
what was decoded; the intervals are Student's t at 95 % over {} folds, which share training data. What is decoded from
a wide bin is held over it, and judged by the kinematics of the recording's own bins of {:g} ms; the delay of waiting
for a bin to be full is not in it.</p>"""
RANKS = """<p>Rank correlation (Spearman) of the R² of {} decoders on recorded and on generated counts: {:.2f}. Largest
difference of an R²: {:.3f}. Ranks follow the movement too, so that they agree easily.</p>"""
FALCON = """<p class='note'>FALCON (Karpowicz et al. 2024): R² with columns weighted by their variance, mean and
standard deviation over folds (held in) and over further sessions (held out); compute time over neural time, on this
machine.</p>"""


def decoding_page(comparison: OfflineComparison, origin: Origin | None = None) -> bytes:
    """Make the page of an offline comparison of decoders.

    Parameters
    ----------
    comparison : OfflineComparison
    origin : Origin
        What made it.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    title = f"Decoders of {comparison.recording.name}"
    if comparison.bundle is not None:
        title += f", recorded and as {comparison.bundle} generates it"
    by_width = comparison.by_width()
    folds, bin_ms = comparison.task.folds, comparison.recording.bin_size_s * 1000
    return page(
        title,
        figures(_figures(comparison)),
        section("R² of every decoder", *_pictures(by_width, comparison.bundle is not None)),
        section("True and decoded", *traces(comparison)),
        section("Figures", *(_figures_of(comparison, size_s, scores) for size_s, scores in by_width.items())),
        section("What the figures are", fill(EXPLAINED, folds, bin_ms)),
        made_by(origin, _facts(comparison)),
        kind="decoders offline",
        lead=_lead(comparison),
    )


def _lead(comparison: OfflineComparison) -> str:
    best = best_of(comparison.scores)
    mean = mean_of(best.recorded)
    what = f"{best.decoder} reads {', '.join(comparison.columns)} best: R² {mean.value:.2f}"
    said = f"{what} (95 % {mean.low:.2f} to {mean.high:.2f}) in bins of {best.bin_size_s * 1000:g} ms."
    if comparison.bundle is None:
        return said
    scores = next(iter(comparison.by_width().values()))
    ranks = rank_correlation(scores)
    return f"{said} Counts of {comparison.bundle} rank decoders alike with a correlation of {ranks:.2f}."


def _figures(comparison: OfflineComparison) -> Iterator[tuple[str, str]]:
    for score in best_of_each(comparison)[:4]:
        yield f"{mean_of(score.recorded).value:.2f}", f"R² of {score.decoder}, bins of {score.bin_size_s * 1000:g} ms"


def _facts(comparison: OfflineComparison) -> Iterator[tuple[str, str]]:
    recording = comparison.recording
    yield "recording", f"{recording.name}: {recording.units} units, {recording.bin_size_s * 1000:g} ms bins"
    if comparison.bundle is not None:
        yield "generated counts", f"of {comparison.bundle}"
    yield "decoded", f"{', '.join(comparison.columns)}, {comparison.lag_s * 1000:g} ms later than the counts"
    yield "judged on", comparison.judged_on
    for decoder, reason in comparison.failures.items():
        yield f"{decoder} failed", reason


def _pictures(by_width: dict[float, tuple[OfflineScore, ...]], generated: bool) -> Iterator[Markup]:
    """R2 over widths of bins, then every decoder's folds at each width."""
    names = list(dict.fromkeys(score.decoder for scores in by_width.values() for score in scores))
    kinds = [KINDS["recorded"], *([KINDS["generated"]] if generated else [])]
    several = len(by_width) > 1
    over_widths = panel(
        "R² by width of bins, recorded counts" if generated else "R² by width of bins",
        draw(lambda axis: _draw_widths(axis, by_width), height=HEIGHT + 40),
        legend(*((name, colour) for name, colour in zip(names, _cycle(list(SERIES), len(names)), strict=True))),
    )
    if any(score.recorded.r_squared.mean() < SHOWN[0] for scores in by_width.values() for score in scores):
        yield fill("<p class='note'>Of an R² below {:g} only the number is shown; curves leave it out.</p>", SHOWN[0])
    yield legend(*((words, name) for words, name, _ in kinds)) if generated else Markup()
    yield panels(
        over_widths if several else "",
        *(_folds_panel(size_s, scores) for size_s, scores in by_width.items()),
        *(_ranks_panel(size_s, scores) for size_s, scores in by_width.items() if generated),
    )


def _folds_panel(size_s: float, scores: Sequence[OfflineScore]) -> Markup:
    names = [score.decoder for score in scores]
    picture = draw(lambda axis: _draw_folds(axis, scores), NARROW, 64 + 32 * len(scores), left=room_for(names))
    return panel(f"bins of {size_s * 1000:g} ms", picture, "Small: a fold. Large: their mean, with its 95 % interval.")


def _draw_folds(axis: Axes, scores: Sequence[OfflineScore]) -> None:
    shift = 0.17 if scores[0].generated is not None else 0.0
    for kind, place in (("recorded", -shift), ("generated", shift)):
        colour = KINDS[kind][2]
        for row, score in enumerate(scores):
            found = score.recorded if kind == "recorded" else score.generated
            if found is None:
                continue
            folds, mean = found.r_squared.mean(axis=1), mean_of(found)
            if mean.value < SHOWN[0]:
                axis.text(
                    SHOWN[0],
                    row + place,
                    f" ◂ {mean.value:,.{2 if mean.value > -100 else 0}f}",
                    color=colour,
                    va="center",
                )
                continue
            dots(axis, folds, np.full(len(folds), row + place), colour, 4, alpha=0.45)
            axis.plot([mean.low, mean.high], [row + place] * 2, color=colour, linewidth=1.6)
            dots(axis, [mean.value], [row + place], colour, 8)
    axis.axvline(0, color=FAINT, linewidth=1)
    axis.set(xlabel="R²", xlim=SHOWN)
    name_rows(axis, [score.decoder for score in scores])


def _draw_widths(axis: Axes, by_width: dict[float, tuple[OfflineScore, ...]]) -> None:
    """R2 on recorded counts, a line a decoder."""
    places = np.arange(len(by_width))
    rows = list(zip(*by_width.values(), strict=True))
    for number, (same, colour) in enumerate(zip(rows, _cycle(list(SERIES.values()), len(rows)), strict=True)):
        means = [mean_of(score.recorded) for score in same]
        shifted = places + 0.06 * (number - (len(rows) - 1) / 2)
        values = np.array([mean.value if mean.value >= SHOWN[0] else np.nan for mean in means])
        spread = [mean.value - mean.low for mean in means]
        axis.errorbar(shifted, values, spread, fmt=".-", linewidth=1.3, color=colour)
    axis.axhline(0, color=FAINT, linewidth=1)
    axis.set(xlabel="width of bins (ms)", ylabel="R²", ylim=SHOWN)
    axis.set_xticks(places, [f"{size_s * 1000:g}" for size_s in by_width])


def _ranks_panel(size_s: float, scores: Sequence[OfflineScore]) -> Markup:
    def paint(axis: Axes) -> None:
        axis.plot(SHOWN, SHOWN, color=FAINT, linewidth=1)
        both = [(score.recorded, score.generated) for score in scores if score.generated is not None]
        recorded, generated = ([found.r_squared.mean() for found in side] for side in zip(*both, strict=True))
        dots(axis, recorded, generated, MODEL, 6)
        axis.set(xlabel="R² on recorded counts", ylabel="R² on generated counts", xlim=SHOWN, ylim=SHOWN)

    title = f"ranks at {size_s * 1000:g} ms: correlation {rank_correlation(scores):.2f}"
    return panel(title, draw(paint), "A dot a decoder; on the line both counts give the same R².")


def _figures_of(comparison: OfflineComparison, size_s: float, scores: Sequence[OfflineScore]) -> Markup:
    """Tables of the decoders at one width of bins, and how alike the ranks are."""
    heading = fill("<h3>Bins of {:g} ms</h3>", size_s * 1000)
    if histories := describe_histories({score.decoder: score.history_bins for score in scores}, size_s):
        heading = join([heading, fill("<p class='note'>History: {}.</p>", histories)])
    recorded = _table(comparison.columns, {score.decoder: score.recorded for score in scores})
    if comparison.bundle is None:
        return join([heading, recorded, _falcon(scores)])
    both = {score.decoder: score.generated for score in scores if score.generated is not None}
    return join(
        [
            heading,
            Markup("<p>Recorded counts:</p>"),
            recorded,
            Markup("<p>Generated counts:</p>"),
            _table(comparison.columns, both),
            fill(RANKS, len(scores), rank_correlation(scores), largest_difference(scores)),
            _falcon(scores),
        ]
    )


def _falcon(scores: Sequence[OfflineScore]) -> Markup:
    """The scores of the FALCON challenge."""
    rows = [
        [
            score.decoder,
            str(session_scores(score.recorded.variance_weighted)),
            str(session_scores(score.held_out)),
            f"{score.normalized_latency:.2g}",
        ]
        for score in scores
    ]
    return join([table(["decoder", "FALCON R², held in", "held out", "normalized latency"], rows), Markup(FALCON)])


def _table(columns: Sequence[str], found: dict[str, CrossValidation]) -> Markup:
    rows = (
        [name, _interval(scores.r_squared), *map(_number, scores.r_squared.mean(axis=0)),
         _interval(scores.correlation)]
        for name, scores in found.items()
    )  # fmt: skip
    return table(["decoder", "R², 95 %", *(f"R² of {column}" for column in columns), "correlation, 95 %"], rows)


def _interval(values: Floats) -> Markup:
    mean = fold_mean(values.mean(axis=1))
    return join([fill("{} <small>{} to {}</small>", f"{mean.value:.3f}", f"{mean.low:.2f}", f"{mean.high:.2f}")])


def _number(value: float) -> str:
    return f"{value:.3f}"


def _cycle(values: list[str], number: int) -> list[str]:
    return [values[place % len(values)] for place in range(number)]
