"""`spikeloop evaluate`: how like a recording a bundle's spikes, or anyone's, are."""

import dataclasses
import os
from dataclasses import dataclass
from functools import partial
from json import dumps, loads
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle, shipped_bundles, write_bundle
from spikeloop.models.conditional_evaluation import (
    ConditionalEvaluation,
    Parts,
    Responses,
    evaluate_responses,
    respond,
    split_as_trained,
)
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.measures.likeness import MOST_DRAWS
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.files import load_recording, read_arrays
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import random_windows
from spikeloop.streamer.commands.options import check_seed, require_packages
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.suitability import check_alike, held_out_of
from spikeloop.streamer.commands.verdicts import ANSWERS, answers_as_json, print_answers, print_verdict, verdict_as_json
from spikeloop.streamer.session import Device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spikeloop.models.evaluation import Evaluation

__all__ = ["evaluate"]

WINDOW_BINS = 32  # where nothing says otherwise; the paper's windows
MOST_WINDOW_BINS = 128  # of samples that are taken as windows, not as longer repeats to cut windows from
SEAM_LAGS = 5  # bins


def evaluate(
    model: Positional[str] = "retina",
    *,
    data: str = "retina",
    report: Path | None = None,
    hold_out: int = 5,
    window_bins: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    bin_size_ms: float | None = None,
    repeat_bins: int | None = None,
    write_card: bool = False,
    json: bool = False,
) -> int:
    """Judge a bundle, or a file of samples from any model, by a recording.

    Every statistic as E/F (1 is as good as more recording would be), a classifier two-sample test, a memorisation
    test, and the Spike-GAN paper's own errors. A bundle that answers to conditions is driven by those of the recording:
    by the phase of a repeated stimulus it is judged by PSTHs and noise correlations, by recorded ones by what decoders
    of real spikes learn from its own.

    Parameters
    ----------
    model
        a bundle's name or path, or samples: a .npz or .mat with `spikes`, (windows, bins, units) or (bins, units)
    data
        the recording: a name (retina, m1_jango, rat_m1_ms, calcium_odor, m1-sim, packets:MODES:WINDOWS), or the path
        of a .npz or .mat file
    report
        an .html file to write: verdicts and pictures in one page
    hold_out
        every n-th repeat is judged by, as in `train`; the others are the measure of chance
    window_bins
        length of the windows compared; by default the model's own
    seed
        of the samples, and of what is drawn at random
    device
        where a bundle's generator runs
    bin_size_ms
        of a recording or samples file that doesn't state it
    repeat_bins
        cut a continuous recording into repeats of so many bins
    write_card
        write the verdict into the bundle's card, for `spikeloop models` and everyone who gets the bundle
    json
        print one JSON document
    """
    is_samples = Path(model).suffix in (".npz", ".mat")
    _check_options(model, is_samples, report, hold_out, write_card, seed)
    bin_size_s = bin_size_ms / 1000 if bin_size_ms is not None else None
    recording = find_recording(data, bin_size_s, repeat_bins)
    if is_samples:
        subject = _samples(Path(model), recording, bin_size_s, window_bins, hold_out)
    else:
        subject = _bundle(model, recording, window_bins, hold_out, seed, device)
    judged_on = _judged_on(subject, hold_out)
    found, answered = _evaluate(subject, seed)
    if report is not None:
        from spikeloop.exporters.report import write_report

        held_out, samples = subject.parts.held_out, subject.samples
        write_report(
            report, found, model=model, recording=held_out, judged_on=judged_on, samples=samples, answered=answered
        )
    figures = verdict_as_json(found) | answers_as_json(answered)
    if write_card:
        _write_card(model, found, figures, judged_on)
    if json:
        named = {"model": model, "data": recording.name, "judged_on": judged_on, "report": report and str(report)}
        seams = {"seam_ratio": subject.seam_ratio, "seam_covariance_ratio": subject.seam_covariance_ratio}
        print_json(named | seams | figures)
    else:
        print_verdict(found, judged_on, subject.seam_ratio, subject.seam_covariance_ratio or ())
        if answered is not None:
            print_answers(answered)
        if report is not None:
            print(f"report: {report}")
    return 0


def _check_options(
    model: str, is_samples: bool, report: Path | None, hold_out: int, write_card: bool, seed: int
) -> None:
    """Before the work, not after it."""
    check_seed(seed)
    if report is not None and report.suffix != ".html":
        raise BadInputError(f"--report: expected a file ending in .html, found {report}")
    if hold_out < 2:
        raise BadInputError(f"--hold-out: expected 2 or more (every n-th repeat is judged by), found {hold_out}")
    require_packages("sklearn", extra="evaluate", what="the two-sample test")
    if report is not None:
        require_packages("matplotlib", extra="evaluate", what="the report")
        _check_writable(report)
    if write_card and is_samples:
        raise BadInputError(f"--write-card: expected a bundle, which has a card, found the samples {model}")


