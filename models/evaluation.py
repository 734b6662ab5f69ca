"""The whole of a model's examination in one go: every statistic with its interval, two-sample test, memorisation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.bootstrap import BOOTSTRAPS, bootstrap_intervals
from spikeloop.models.measures.likeness import Likeness, judge, make_yardstick
from spikeloop.models.measures.memorisation import exact_duplicates, known_windows, memorisation_auc
from spikeloop.models.measures.published_errors import PublishedErrors, published_errors
from spikeloop.models.measures.two_sample import FOLDS, two_sample_auc
from spikeloop.models.recordings.recording import Recording, part_of
from spikeloop.models.recordings.windows import cut_windows, random_windows

__all__ = ["STEPS", "Evaluation", "evaluate", "windows_of_samples"]

Windows = NDArray[Any]  # uint8; of fluorescence, float32

COMPARED_WINDOWS = 1500  # of the model, whose nearest neighbours are sought
NEIGHBOURS = 10_000  # windows among which they are sought, in each of the two sets
STEPS = BOOTSTRAPS + 4  # that progress is told of


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How alike a model and a recording are.

    Attributes
    ----------
    likeness : one verdict a statistic
    two_sample, real_two_sample : AUC of a classifier between model and held-out windows, and between training and
        held-out windows; 0.5 is perfect
    memorisation : AUC; 0.5 where training windows are no nearer than held-out ones
    duplicates, real_duplicates : share of the model's windows with any spike that occur in training; the same of
        held-out windows
    published : the paper's errors; None of fluorescence
    sampled, held_out : some of the windows compared, for pictures
    """

    likeness: tuple[Likeness, ...]
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
        """Mean E / F over the statistics that have a finite one."""
        ratios = [each.ratio for each in self.likeness if math.isfinite(each.ratio)]
        return float(np.mean(ratios)) if ratios else math.nan

    @property
    def worst(self) -> Likeness:
        return max(self.likeness, key=lambda each: -1 if math.isnan(each.ratio) else each.ratio)


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
    sampled : array of shape (windows, bins, units); at least as many as are held out
    on_progress : called after each of `STEPS` steps

    Raises
    ------
    BadInputError
        If units differ, or there are too few windows or repeats.
    FailureError
        If scikit-learn is not installed.
    """
    random = np.random.Generator(np.random.Philox(seed))
    bins = sampled.shape[1]
    if bins < 2:
        raise BadInputError(f"expected windows of at least 2 bins, found {bins}")
    if sampled.shape[2] != held_out.units:
        raise BadInputError(f"expected {held_out.units} units, as in {held_out.name}, found {sampled.shape[2]}")
    real, known = random_windows(held_out, bins, random), random_windows(training, bins, random)
    per_block = min(real.shape[1], known.shape[1])  # of a continuous recording, training has the longer stretches
    real, known = real[:, :per_block], known[:, :per_block]
    if min(len(real), len(known)) < FOLDS:
        raise BadInputError(
            f"{held_out.name}: expected at least {FOLDS} repeats (or as many stretches of two windows of {bins} bins)"
            f" to train on and to judge by, found {len(known)} and {len(real)}; lower --hold-out or --window-bins"
        )
    one_by_one = sampled[:, np.newaxis]
    likeness = judge(sampled, make_yardstick(_flat(known), _flat(real), random))
    on_progress()
    likeness = bootstrap_intervals(likeness, one_by_one, known, real, random, on_progress)
    size = real.shape[0] * real.shape[1]
    two_sample = two_sample_auc(real, one_by_one[:size], random)
    on_progress()
    some = random.permutation(len(known))[: len(real)]
    real_two_sample = two_sample_auc(real, known[some], random)
    on_progress()
    stretch = min(training.bins, held_out.bins)
    neighbours = [_many_windows(part, min(training.repeats, held_out.repeats), stretch, bins, random)
                  for part in (training, held_out)]  # fmt: skip
    fewest = min(map(len, neighbours))
    known_by_heart = known_windows(training.counts, bins)
    memorisation = memorisation_auc(sampled[:COMPARED_WINDOWS], *(each[:fewest] for each in neighbours))
    on_progress()
    return Evaluation(
        likeness=likeness,
        two_sample=two_sample,
        real_two_sample=real_two_sample,
        memorisation=memorisation,
        duplicates=exact_duplicates(sampled[:COMPARED_WINDOWS], known_by_heart),
        real_duplicates=exact_duplicates(_flat(real)[:COMPARED_WINDOWS], known_by_heart),
        published=published_errors(sampled[:size], _flat(real)) if held_out.signal == "spikes" else None,
        sampled=sampled[:size],
        held_out=_flat(real),
    )


def windows_of_samples(samples: Recording, window_bins: int, seed: int = 0) -> Windows:
    """A model's samples as windows: those it has where they are as long, else at random places in longer ones."""
    if samples.bins == window_bins:
        return cut_windows(samples, window_bins)
    random = np.random.Generator(np.random.Philox(seed))
    windows = _flat(random_windows(samples, window_bins, random))
    return random.permutation(windows)  # or neighbours would be judged first


def _flat(windows: Windows) -> Windows:
    return windows.reshape(-1, *windows.shape[2:])


def _many_windows(recording: Recording, repeats: int, stretch: int, bins: int, random: np.random.Generator) -> Windows:
    """Windows of so many repeats and so many bins of each, drawn time and again until they lie densely."""
    chosen = random.permutation(recording.repeats)[:repeats]
    first = random.integers(recording.bins - stretch + 1)
    part = part_of(recording, chosen, slice(first, first + stretch))
    places = part.repeats * (part.bins - bins + 1)
    drawn = [_flat(random_windows(part, bins, random))]
    while sum(map(len, drawn)) < min(NEIGHBOURS, places):
        drawn.append(_flat(random_windows(part, bins, random)))
    return np.concatenate(drawn)[:NEIGHBOURS]
