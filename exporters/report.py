"""An evaluation as one self-contained page: verdicts, and pictures of everything that was compared."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from spikeloop.exporters.drawing import COLOURS
from spikeloop.exporters.response_figures import draw_decoding, draw_responses
from spikeloop.exporters.whole_file import whole_file
from spikeloop.exporters.window_figures import draw_windows
from spikeloop.models.conditional_evaluation import ConditionalEvaluation
from spikeloop.models.evaluation import Evaluation
from spikeloop.models.measures.likeness import Likeness, verdict
from spikeloop.models.recordings.recording import Recording

__all__ = ["write_report"]


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
    model : what was evaluated, in words
    recording : what it was judged by
    samples : a model's samples where they are repeats as long as the recording's, for the PSTH
    answered : of a conditional model, how it answers

    Raises
    ------
    FailureError
        If Matplotlib is not installed, or the disk refuses.
    """
    pictures = draw_windows(evaluation, recording, samples)
    if answered is not None:
        pictures = f"{_answers(answered)}\n<h2>Windows of the stream</h2>\n{pictures}"
    page = _page(evaluation, model, recording, judged_on, pictures)
    with whole_file(path) as file:
        file.write(page.encode())


def _page(evaluation: Evaluation, model: str, recording: Recording, judged_on: str, pictures: str) -> str:
    worst = evaluation.worst
    published = "Fluorescence: statistics that need spikes are left out."
    if evaluation.published is not None:
        errors = (f"{escape(key.replace('_', ' '))} {value:.4g}" for key, value in vars(evaluation.published).items())
        published = f"The errors of Molano-Mazon et al. 2018, not normalised: {', '.join(errors)}."
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(model)} against {escape(recording.name)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ padding: .15em .8em .15em 0; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} th {{ border-bottom: 1px solid #999 }}
.big {{ font-size: 1.6em; margin-right: 1em }} .big small {{ font-size: .55em; color: #555 }}
svg {{ max-width: 100%; height: auto }} p {{ max-width: 50em }}
</style></head><body>
<h1>{escape(model)} against {escape(recording.name)}</h1>
<p>{recording.units} units, {recording.bin_size_s * 1000:g} ms bins, windows of {evaluation.sampled.shape[1]} bins;
judged on {escape(judged_on)}: {len(evaluation.held_out)} windows at random places, as many of the model at a time.</p>
<p><span class="big">{_number(evaluation.mean_ratio)} <small>mean E/F</small></span>
<span class="big">{_number(worst.ratio)} <small>worst, {escape(worst.statistic)}</small></span>
<span class="big">{evaluation.two_sample:.2f} <small>two-sample AUC (real against real
{evaluation.real_two_sample:.2f})</small></span>
<span class="big">{evaluation.memorisation:.2f} <small>memorisation AUC</small></span></p>
{_table(evaluation.likeness)}
<p>E: distance of model to held-out data; F, the floor: of training data to held-out data; I: of independent units at
the same rates. E/F = 1 is as good as more recording would be. The interval is a bootstrap over repeats.
The two-sample AUC is that of a classifier which tells the model's windows from held-out ones: 0.5 is perfect. The
memorisation AUC is above 0.5 where the model's windows lie nearer to training windows than to held-out ones.
{100 * evaluation.duplicates:.2f} % of the model's windows occur exactly in the training data
({100 * evaluation.real_duplicates:.2f} % of the held-out ones do).</p>
<p>{published}</p>
{pictures}
</body></html>
"""


def _answers(answered: ConditionalEvaluation) -> str:
    """How a conditional model answers, in words, tables and pictures."""
    parts = ["<h2>Answers to what drives it</h2>"]
    if (responses := answered.responses) is not None:
        parts.append(
            f"<p>PSTH correlation {responses.psth_correlation:.3f} (real repeats reach {responses.psth_reachable:.3f}),"
            f" {responses.repeats} repeats at a time.</p>{_table([responses.noise_correlation])}"
        )
        parts.append(draw_responses(answered))
    if (continuous := answered.continuous) is not None:
        parts.append(
            f"{_table(continuous.rows)}<p>Of the stream as a whole: one half of the held-out part, blocks of 10 s in"
            " turn, by the other half (F) and by the model's (E). Variance of the population count, model over real:"
            f" {_number(continuous.population_variance_ratio)}.</p>"
        )
    if answered.decoding:
        parts.append(draw_decoding(answered))
    return "\n".join(parts)


def _table(likeness: Sequence[Likeness]) -> str:
    rows = "\n".join(map(_row, likeness))
    return f"""<table><tr><th>statistic</th><th>E</th><th>F (floor)</th><th>I (independent)</th><th>E/F</th>
<th>95 %</th><th>(E-F)/(I-F)</th><th>verdict</th></tr>
{rows}
</table>"""


def _row(likeness: Likeness) -> str:
    said = verdict(likeness)
    interval = "" if math.isnan(likeness.low) else f"{likeness.low:.2f} to {likeness.high:.2f}"
    figures = (f"{figure:.3g}" for figure in (likeness.error, likeness.floor, likeness.ceiling))
    cells = "".join(
        f"<td>{cell}</td>" for cell in (*figures, _number(likeness.ratio), interval, _number(likeness.excess))
    )
    colour = COLOURS.get(said, "#555")
    return f'<tr><td>{escape(likeness.statistic)}</td>{cells}<td style="color:{colour}">{said}</td></tr>'


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