def _check_writable(report: Path) -> None:
    if report.is_dir() or not os.access(next(each for each in report.absolute().parents if each.exists()), os.W_OK):
        raise FailureError(f"could not write {report} (a folder, or in one that can't be written to); choose another")


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is judged, and by what.

    Attributes
    ----------
    left_out : every how many repeats its training left one out; None where that is not known
    responses : of a conditional bundle; its samples are those to the held-out part
    seam_ratio, seam_covariance_ratio : of an unconditional bundle's stream at the borders of its windows, over all
        lags and for each; what drives a model puts borders of its own
    """

    samples: Recording
    window_bins: int
    parts: Parts
    left_out: int | None = None
    responses: Responses | None = None
    seam_ratio: float | None = None
    seam_covariance_ratio: tuple[float, ...] | None = None


def _samples(
    path: Path, recording: Recording, bin_size_s: float | None, window_bins: int | None, hold_out: int
) -> _Subject:
    """Samples of any model; those that don't state their bin size are taken to have the recording's."""
    parts = split_as_trained(recording, str(path), (), 0, hold_out)
    stated = bin_size_s is None and "bin_size_s" in read_arrays(path)
    samples = load_recording(path, None if stated else bin_size_s or recording.bin_size_s)
    check_alike(str(path), samples.units, samples.bin_size_s, samples.signal, recording)
    are_windows = samples.repeats > 1 and samples.bins <= MOST_WINDOW_BINS
    own = samples.bins if are_windows else min(WINDOW_BINS, samples.bins)
    return _Subject(samples, _checked_bins(own if window_bins is None else window_bins), parts)


def _bundle(
    name: str, recording: Recording, window_bins: int | None, hold_out: int, seed: int, device: Device
) -> _Subject:
    """Samples of a bundle: as much as is compared at a time, several times."""
    import numpy as np

    from spikeloop.streamer.source import open_source

    bundle = read_bundle(name)
    card = bundle.card
    check_alike(name, len(card.unit_names), card.bin_size_s, card.signal, recording)
    bins = _checked_bins(card.window_bins if window_bins is None else window_bins)
    if card.kind == "window" and bins > card.window_bins:
        raise BadInputError(
            f"--window-bins: {card.name} gives windows of {card.window_bins} bins that don't go on from one to the"
            f" next; expected at most as many, found {bins}"
        )
    parts = split_as_trained(recording, name, card.channels, card.latency_bins, hold_out)
    blocks, per_block, _, _ = random_windows(parts.held_out, bins, np.random.default_rng(0)).shape
    left_out, stream = held_out_of(card, parts.whole), open_source(bundle, seed, device).take
    as_samples = partial(Recording, bin_size_s=card.bin_size_s, unit_names=card.unit_names, signal=card.signal)
    with Console(stderr=True).status("sampling"):
        if card.channels:
            responses = respond(stream, parts)
            return _Subject(as_samples(responses.held_out, name=card.name), bins, parts, left_out, responses)
        own = card.window_bins if card.kind == "window" else bins
        counts = stream(MOST_DRAWS * blocks * per_block * own)
    windows = counts.reshape(-1, own if card.kind == "window" else len(counts), len(card.unit_names))
    seams = _seams(counts, own)
    return _Subject(as_samples(windows, name=card.name), bins, parts, left_out, None, *seams)


def _seams(counts: "NDArray[np.uint8]", step_bins: int) -> tuple[float, tuple[float, ...]]:
    from spikeloop.models.measures.continuous import seam_covariance_ratio
    from spikeloop.models.measures.statistics import seam_ratio

    lags = min(SEAM_LAGS, step_bins - 1)
    return seam_ratio(counts, step_bins, lags), seam_covariance_ratio(counts, step_bins, range(1, lags + 1))


def _checked_bins(window_bins: int) -> int:
    if window_bins < 2:
        raise BadInputError(f"--window-bins: expected windows of at least 2 bins, found {window_bins}")
    return window_bins


def _judged_on(subject: _Subject, every: int) -> str:
    """What was judged by, in words, and whether the model can have seen it."""
    parts = subject.parts
    what = f"1 of {every} repeats" if parts.whole.repeats >= every else f"the last {1 / every:.0%}"
    if subject.responses is not None:
        what += " under its conditions"
    if subject.left_out is None:
        return what
    if subject.left_out == every:
        return f"{what}, held out from training"
    return f"{what}, {'which' if subject.left_out == 0 else 'some of which'} it was trained on"


def _evaluate(subject: _Subject, seed: int) -> "tuple[Evaluation, ConditionalEvaluation | None]":
    from spikeloop.models import evaluation

    parts, responses = subject.parts, subject.responses
    windows = evaluation.windows_of_samples(subject.samples, subject.window_bins, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=evaluation.STEPS)
        found = evaluation.evaluate(windows, parts.training, parts.held_out, seed, lambda: progress.advance(task))
        progress.update(task, description="evaluating answers", total=None)
        return found, None if responses is None else evaluate_responses(responses, parts, seed)


def _write_card(name: str, found: "Evaluation", figures: dict[str, Any], judged_on: str) -> None:
    """Put the verdict into the bundle's card; nothing else of the bundle changes."""
    bundle = read_bundle(name)
    path = shipped_bundles().get(name, Path(name))
    kept = {key: round(value, 4) for key, value in figures.items() if isinstance(value, float) and isfinite(value)} | {
        key: _without_nan(figures[key]) for key in ANSWERS if figures[key] is not None
    }
    statistics = {
        each.statistic: {
            key: value for key, value in dataclasses.asdict(each).items() if key == "statistic" or isfinite(value)
        }
        for each in found.likeness
        if isfinite(each.ratio)
    }
    card = dataclasses.replace(bundle.card, realism={"judged_on": judged_on, "statistics": statistics} | kept)
    write_bundle(
        path, card, bundle.generator, bundle.critic, bundle.reference, bundle.parameters,
        bundle.critic_changes, bundle.critic_effects,
    )  # fmt: skip


def _without_nan(value: Any) -> Any:
    """The same for a card: null where a figure is not finite."""
    return loads(dumps(value), parse_constant=lambda word: None)
