"""A model's examination: what it is trained on, what it is judged by, and how alike it turned out."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.likeness import Likeness, Yardstick, judge, make_yardstick, statistics_of
from spikeloop.models.population import population_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import cut_windows, hold_out, random_windows

__all__ = ["Examination", "describe_realism", "describe_recording", "examine"]

JUDGED_EVERY = 5  # where nothing is held out, every n-th repeat is judged by all the same
JUDGED_WINDOWS = 2048  # at most; enough to rank models, quick enough to watch
DRAWS = 4  # samples of the model that its error is the mean of


@dataclass(frozen=True, eq=False)
class Examination:
    """One recording, split, and its yardstick.

    Attributes
    ----------
    training : what models are trained on
    judged : what they are judged by
    judged_on : the same in words
    """

    training: Recording
    judged: Recording
    judged_on: str
    window_bins: int
    yardstick: Yardstick
    seed: int

    def judge(self, sample: Callable[[int], NDArray[Any]]) -> tuple[Likeness, ...]:
        """Likeness of a model that gives so many windows, (windows, bins, units)."""
        return judge(sample(DRAWS * self.yardstick.windows), self.yardstick)

    def distance_to_training(self, sample: Callable[[int], NDArray[Any]]) -> float:
        """Mean E/F by one half of the training windows, F that of the other half; nothing of what is held out."""
        random = np.random.Generator(np.random.Philox(self.seed))
        windows = random.permutation(_windows(self.training, self.window_bins, random))
        half = min(JUDGED_WINDOWS, len(windows) // 2)
        yardstick = make_yardstick(windows[half : 2 * half], windows[:half], random)
        ratios = [each.ratio for each in judge(sample(DRAWS * half), yardstick)]
        return float(np.mean([ratio for ratio in ratios if np.isfinite(ratio)] or [0.0]))

    def reference(self) -> dict[str, NDArray[np.float64]]:
        """Every statistic of the training data, by name."""
        return statistics_of(cut_windows(self.training, self.window_bins))

    def counts_of_windows(self) -> NDArray[np.float64]:
        """Expected counts per bin, (units,), of windows at random places in the training data.

        Bins near a repeat's ends lie in fewer windows, so this is not quite the mean over all bins.
        """
        place = np.arange(self.training.bins)
        windows = self.training.bins - self.window_bins + 1
        covering = np.minimum(np.minimum(place + 1, place[::-1] + 1), min(self.window_bins, windows))
        return covering / covering.sum() @ self.training.counts.mean(axis=0, dtype=np.float64)


def examine(recording: Recording, every: int, window_bins: int, seed: int) -> Examination:
    """Hold out every n-th repeat (0: train on all, and judge by a fifth of it) and make the yardstick.

    Raises
    ------
    BadInputError
        If no unit ever changes, or the parts are shorter than a window.
    """
    unseen, judged = hold_out(recording, every or JUDGED_EVERY)
    training = unseen if every else recording
    counts = training.counts
    if np.all(counts == counts[:1, :1]):
        raise BadInputError(f"{recording.name}: expected units that spike now and then, found constant ones only")
    if min(training.bins, judged.bins) < window_bins:
        raise BadInputError(
            f"{recording.name}: expected parts of at least {window_bins} bins (one window) to train on and to"
            f" judge by, found {training.bins} and {judged.bins}; is it (bins, units), and long enough?"
        )
    random = np.random.Generator(np.random.Philox(seed))
    known, held_out = (_windows(part, window_bins, random) for part in (unseen, judged))
    yardstick = make_yardstick(known, random.permutation(held_out)[: min(JUDGED_WINDOWS, len(known))], random)
    return Examination(training, judged, "held-out repeats" if every else "training data", window_bins, yardstick, seed)


def _windows(recording: Recording, window_bins: int, random: np.random.Generator) -> NDArray[np.uint8]:
    windows = random_windows(recording, window_bins, random)
    return windows.reshape(-1, *windows.shape[2:])


def describe_recording(recording: Recording) -> dict[str, Any]:
    """What a checkpoint says of its data; JSON."""
    digest = sha256(np.ascontiguousarray(recording.counts))
    if recording.channels:
        digest.update(np.ascontiguousarray(recording.conditions))
    return {
        "name": recording.name,
        "origin": recording.origin,
        "repeats": recording.repeats,
        "bins": recording.bins,
        "bin_size_s": recording.bin_size_s,
        "unit_names": list(recording.unit_names),
        "distribution": population_of(recording).distribution,
        "largest": int(recording.counts.max()),
        "channels": [dataclasses.asdict(channel) for channel in recording.channels],
        "sha256": digest.hexdigest(),
    }


def describe_realism(judged_on: str, step: int, likeness: Sequence[Likeness]) -> dict[str, Any]:
    """What a checkpoint says of a verdict; JSON."""
    figures = ("statistic", "error", "floor", "ceiling")
    return {
        "judged_on": judged_on,
        "judged_at_step": step,
        "statistics": {each.statistic: {key: dataclasses.asdict(each)[key] for key in figures} for each in likeness},
    }
