"""`spikeloop evaluate`: how like a recording a bundle's spikes, or anyone's, are."""

import dataclasses
import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle, shipped_bundles, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.examination import describe_recording
from spikeloop.models.measures.likeness import MOST_DRAWS
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.recording import Recording, from_counts, load_recording, random_windows, read_arrays
from spikeloop.models.recordings.recording import hold_out as split
from spikeloop.streamer.commands.options import check_seed, require_packages
from spikeloop.streamer.commands.output import likeness_rows, print_json, print_likeness
from spikeloop.streamer.session import Device

if TYPE_CHECKING:
    from spikeloop.models.evaluation import Evaluation

__all__ = ["evaluate"]

WINDOW_BINS = 32  # where nothing says otherwise; the paper's windows
MOST_WINDOW_BINS = 128  # of samples that are taken as windows, not as longer repeats to cut windows from
SEAM_LAGS = 5  # bins
SAME_BIN = 1e-6  # relative difference of bin sizes that are the same


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
    test, and the Spike-GAN paper's own errors.

    Parameters
    ----------
    model
        a bundle's name or path, or samples: a .npz or .mat with `spikes`, (windows, bins, units) or (bins, units)
    data
        the recording: a name (retina, rat_m1_ms), or the path of a .npz or .mat file
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
    check_seed(seed)
    if report is not None and report.suffix != ".html":
        raise BadInputError(f"--report: expected a file ending in .html, found {report}")
    if hold_out < 2:
        raise BadInputError(f"--hold-out: expected 2 or more (every n-th repeat is judged by), found {hold_out}")
    require_packages("sklearn", extra="evaluate", what="the two-sample test")
    if report is not None:
        require_packages("matplotlib", extra="evaluate", what="the report")
        _check_writable(report)
    is_samples = Path(model).suffix in (".npz", ".mat")
    if write_card and is_samples:
        raise BadInputError(f"--write-card: expected a bundle, which has a card, found the samples {model}")
    bin_size_s = bin_size_ms / 1000 if bin_size_ms is not None else None
    recording = find_recording(data, bin_size_s, repeat_bins)
    training, held_out = split(recording, hold_out)
    if is_samples:
        subject = _samples(Path(model), recording, bin_size_s, window_bins)
    else:
        subject = _bundle(model, recording, held_out, window_bins, seed, device)
    judged_on = _judged_on(subject, training, held_out, hold_out)
    found = _evaluate(subject, training, held_out, seed)
    if report is not None:
        from spikeloop.exporters.report import write_report

        samples = subject.samples
        write_report(report, found, model=model, recording=held_out, judged_on=judged_on, samples=samples)
    if write_card:
        _write_card(model, found, judged_on)
    if json:
        named = {"model": model, "data": recording.name, "judged_on": judged_on, "seam_ratio": subject.seam_ratio}
        print_json(named | _as_json(found) | {"report": str(report) if report else None})
    else:
        _say(found, subject, judged_on)
        if report is not None:
            print(f"report: {report}")
    return 0


def _check_writable(report: Path) -> None:
    """Before the work, not after it."""
    if report.is_dir() or not os.access(next(each for each in report.absolute().parents if each.exists()), os.W_OK):
        raise FailureError(f"could not write {report} (a folder, or in one that can't be written to); choose another")


@dataclass(frozen=True)
class _Subject:
    """What is judged.

    Attributes
    ----------
    held_out : every how many repeats its training left one out; None where that is not known
    seam_ratio : of a bundle's stream at the borders of its windows
    """

    samples: Recording
    window_bins: int
    held_out: int | None = None
    seam_ratio: float | None = None


def _samples(path: Path, recording: Recording, bin_size_s: float | None, window_bins: int | None) -> _Subject:
    """Samples of any model; those that don't state their bin size are taken to have the recording's."""
    stated = bin_size_s is None and "bin_size_s" in read_arrays(path)
    samples = load_recording(path, None if stated else bin_size_s or recording.bin_size_s)
    _check_alike(str(path), samples.units, samples.bin_size_s, recording)
    are_windows = samples.repeats > 1 and samples.bins <= MOST_WINDOW_BINS
    own = samples.bins if are_windows else min(WINDOW_BINS, samples.bins)
    return _Subject(samples, _checked_bins(own if window_bins is None else window_bins))


