"""The whole of a model's validation in one go: every statistic with its interval, two-sample test, memorisation."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spikeloop.models.arrays import Blocks, Windows, join_windows
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.bootstrap import BOOTSTRAPS, bootstrap_intervals
from spikeloop.models.measures.memorisation import exact_duplicates, known_windows, memorisation_auc
from spikeloop.models.measures.published_errors import PublishedErrors, published_errors
from spikeloop.models.measures.similarity import (
    Similarity,
    judge,
    mean_ratio,
    measure_reference_distances,
    worst_of,
)
from spikeloop.models.measures.table import Group
from spikeloop.models.measures.two_sample import FOLDS, two_sample_auc
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import split_repeats
from spikeloop.models.recordings.windows import cut_windows, long_enough, random_blocks, random_windows

__all__ = ["STEPS", "Evaluation", "evaluate", "windows_of_samples"]


JUDGING: tuple[Group, ...] = ("classic", "dynamic")
COMPARED_WINDOWS = 1500  # of the model, whose nearest neighbours are sought
NEIGHBOURS = 10_000  # windows among which they are sought, in each of the two sets
STEPS = BOOTSTRAPS + 4  # of `evaluate`, after each of which progress is reported


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How alike a model and a recording are.

    Attributes
    ----------
    similarity : one verdict a statistic, the classic ones first
    two_sample, real_two_sample : AUC of a classifier between model and held-out windows, and between training and
        held-out windows; 0.5 is perfect
    memorisation : AUC; 0.5 where training windows are no nearer than held-out ones
    duplicates, real_duplicates : share of the model's windows with any spike that occur in training; the same of
        held-out windows
    published : the paper's errors; None of fluorescence
    sampled, held_out : some of the windows compared, for pictures
    """

    similarity: tuple[Similarity, ...]
    two_sample: float
    real_two_sample: float
    memorisation: float
    duplicates: float
    real_duplicates: float
    published: PublishedErrors | None
    sampled: Windows
    held_out: Windows

    @property
    def mean_ratio(self) -> float:
        """Mean E / F over the classic statistics that have a finite one."""
        return mean_ratio(self.similarity)

    @property
    def worst(self) -> Similarity:
        """The verdict of a classic statistic with the largest E / F."""
        return worst_of(self.similarity)

    @property
    def dynamic_mean_ratio(self) -> float:
        """Mean E / F over the higher-order and dynamic statistics that have a finite one."""
        return mean_ratio(self.similarity, "dynamic")

    @property
    def dynamic_worst(self) -> Similarity:
        """The verdict of a higher-order or dynamic statistic with the largest E / F."""
        return worst_of(self.similarity, "dynamic")

    def to_dict(self) -> dict[str, Any]:
        """Convert to a document; NaN for what is not known."""
        return {
            "window_bins": self.sampled.shape[1],
            "mean_ratio": self.mean_ratio,
            "worst": self.worst.statistic,
            "dynamic_mean_ratio": self.dynamic_mean_ratio,
            "dynamic_worst": self.dynamic_worst.statistic,
            "two_sample_auc": self.two_sample,
            "real_two_sample_auc": self.real_two_sample,
            "memorisation_auc": self.memorisation,
            "exact_duplicates": self.duplicates,
            "real_exact_duplicates": self.real_duplicates,
            "statistics": [row.to_dict() for row in self.similarity],
            "published_errors": None if self.published is None else asdict(self.published),
        }


