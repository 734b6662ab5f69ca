"""`spikeloop evaluate`: how like a recording a bundle's spikes, or anyone's, are."""

import dataclasses
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, read_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.likeness import MOST_DRAWS
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.recording import Recording, from_counts, hold_out, load_recording, random_windows
from spikeloop.streamer.commands.options import check_seed
from spikeloop.streamer.commands.output import likeness_rows, print_json, print_likeness
from spikeloop.streamer.engine import Device

__all__ = ["evaluate"]

WINDOW_BINS = 32  # where nothing says otherwise; the paper's windows
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
    json
        print one JSON document
    """
    check_seed(seed)
    if report is not None and report.suffix != ".html":
        raise BadInputError(f"--report: expected a file ending in .html, found {report}")
    from spikeloop.models import evaluation

    bin_size_s = bin_size_ms / 1000 if bin_size_ms is not None else None
    recording = find_recording(data, bin_size_s, repeat_bins)
    training, held_out = _split(recording, hold_out)
    bundle, samples = _open(model, recording, bin_size_s)
    bins = window_bins or _window_bins(bundle, samples)
    if bins < 2:
        raise BadInputError(f"--window-bins: expected at least 2, found {bins}")
    judged_on = _judged_on(bundle, training, held_out, hold_out)
    if bundle is not None:
        samples = _draw(bundle, held_out, bins, seed, device)
    assert samples is not None
    windows = evaluation.windows_of_samples(samples, bins, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=evaluation.STEPS)
        found = evaluation.evaluate(windows, training, held_out, seed, lambda: progress.advance(task))
        if report is not None:
            from spikeloop.exporters.report import write_report

            write_report(report, found, model=model, recording=held_out, judged_on=judged_on, samples=samples)
    summary = {
        "model": model,
        "data": recording.name,
        "judged_on": judged_on,
        "window_bins": bins,
        "mean_ratio": found.mean_ratio,
        "worst": found.worst.statistic,
        "two_sample_auc": found.two_sample,
        "real_two_sample_auc": found.real_two_sample,
        "memorisation_auc": found.memorisation,
        "exact_duplicates": found.duplicates,
        "real_exact_duplicates": found.real_duplicates,
    }
    if json:
        rows = {"statistics": likeness_rows(found.likeness), "published_errors": dataclasses.asdict(found.published)}
        print_json(summary | rows | {"report": str(report) if report else None})
        return 0
    print_likeness(found.likeness, judged_on)
    print(f"\nmean E/F {found.mean_ratio:.2f}, worst {found.worst.ratio:.2f} ({found.worst.statistic})")
    print(f"two-sample AUC {found.two_sample:.3f} (real against real {found.real_two_sample:.3f}; 0.5 is perfect)")
    print(f"memorisation AUC {found.memorisation:.3f} (0.5: training windows are no nearer than held-out ones)")
    if report is not None:
        print(f"report: {report}")
    return 0


def _split(recording: Recording, every: int) -> tuple[Recording, Recording]:
    if every < 2:
        raise BadInputError(f"--hold-out: expected 2 or more (every n-th repeat is judged by), found {every}")
    return hold_out(recording, every)


def _open(model: str, recording: Recording, bin_size_s: float | None) -> tuple[Bundle | None, Recording | None]:
    """The bundle, or the samples, after a check that they are of the recording's units and bins."""
    if Path(model).suffix in (".npz", ".mat"):
        samples = load_recording(Path(model), bin_size_s or _stated_or(recording.bin_size_s, Path(model)))
        units, size_s, bundle = samples.units, samples.bin_size_s, None
    else:
        samples, bundle = None, read_bundle(model)
        units, size_s = len(bundle.card.unit_names), bundle.card.bin_size_s
    if units != recording.units:
        raise BadInputError(f"{model} has {units} units, {recording.name} {recording.units}; expected as many")
    if abs(size_s / recording.bin_size_s - 1) > SAME_BIN:
        raise BadInputError(
            f"{model} has bins of {size_s * 1000:g} ms, {recording.name} of {recording.bin_size_s * 1000:g} ms;"
            " expected the same: bin one of them anew"
        )
    return bundle, samples


def _stated_or(size_s: float, path: Path) -> float | None:
    """None where the file states its bin size; else the recording's, which samples without one are taken to have."""
    from spikeloop.models.recordings.recording import read_arrays

    return None if "bin_size_s" in read_arrays(path) else size_s


def _window_bins(bundle: Bundle | None, samples: Recording | None) -> int:
    if bundle is not None:
        return bundle.card.window_bins
    assert samples is not None
    return samples.bins if samples.repeats > 1 and samples.bins <= 8 * WINDOW_BINS else min(WINDOW_BINS, samples.bins)


def _judged_on(bundle: Bundle | None, training: Recording, held_out: Recording, every: int) -> str:
    """What was judged by, in words, and whether the model can have seen it."""
    what = f"every {every}th repeat" if training.repeats > held_out.repeats else f"the last {1 / every:.0%}"
    if bundle is None:
        return what
    settings = bundle.card.training.get("settings")
    held = settings.get("hold_out") if isinstance(settings, dict) else None
    if held == every:
        return f"{what}, held out from training"
    return f"{what}, which it was trained on" if held == 0 else f"{what}; what it was trained on is not known"


def _draw(bundle: Bundle, held_out: Recording, bins: int, seed: int, device: Device) -> Recording:
    """Samples of a bundle: as many windows as are compared at a time, several times."""
    import numpy as np

    from spikeloop.streamer.source import open_source

    blocks, per_block, _, _ = random_windows(held_out, bins, np.random.default_rng(0)).shape
    windows = MOST_DRAWS * blocks * per_block
    card = bundle.card
    if card.kind == "window" and bins > card.window_bins:
        raise BadInputError(
            f"--window-bins: {card.name} gives windows of {card.window_bins} bins that don't go on from one to the"
            f" next; expected at most as many, found {bins}"
        )
    own = card.window_bins if card.kind == "window" else bins
    counts = open_source(bundle, seed, device).take(windows * own).reshape(windows, own, -1)
    return from_counts(counts[:, :bins], card.bin_size_s, card.unit_names, name=card.name)
