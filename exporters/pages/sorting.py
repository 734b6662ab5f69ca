"""How well a sorter found the true spikes, as a page or a picture."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from spikeloop.exporters.pages.drawing import MODEL, Axes, draw, literal, look, new_figure, picture_file
from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.plots import heat, say
from spikeloop.exporters.pages.shell import figures, fill, page, panel, panels, section, table
from spikeloop.models.sorting.score import WELL, SortingScore, figure_words

__all__ = ["sorting_page", "sorting_picture"]

SQUARE = 420  # pixels
EXPLAINED = (
    "Accuracy is the share of pairs, pairs / (true + found - pairs), of a true unit and the found unit matched with it;"
    " units are matched one to one so that the sum of agreements is the largest. Latency is the median time by which"
    " found spikes come after true ones; jitter, half the distance of their quantiles 0.16 and 0.84."
)


def sorting_page(score: SortingScore, origin: Origin | None = None) -> bytes:
    """Make the page, UTF-8.

    Parameters
    ----------
    score : SortingScore
    origin : Origin, optional
        What made it.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    drawn = partial(draw, width=SQUARE, height=SQUARE)
    return page(
        f"Sorting of {score.truth}",
        figures(_figures(score)),
        *(fill("<p>{}</p>", sentence) for sentence in score.summary()),
        section(
            "Pictures",
            panels(
                panel("Agreement", drawn(partial(_agreement, score))),
                panel("Accuracy and number of spikes", drawn(partial(_accuracy, score))),
                panel("Latency", drawn(partial(_latency, score))),
            ),
        ),
        section("Units", _units(score)),
        section("What is counted", fill("<p>{}</p>", EXPLAINED)),
        made_by(origin),
        kind="sorting",
    )


def sorting_picture(score: SortingScore, kind: str) -> bytes:
    """Draw the same as one picture.

    Parameters
    ----------
    score : SortingScore
    kind : ".svg" or ".png"

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    figure = new_figure(15, 5)
    with look():
        for axis, paint in zip(figure.subplots(1, 3), (_agreement, _accuracy, _latency), strict=True):
            paint(score, axis)
        figure.suptitle(literal(score.summary()[0]))
    return picture_file(figure, kind)


def _figures(score: SortingScore) -> Iterator[tuple[str, str]]:
    yield f"{score.accuracy:.3f}", "mean accuracy"
    yield f"{score.well_detected} of {len(score.units)}", f"units of an accuracy of {WELL:g} or more"
    yield f"{figure_words(score.latency_ms, 2)} ms", "latency"
    yield f"{figure_words(score.jitter_ms, 2)} ms", "jitter"


def _agreement(score: SortingScore, axis: Axes) -> None:
    """True units from top to bottom; found ones in the order of their matches, then the others."""
    place = {name: number for number, name in enumerate(score.found_names)}
    matched = [place[unit.found] for unit in score.units if unit.found is not None]
    order = [*matched, *(number for number in range(len(place)) if number not in set(matched))]
    ordered = np.argsort(np.array([unit.found is None for unit in score.units]), kind="stable")
    extent = (0.0, float(len(order)), float(len(ordered)), 0.0)
    heat(axis, score.agreement[np.ix_(ordered, np.array(order, np.intp))], extent, "agreement", (0.0, 1.0))
    axis.set(xlabel="found units, matched ones first", ylabel="true units, matched ones first")


def _accuracy(score: SortingScore, axis: Axes) -> None:
    _dots(axis, [unit.spikes for unit in score.units], [unit.accuracy for unit in score.units])
    axis.set(xlabel="true spikes", ylabel="accuracy", ylim=(-0.03, 1.03))


def _latency(score: SortingScore, axis: Axes) -> None:
    found = [unit for unit in score.units if np.isfinite(unit.latency_ms)]
    if not found:
        say(axis, "no unit was found")
        return
    _dots(axis, [unit.latency_ms for unit in found], [unit.jitter_ms for unit in found])
    axis.set(xlabel="latency (ms)", ylabel="jitter (ms)")


def _dots(axis: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    axis.plot(x, y, "o", markersize=4, color=MODEL)


def _units(score: SortingScore) -> str:
    _, heads, rows = score._table()
    return table(heads, rows)