def evaluate(
    sampled: Windows,
    training: Recording,
    held_out: Recording,
    seed: int = 0,
    on_progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Judge windows of a model by a recording's held-out part, with its training part as the measure of chance.

    Fluorescence is judged by the statistics that need no spikes. Where units have dozens of spikes in a window,
    window counts and interval CV say little: each single count is rare, and most intervals lie inside one bin.

    Parameters
    ----------
    sampled : array of shape (windows, bins, units)
        Of the model; at least as many as are held out.
    training, held_out : Recording
        The two parts of the recording.
    seed : int >= 0
    on_progress : callable
        Called after each of `STEPS` steps.

    Returns
    -------
    Evaluation

    Raises
    ------
    BadInputError
        If units differ, or there are too few windows or repeats.
    FailureError
        If scikit-learn is not installed.
    """
    real, known = _real_windows(sampled.shape[1:], training, held_out, seed)
    one_by_one = sampled[:, np.newaxis]
    random = random_stream(seed, Purpose.WINDOW_COMPARISON)
    reference_distances = measure_reference_distances(join_windows(known), join_windows(real), random, JUDGING)
    similarity = judge(sampled, reference_distances)
    on_progress()
    similarity = bootstrap_intervals(similarity, one_by_one, known, real, random, on_progress)
    size = sum(map(len, real))
    two_sample = two_sample_auc(real, one_by_one[:size], random)
    on_progress()
    some = random.permutation(len(known))[: len(real)]
    real_two_sample = two_sample_auc(real, [known[block] for block in some], random)
    on_progress()
    compared, joined = sampled[:COMPARED_WINDOWS], join_windows(real)
    trained_on = known_windows(split_repeats(training.counts, training.lengths), sampled.shape[1])
    memorisation = _memorisation(compared, training, held_out, seed)
    on_progress()
    return Evaluation(
        similarity=similarity,
        two_sample=two_sample,
        real_two_sample=real_two_sample,
        memorisation=memorisation,
        duplicates=exact_duplicates(compared, trained_on),
        real_duplicates=exact_duplicates(joined[:COMPARED_WINDOWS], trained_on),
        published=published_errors(sampled[:size], joined) if held_out.signal == "spikes" else None,
        sampled=sampled[:size],
        held_out=joined,
    )


def _real_windows(shape: tuple[int, ...], training: Recording, held_out: Recording, seed: int) -> tuple[Blocks, Blocks]:
    """Windows of the held-out and of the training part, by block; of either at most as many as the other's largest."""
    bins, units = shape
    if bins < 2:
        raise BadInputError(f"expected windows of at least 2 bins, found {bins}")
    if units != held_out.units:
        raise BadInputError(f"expected {held_out.units} units, as in {held_out.name}, found {units}")
    real = random_blocks(held_out, bins, random_stream(seed, Purpose.HELD_OUT_WINDOWS))
    known = random_blocks(training, bins, random_stream(seed, Purpose.TRAINING_WINDOWS))
    most = min(
        max(map(len, blocks)) for blocks in (real, known)
    )  # of a continuous recording, training has the longer stretches
    if min(len(real), len(known)) < FOLDS:
        raise BadInputError(
            f"{held_out.name}: expected at least {FOLDS} repeats (or as many stretches of two windows of {bins} bins)"
            f" to train on and to judge by, found {len(known)} and {len(real)}; lower --hold-out or --window-bins"
        )
    return [block[:most] for block in real], [block[:most] for block in known]


def _memorisation(sampled: Windows, training: Recording, held_out: Recording, seed: int) -> float:
    """AUC of nearest neighbours among as many windows of both parts, of equal numbers of repeats and bins."""
    bins, stretch = sampled.shape[1], min(training.bins, held_out.bins)
    repeats = min(training.repeats, held_out.repeats)
    random = random_stream(seed, Purpose.NEIGHBOURS)
    if training.lengths is None and held_out.lengths is None:
        neighbours = [_many_windows(part, repeats, stretch, bins, random) for part in (training, held_out)]
    else:
        alike = _equally_long(long_enough(training, bins), long_enough(held_out, bins), random)
        neighbours = [_dense_windows(part, bins, random) for part in alike]
    fewest = min(map(len, neighbours))
    return memorisation_auc(sampled, *(windows[:fewest] for windows in neighbours))


def windows_of_samples(samples: Recording, window_bins: int, seed: int = 0) -> Windows:
    """Take a model's samples as windows where they have that length, else cut windows at random places of them.

    Parameters
    ----------
    samples : Recording
    window_bins : int >= 2
    seed : int >= 0
        Of the places.

    Returns
    -------
    array of shape (windows, window_bins, units)
    """
    if samples.bins == window_bins:
        return cut_windows(samples, window_bins)
    random = random_stream(seed, Purpose.MODEL_WINDOWS)
    windows = join_windows(random_windows(samples, window_bins, random))
    return random.permutation(windows)  # or neighbours would be judged first


def _many_windows(recording: Recording, repeats: int, stretch: int, bins: int, random: np.random.Generator) -> Windows:
    """Windows of so many repeats and so many bins of each; see `_dense_windows`."""
    chosen = random.permutation(recording.repeats)[:repeats]
    first = random.integers(recording.bins - stretch + 1)
    return _dense_windows(part_of(recording, chosen, slice(first, first + stretch)), bins, random)


def _equally_long(one: Recording, other: Recording, random: np.random.Generator) -> tuple[Recording, Recording]:
    """As many random repeats of each, the longest beside the longest, and of each pair a stretch as long as both."""
    repeats = min(one.repeats, other.repeats)
    chosen = [part_of(part, random.permutation(part.repeats)[:repeats]) for part in (one, other)]
    ordered = [part_of(part, np.argsort(-part.bins_of_repeats, kind="stable")) for part in chosen]
    bins = np.minimum(*(part.bins_of_repeats for part in ordered))
    begin = [random.integers(part.bins_of_repeats - bins + 1)[:, np.newaxis] for part in ordered]
    places = [np.arange(part.bins) for part in ordered]
    kept = [
        (place >= first) & (place < first + bins[:, np.newaxis]) for place, first in zip(places, begin, strict=True)
    ]
    return split_where(ordered[0], kept[0]), split_where(ordered[1], kept[1])


def _dense_windows(part: Recording, bins: int, random: np.random.Generator) -> Windows:
    """Windows at random places, drawn time and again until they lie densely."""
    places = int((part.bins_of_repeats - bins + 1).sum())
    drawn = [join_windows(random_windows(part, bins, random))]
    while sum(map(len, drawn)) < min(NEIGHBOURS, places):
        drawn.append(join_windows(random_windows(part, bins, random)))
    return np.concatenate(drawn)[:NEIGHBOURS]
