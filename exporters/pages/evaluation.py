"""An evaluation as one self-contained page: the verdict, pictures of everything that was compared, and the figures."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spikeloop.exporters.pages.drawing import COLOURS, FAINT, Axes, draw, draw_wide, room_for
from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.plots import bars, log_axis
from spikeloop.exporters.pages.responses import draw_decoding, draw_responses
from spikeloop.exporters.pages.shell import (
    Markup,
    Section,
    colour_of,
    figures,
    fill,
    item_list,
    join,
    legend,
    page,
    panel,
    section,
    table,
)
from spikeloop.exporters.pages.windows import window_sections
from spikeloop.models.evaluation.responses import ConditionalEvaluation
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.measures.similarity import Similarity, in_words, verdict
from spikeloop.models.measures.table import title_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import whole_file

__all__ = ["evaluation_summary", "similarity_table", "write_report"]

HEADINGS = ("statistic", "model error E", "sampling error F", "independent units I", "E/F", "95 %",
            "(E-F)/(I-F)", "verdict")  # fmt: skip
WIDE_RATIO = 10.0  # E/F from which on the axis is logarithmic
SYMBOLS = (
    ("E, the model's error", "distance of the statistic between the model's windows and held-out windows"),
    ("F, the sampling error", "the same distance between training data and held-out data: what chance alone makes"),
    ("I, independent units", "the same distance for units with the right rates that know nothing of each other"),
    ("E/F", "1 is as good as more recording would be; the interval is a bootstrap over repeats"),
    ("(E-F)/(I-F)", "0 is perfect, 1 no better than independent units"),
    ("two-sample AUC", "of a classifier between the model's windows and held-out ones; 0.5 is perfect"),
    ("memorisation AUC", "above 0.5 where the model's windows lie nearer to training windows than to held-out ones"),
)
DUPLICATES = (
    """{:.2f} % of the model's windows occur exactly in the training data ({:.2f} % of the held-out ones do)."""
)
ANSWERS = """<p>PSTH correlation {:.3f} (real repeats reach {:.3f}), {} repeats at a time.</p>"""
CONTINUOUS = """<p>The distance of one half of the held-out part, alternate blocks of 10 s,
from the other half (F) and from the model's answers in its place (E). Variance of the population count, model over
real: {}.{}</p>"""
REACHABLE = """ E/F of the training data in the model's place, which differ from the held-out part as the session
drifts: {}."""


