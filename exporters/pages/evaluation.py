"""An evaluation as one self-contained page: verdicts, and pictures of everything that was compared."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from spikeloop.exporters.pages.responses import draw_decoding, draw_responses
from spikeloop.exporters.pages.shell import Markup, colour_of, figures, fill, join, page, section, table
from spikeloop.exporters.pages.windows import draw_windows
from spikeloop.models.evaluation.responses import ConditionalEvaluation
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.measures.similarity import Similarity, verdict
from spikeloop.models.measures.table import title_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import whole_file

__all__ = ["evaluation_summary", "similarity_table", "write_report"]

HEADINGS = ("statistic", "E", "F (floor)", "I (independent)", "E/F", "95 %", "(E-F)/(I-F)", "verdict")
JUDGED = """<p>{} units, {:g} ms bins, windows of {} bins; judged on {}: {} windows at random places, as many of the
model at a time.</p>"""
EXPLAINED = """<p>E: distance of the model from held-out data. F, the floor: distance of training data from held-out
data. I: distance of independent units at the same rates. E/F = 1 is as good as more recording would be. The interval is
a bootstrap over repeats. The two-sample AUC is that of a classifier between the model's windows and held-out ones: 0.5
is perfect. The memorisation AUC is above 0.5 where the model's windows lie nearer to training windows than to held-out
ones. {:.2f} % of the model's windows occur exactly in the training data ({:.2f} % of the held-out ones do).</p>"""
ANSWERS = """<p>PSTH correlation {:.3f} (real repeats reach {:.3f}), {} repeats at a time.</p>"""
CONTINUOUS = """<p>Of the stream as a whole: the distance of one half of the held-out part, alternate blocks of 10 s,
from the other half (F) and from the model's answers in its place (E). Variance of the population count, model over
real: {}.</p>"""


def write_report(
    path: Path,
    evaluation: Evaluation,
    *,
    model: str,
    recording: Recording,
    judged_on: str,
    samples: Recording | None = None,
    answered: ConditionalEvaluation | None = None,
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

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    pictures = Markup(draw_windows(evaluation, recording, samples))
    content = page(
        f"{model} against {recording.name}",
        fill(
            JUDGED, recording.units, recording.bin_size_s * 1000, evaluation.sampled.shape[1], judged_on,
            len(evaluation.held_out),
        ),
        figures(_figures(evaluation)),
        similarity_table(evaluation.similarity),
        fill(EXPLAINED, 100 * evaluation.duplicates, 100 * evaluation.real_duplicates),
        fill("<p>{}</p>", _published(evaluation)),
        pictures if answered is None else join([_answers(answered), section("Windows of the stream", pictures)]),
    )  # fmt: skip
    with whole_file(path) as file:
        file.write(content)


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    worst = evaluation.worst
    yield _number(evaluation.mean_ratio), "mean E/F"
    yield _number(worst.ratio), f"worst, {title_of(worst.statistic)}"
    yield f"{evaluation.two_sample:.2f}", f"two-sample AUC (real against real {evaluation.real_two_sample:.2f})"
    yield f"{evaluation.memorisation:.2f}", "memorisation AUC"


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


def _published(evaluation: Evaluation) -> str:
    if evaluation.published is None:
        return "Fluorescence: statistics that need spikes are left out."
    errors = (f"{key.replace('_', ' ')} {value:.4g}" for key, value in vars(evaluation.published).items())
    return f"The errors of Molano-Mazon et al. 2018, not normalised: {', '.join(errors)}."


def _answers(answered: ConditionalEvaluation) -> Markup:
    """How a conditional model answers, in words, tables and pictures."""
    parts: list[object] = []
    if (responses := answered.responses) is not None:
        parts.append(fill(ANSWERS, responses.psth_correlation, responses.psth_reachable, responses.repeats))
        parts += [similarity_table([responses.noise_correlation]), Markup(draw_responses(answered))]
    if (continuous := answered.continuous) is not None:
        parts.append(similarity_table(continuous.rows))
        parts.append(fill(CONTINUOUS, _number(continuous.population_variance_ratio)))
    if answered.decoding:
        parts.append(Markup(draw_decoding(answered)))
    return section("Answers to what drives it", *parts)


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
