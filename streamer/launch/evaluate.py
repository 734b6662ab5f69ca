"""`spikeloop.evaluate`: how near a bundle's spikes, or samples of any model, are to a recording."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from spikeloop.exporters.addresses import is_address
from spikeloop.exporters.bundle import Bundle, bundles, load_bundle, write_bundle
from spikeloop.exporters.documents import json_values
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.registry import format_of
from spikeloop.exporters.formats.storage.remote import located
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.responses import ANSWERS, ConditionalEvaluation, evaluate_responses
from spikeloop.models.evaluation.windows import STEPS, Evaluation, windows_of_samples
from spikeloop.models.evaluation.windows import evaluate as evaluate_windows
from spikeloop.models.html import text_columns
from spikeloop.models.measures.one_step import OneStepScore, parse_one_step
from spikeloop.models.measures.similarity import MEANING_OF_RATIO, Similarity, in_words, verdict
from spikeloop.models.measures.table import title_of
from spikeloop.models.measures.two_sample import require_classifier
from spikeloop.models.recordings.checks import checked_bin_size
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.scalars import checked_callable, checked_choice, checked_path, checked_whole
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import check_report, check_seed
from spikeloop.streamer.launch.subjects import Asked, Subject, read_samples, subject_of_bundle, subject_of_samples

__all__ = ["EvaluationReport", "check_own_bundle", "check_report", "evaluate", "is_samples_file", "write_card"]

LARGEST = 2**31 - 1  # number of parts or bins: what any index holds


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationReport:
    """How near a model is to a recording, as `evaluate` returns it.

    Attributes
    ----------
    model, data : str
        Names of the model and of the recording.
    judged_on : str
        The part of the recording that judged, and whether the model was trained on it, in words.
    windows : Evaluation
        Verdicts on windows: every statistic, two-sample test, memorisation.
    answers : ConditionalEvaluation or None
        Of a conditional bundle, how it answers to what drives it.
    subject : Subject
        The samples that were judged, and the parts of the recording.
    one_step : OneStepScore or None
        How well a bundle predicts the next bin, measured on what its training held out and kept in its card; a bundle
        draws spikes and computes no likelihood.
    """

    model: str
    data: str
    judged_on: str
    windows: Evaluation
    answers: ConditionalEvaluation | None
    subject: Subject
    one_step: OneStepScore | None = None

    @property
    def similarity(self) -> tuple[Similarity, ...]:
        """One verdict a statistic: E, F, I, and E/F with its 95 % interval."""
        return self.windows.similarity

    @property
    def mean_ratio(self) -> float:
        """Mean E/F over the classic statistics; 1 means as close to held-out data as another recording."""
        return self.windows.mean_ratio

    def to_dict(self) -> dict[str, Any]:
        """Convert to the document that `spikeloop evaluate --json` prints, all of what JSON holds."""
        named = {"model": self.model, "data": self.data, "judged_on": self.judged_on}
        seams = {key: getattr(self.subject, key) for key in ("seam_ratio", "seam_covariance_ratio")}
        answers = dict.fromkeys(ANSWERS) if self.answers is None else self.answers.to_dict()
        return json_values(named | seams | self.windows.to_dict() | answers | {"one_step": self.one_step})

    def write_report(self, path: str | Path, origin: Origin | None = None) -> None:
        """Write verdicts and pictures as one HTML page.

        Parameters
        ----------
        path : str or Path, ending in .html
        origin : Origin, default None
            What made it, which the page says at its end.

        Raises
        ------
        BadInputError
            If it ends in anything else.
        FailureError
            If Matplotlib is not installed, or the disk refuses.
        """
        from spikeloop.exporters.pages.evaluation import write_report

        path = check_report(path)
        held_out, samples = self.subject.parts.held_out, self.subject.samples
        write_report(
            path, self.windows, model=self.model, recording=held_out, judged_on=self.judged_on, samples=samples,
            answered=self.answers, origin=origin,
        )  # fmt: skip

    def __repr__(self) -> str:
        rows = [
            (
                title_of(row.statistic),
                f"{row.error:.3g}",
                f"{row.floor:.3g}",
                f"{row.ratio:.2f}",
                in_words(verdict(row)),
            )
            for row in self.similarity
        ]
        title = f"{self.model} compared with {self.data}, judged on {self.judged_on}"
        lines = text_columns(title, ("statistic", "E", "F", "E/F", ""), rows)
        dynamic = f"of the dynamic statistics {self.windows.dynamic_mean_ratio:.2f}"
        return f"{lines}\nmean E/F {self.mean_ratio:.2f}, {dynamic}; {MEANING_OF_RATIO}"

    def _repr_html_(self) -> str:
        from spikeloop.exporters.pages.evaluation import evaluation_summary

        return evaluation_summary(self.windows, self.model, self.data, self.judged_on)


def evaluate(
    model: str | Path | Bundle | Recording,
    recording: str | Path | Recording,
    *,
    hold_out: int = 5,
    window_bins: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    bin_size_s: float | None = None,
    repeat_bins: int | None = None,
    on_progress: Callable[[str, float], None] = lambda doing, share: None,
) -> EvaluationReport:
    """Judge a bundle, or samples of any model, by the part of a recording that its training held out.

    Every statistic is compared with the held-out part at equal sample sizes: E is the distance of the model, F, the
    floor, that of the rest of the recording, and I that of independent units at the same rates. A conditional bundle
    is driven by the recording's own conditions, and judged by its answers too.

    Parameters
    ----------
    model : str, Path, Bundle or Recording
        Name or path of a bundle, a bundle, a .npz or .mat file with `spikes` of shape (windows, bins, units) or
        (bins, units), or samples as a Recording.
    recording : str, Path or Recording
        Name or path of a recording, or a recording.
    hold_out : int >= 2, default 5
        Every n-th repeat judges, or of a continuous recording the last n-th of each of up to 5 stretches of time, as in
        training; the rest gives the floor.
    window_bins : int >= 2, default None
        Length of the windows compared, bins; None for the model's own.
    seed : int >= 0, default 0
        Of the samples and of all random choices: equal seeds give equal results.
    device : "auto", "cpu" or "cuda", default "auto"
        Where a bundle's generator runs.
    bin_size_s : float > 0, s, default None
        Of files that do not state it; samples else have that of the recording.
    repeat_bins : int >= 1, default None
        Cuts a continuous recording into repeats of so many bins; only for files.
    on_progress : callable, default none
        Called now and then with what is being done, and the share of it that is done, 0 to 1.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    BadInputError
        If the recording can't judge the model, or an argument is out of range.
    FailureError
        If scikit-learn is not installed, or the generator fails.

    Examples
    --------
    >>> import spikeloop
    >>> scores = spikeloop.evaluate("retina", "retina")  # doctest: +SKIP
    >>> scores.mean_ratio  # doctest: +SKIP
    1.09
    """
    seed = check_seed(seed)
    checked_choice("--device", device, get_args(Device))
    hold_out = checked_whole("--hold-out", hold_out, 2, LARGEST, " (every n-th repeat judges)")
    if window_bins is not None:
        window_bins = checked_whole("--window-bins", window_bins, 2, LARGEST)
    if bin_size_s is not None:
        bin_size_s = checked_bin_size(bin_size_s, "--bin-size-ms")
    if not isinstance(model, Bundle | Recording):
        checked_path("model", model)
    checked_callable("on_progress", on_progress)
    require_classifier()
    name = None
    if isinstance(model, str | Path) and not is_samples_file(model):
        name, model = str(model), load_bundle(model)  # before the recording, which may have to be downloaded
    data = recording if isinstance(recording, Recording) else _read(recording, model, bin_size_s, repeat_bins)
    on_progress("sampling", 0.0)
    subject = _subject(name, model, data, bin_size_s, Asked(hold_out, window_bins, seed, device))
    parts, steps = subject.parts, 0

    def advance() -> None:
        nonlocal steps
        steps += 1
        on_progress("evaluating", steps / STEPS)

    windows = windows_of_samples(subject.samples, subject.window_bins, seed)
    found = evaluate_windows(windows, parts.training, parts.held_out, seed, advance)
    answers = None
    if subject.responses is not None:
        on_progress("evaluating answers", 0.0)
        answers = evaluate_responses(subject.responses, parts, seed)
    one_step = parse_one_step(model.card.realism) if isinstance(model, Bundle) else None
    return EvaluationReport(subject.name, data.name, subject.judged_on(hold_out), found, answers, subject, one_step)


def check_own_bundle(model: str) -> None:
    """Raise BadInputError for what has no card that can be written: samples, and what was pulled."""
    if is_samples_file(model):
        raise BadInputError(f"--write-card: expected a bundle, which has a card, found the samples {model}")
    if is_address(model):
        raise BadInputError(
            f"--write-card: expected a bundle of your own, found the address {model}; make one of it first:"
            f" spikeloop export {model} --out FOLDER --name NAME"
        )


def is_samples_file(model: str | Path) -> bool:
    """Whether a path is of samples, and not of a bundle."""
    return format_of(Path(model)) is not None


def _read(
    recording: str | Path, model: str | Path | Bundle | Recording, bin_size_s: float | None, repeat_bins: int | None
) -> Recording:
    """Read a recording; the bin size is that of the samples alone, where these are a file and it is none."""
    samples = not isinstance(model, Bundle | Recording) and is_samples_file(model)
    is_file = format_of(located(recording)) is not None
    return read_recording(recording, None if samples and not is_file else bin_size_s, repeat_bins)


def _subject(
    name: str | None,
    model: str | Path | Bundle | Recording,
    recording: Recording,
    bin_size_s: float | None,
    asked: Asked,
) -> Subject:
    if isinstance(model, Recording):
        return subject_of_samples(model.name or "samples", model, recording, asked)
    if isinstance(model, Bundle):
        return subject_of_bundle(name or model.card.name, model, recording, asked)
    return subject_of_samples(str(model), read_samples(Path(model), recording, bin_size_s), recording, asked)


def write_card(model: str, report: EvaluationReport) -> None:
    """Write the verdicts into a bundle's card; nothing else of the bundle changes.

    Parameters
    ----------
    model : str
        Name or path of the bundle that was evaluated.
    report : EvaluationReport

    Raises
    ------
    BadInputError
        If it is no bundle.
    FailureError
        If the disk refuses.
    """
    bundle = load_bundle(model)
    document = report.to_dict()
    kept = {key: round(value, 4) for key, value in document.items() if isinstance(value, float) and "seam" not in key}
    kept |= {key: document[key] for key in ANSWERS if document[key] is not None}
    statistics = {
        verdict.statistic: {
            key: value for key, value in dataclasses.asdict(verdict).items() if key == "statistic" or isfinite(value)
        }
        for verdict in report.similarity
        if isfinite(verdict.ratio)
    }
    kept |= {"one_step": document["one_step"]} if report.one_step is not None else {}
    realism = {"judged_on": report.judged_on, "statistics": statistics} | kept
    write_bundle(
        bundles().get(model, Path(model)), dataclasses.replace(bundle.card, realism=realism), bundle.generator,
        bundle.critic, bundle.reference, bundle.parameters, bundle.critic_changes, bundle.critic_effects,
        bundle.critic_weights,
    )  # fmt: skip