def write_report(
    path: Path,
    evaluation: Evaluation,
    *,
    model: str,
    recording: Recording,
    judged_on: str,
    samples: Recording | None = None,
    answered: ConditionalEvaluation | None = None,
    origin: Origin | None = None,
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
        File that is replaced; folders on the way to it are made.
    evaluation : Evaluation
    model : str
        What was evaluated, in words.
    recording : Recording
        The held-out part that it was judged by.
    judged_on : str
        That part in words.
    samples : Recording, default None
        A model's samples; the PSTH shows them where they are repeats as long as the recording's.
    answered : ConditionalEvaluation, default None
        How a conditional model answers to its conditions.
    origin : Origin
        What made the page.

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    content = page(
        f"{model} against {recording.name}",
        figures(_figures(evaluation)),
        _deviations(evaluation),
        answered and _answers(answered),
        *window_sections(evaluation, recording, samples),
        _tables(evaluation, answered),
        _meaning(evaluation),
        made_by(origin, _judged(evaluation, model, recording, judged_on)),
        kind="evaluation",
        heading=fill("{} <small>against the recording {}</small>", model, recording.name),
        lead=_lead(evaluation),
    )
    with whole_file(path) as file:
        file.write(content)


def _lead(evaluation: Evaluation) -> str:
    """What was found, in two sentences."""
    judged = [row for row in evaluation.similarity if not math.isnan(row.ratio)]
    good = sum(verdict(row) == "at the floor" for row in judged)
    worst = max(judged, key=lambda row: row.ratio, default=evaluation.worst)
    said = f"{good} of {len(judged)} statistics are as near to the held-out recording as more recording would be"
    if judged and good < len(judged):
        said += f"; furthest off: {title_of(worst.statistic)}, {_number(worst.ratio)} times the sampling error"
    return (
        f"{said}. A classifier separates model and recording with an AUC of {evaluation.two_sample:.2f}, two parts of"
        f" the recording with {evaluation.real_two_sample:.2f}."
    )


def _judged(evaluation: Evaluation, model: str, recording: Recording, judged_on: str) -> Iterator[tuple[str, str]]:
    yield "model", model
    yield "recording", f"{recording.name}: {recording.units} units, {recording.bin_size_s * 1000:g} ms bins"
    yield "judged on", judged_on
    yield (
        "windows",
        (
            f"{len(evaluation.held_out)} of {evaluation.sampled.shape[1]} bins at random places, as many of the"
            " model at a time"
        ),
    )


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    worst = evaluation.worst
    yield _number(evaluation.mean_ratio), "mean E/F (1 is perfect)"
    yield _number(worst.ratio), f"largest E/F: {title_of(worst.statistic)}"
    yield _number(evaluation.dynamic_mean_ratio), "mean E/F of the dynamic statistics"
    yield f"{evaluation.two_sample:.2f}", f"two-sample AUC (recording: {evaluation.real_two_sample:.2f})"
    yield f"{evaluation.memorisation:.2f}", "memorisation AUC (0.5 is none)"


def evaluation_summary(evaluation: Evaluation, model: str, data: str, judged_on: str) -> str:
    """Make the part of a page that a notebook shows: the figures and the table of verdicts.

    Parameters
    ----------
    evaluation : Evaluation
    model, data, judged_on : str
        What was judged, by which recording, and by which part of it.
    """
    head = fill("<p>{} against {}; judged on {}</p>", model, data, judged_on)
    return join([head, figures(_figures(evaluation)), similarity_table(evaluation.similarity)])


def _deviations(evaluation: Evaluation) -> Section:
    """How far each statistic is off, as a picture and as figures."""
    shown = [row for row in evaluation.similarity if not math.isnan(row.ratio)]
    names = {"at the floor": "good", "near": "near", "off": "off", "far off": "far"}
    keys = legend(*((in_words(said), names[said]) for said in names if said in map(verdict, shown)))
    picture = draw_wide(lambda width: _draw_deviations(shown, width))
    note = "Error of the model by sampling error (E/F), with 95 % intervals; the line is at 1."
    return section(
        "Deviations",
        join([keys, panel("how far each statistic is off", picture, note, whole=True)]) if shown else "",
    )


def _draw_deviations(shown: Sequence[Similarity], width: float) -> Markup:
    ratios = np.array([row.ratio for row in shown])
    low, high = (np.array([getattr(row, end) for row in shown]) for end in ("low", "high"))
    names = [title_of(row.statistic) for row in shown]

    def paint(axis: Axes) -> None:
        spread = np.stack([np.maximum(0, ratios - low), np.maximum(0, high - ratios)])
        bars(axis, names, ratios, [COLOURS[verdict(row)] for row in shown], spread)
        finite = ratios[np.isfinite(ratios)]
        if len(finite) and finite.max() > WIDE_RATIO:
            log_axis(axis.xaxis, min(0.5, finite.min()), finite.max())
        axis.axvline(1, color=FAINT, linewidth=1.2)
        axis.set_xlabel("E/F")

    return draw(paint, width, 60 + 22 * len(shown), left=room_for(names))


def _meaning(evaluation: Evaluation) -> Section:
    """What the figures are."""
    explained = item_list(fill("<strong>{}</strong>: {}.", *entry) for entry in SYMBOLS)
    shares = DUPLICATES.format(100 * evaluation.duplicates, 100 * evaluation.real_duplicates)
    return section("What the figures are", explained, fill("<p>{}</p><p>{}</p>", shares, _published(evaluation)))


def _published(evaluation: Evaluation) -> str:
    if evaluation.published is None:
        return "Fluorescence: statistics that need spikes are left out."
    errors = (f"{key.replace('_', ' ')} {value:.4g}" for key, value in vars(evaluation.published).items())
    return f"The errors of Molano-Mazon et al. 2018, not normalised: {', '.join(errors)}."


def _answers(answered: ConditionalEvaluation) -> Section:
    """How a conditional model answers, in words, tables and pictures."""
    parts: list[object] = []
    if (responses := answered.responses) is not None:
        parts.append(fill(ANSWERS, responses.psth_correlation, responses.psth_reachable, responses.repeats))
        parts.append(draw_responses(answered))
    if answered.decoding:
        parts.append(draw_decoding(answered))
    return section("Answers to what drives it", *parts)


def _tables(evaluation: Evaluation, answered: ConditionalEvaluation | None) -> Section:
    """Every verdict, of windows and of answers."""
    parts: list[object] = [Markup("<h3>Windows</h3>"), similarity_table(evaluation.similarity)]
    if answered is not None and (responses := answered.responses) is not None:
        parts += [Markup("<h3>Answers</h3>"), similarity_table([responses.noise_correlation])]
    if answered is not None and (continuous := answered.continuous) is not None:
        parts.append(Markup("<h3>The stream as a whole</h3>"))
        reached = ", ".join(f"{title_of(row.statistic)} {_number(row.ratio)}" for row in continuous.reachable)
        ratio = _number(continuous.population_variance_ratio)
        parts.append(fill(CONTINUOUS, ratio, REACHABLE.format(reached) if reached else ""))
        parts.append(similarity_table(continuous.rows))
    return section("Figures", *parts)


def similarity_table(similarity: Sequence[Similarity]) -> Markup:
    """Make a table of verdicts: E, F, I, E/F with its interval, and the excess of each statistic.

    Parameters
    ----------
    similarity : sequence of Similarity
    """
    return table(HEADINGS, map(_row, similarity))


def _row(similarity: Similarity) -> Iterator[str]:
    yield title_of(similarity.statistic)
    yield from (f"{figure:.3g}" for figure in (similarity.error, similarity.floor, similarity.ceiling))
    yield _number(similarity.ratio)
    yield "" if math.isnan(similarity.low) else f"{similarity.low:.2f} to {similarity.high:.2f}"
    yield _number(similarity.excess)
    yield colour_of(verdict(similarity))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