def _bundle(
    name: str, recording: Recording, held_out: Recording, window_bins: int | None, seed: int, device: Device
) -> _Subject:
    """Samples of a bundle: as many windows as are compared at a time, several times."""
    import numpy as np

    from spikeloop.models.measures.statistics import seam_ratio
    from spikeloop.streamer.source import open_source

    bundle = read_bundle(name)
    card = bundle.card
    _check_alike(name, len(card.unit_names), card.bin_size_s, recording)
    bins = _checked_bins(card.window_bins if window_bins is None else window_bins)
    if card.kind == "window" and bins > card.window_bins:
        raise BadInputError(
            f"--window-bins: {card.name} gives windows of {card.window_bins} bins that don't go on from one to the"
            f" next; expected at most as many, found {bins}"
        )
    blocks, per_block, _, _ = random_windows(held_out, bins, np.random.default_rng(0)).shape
    own = card.window_bins if card.kind == "window" else bins
    counts = open_source(bundle, seed, device).take(MOST_DRAWS * blocks * per_block * own)
    windows = counts.reshape(-1, own, len(card.unit_names)) if card.kind == "window" else counts
    samples = from_counts(windows, card.bin_size_s, card.unit_names, name=card.name)
    return _Subject(samples, bins, _left_out(card, recording), seam_ratio(counts, own, min(SEAM_LAGS, own - 1)))


def _left_out(card: Card, recording: Recording) -> int | None:
    """Every how many repeats of this very recording the training left one out."""
    trained, settings = (card.training.get(key) for key in ("recording", "settings"))
    if not isinstance(trained, dict) or not isinstance(settings, dict):
        return None
    described = describe_recording(recording)
    same = all(trained.get(key) == described[key] for key in ("sha256", "repeats", "bins"))
    return settings.get("hold_out") if same else None


def _check_alike(name: str, units: int, bin_size_s: float, recording: Recording) -> None:
    if units != recording.units:
        raise BadInputError(f"{name} has {units} units, {recording.name} {recording.units}; expected as many")
    if abs(bin_size_s / recording.bin_size_s - 1) > SAME_BIN:
        raise BadInputError(
            f"{name} has bins of {bin_size_s * 1000:g} ms, {recording.name} of {recording.bin_size_s * 1000:g} ms;"
            " expected the same: bin one of them anew"
        )


def _checked_bins(window_bins: int) -> int:
    if window_bins < 2:
        raise BadInputError(f"--window-bins: expected windows of at least 2 bins, found {window_bins}")
    return window_bins


def _judged_on(subject: _Subject, training: Recording, held_out: Recording, every: int) -> str:
    """What was judged by, in words, and whether the model can have seen it."""
    what = f"1 of {every} repeats" if training.bins == held_out.bins else f"the last {1 / every:.0%}"
    if subject.held_out is None:
        return what
    if subject.held_out == every:
        return f"{what}, held out from training"
    return f"{what}, {'which' if subject.held_out == 0 else 'some of which'} it was trained on"


def _evaluate(subject: _Subject, training: Recording, held_out: Recording, seed: int) -> "Evaluation":
    from spikeloop.models import evaluation

    windows = evaluation.windows_of_samples(subject.samples, subject.window_bins, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=evaluation.STEPS)
        return evaluation.evaluate(windows, training, held_out, seed, lambda: progress.advance(task))


def _write_card(name: str, found: "Evaluation", judged_on: str) -> None:
    """Put the verdict into the bundle's card; nothing else of the bundle changes."""
    bundle = read_bundle(name)
    path = shipped_bundles().get(name, Path(name))
    figures = {
        key: round(value, 4) for key, value in _as_json(found).items() if isinstance(value, float) and isfinite(value)
    }
    statistics = {
        each.statistic: {
            key: value for key, value in dataclasses.asdict(each).items() if key == "statistic" or isfinite(value)
        }
        for each in found.likeness
        if isfinite(each.ratio)
    }
    card = dataclasses.replace(bundle.card, realism={"judged_on": judged_on, "statistics": statistics} | figures)
    write_bundle(path, card, bundle.generator, bundle.critic, bundle.reference, bundle.parameters)


def _as_json(found: "Evaluation") -> dict[str, Any]:
    return {
        "window_bins": found.sampled.shape[1],
        "mean_ratio": found.mean_ratio,
        "worst": found.worst.statistic,
        "two_sample_auc": found.two_sample,
        "real_two_sample_auc": found.real_two_sample,
        "memorisation_auc": found.memorisation,
        "exact_duplicates": found.duplicates,
        "real_exact_duplicates": found.real_duplicates,
        "statistics": likeness_rows(found.likeness),
        "published_errors": dataclasses.asdict(found.published),
    }


def _say(found: "Evaluation", subject: _Subject, judged_on: str) -> None:
    print_likeness(found.likeness, judged_on)
    print(f"\nmean E/F {found.mean_ratio:.2f}, worst {found.worst.ratio:.2f} ({found.worst.statistic})")
    print(f"two-sample AUC {found.two_sample:.3f} (real against real {found.real_two_sample:.3f}; 0.5 is perfect)")
    print(f"memorisation AUC {found.memorisation:.3f} (0.5: training windows are no nearer than held-out ones)")
    if subject.seam_ratio is not None and isfinite(subject.seam_ratio):
        print(f"seams: lagged covariance across borders of windows over inside {subject.seam_ratio:.2f} (1: none seen)")
