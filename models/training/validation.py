"""A model's validation: what it is trained on, what is held out, and how similar the two are."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import join_windows
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.population import population_of
from spikeloop.models.measures.one_step import OneStepScore
from spikeloop.models.measures.similarity import (
    ReferenceDistances,
    Similarity,
    judge,
    measure_reference_distances,
    statistics_of,
)
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import recorded_rows
from spikeloop.models.recordings.windows import (
    STRETCHES,
    cut_windows,
    hold_out,
    long_enough,
    random_window_count,
    random_windows,
)

__all__ = ["KEPT_EVERY", "Validation", "describe_realism", "describe_recording", "prepare_validation"]

JUDGED_EVERY = 5  # where nothing is held out, every n-th repeat is judged by all the same
JUDGED_WINDOWS = 2048  # at most; enough to rank models, quick enough to watch
KEPT_EVERY = 10  # part of the training data decides when to stop
LEAST_KEPT_WINDOWS = 16  # of that part; statistics of fewer say nothing
DRAWS = 4  # samples of the model that its error is the mean of


@dataclass(frozen=True, eq=False)
class Validation:
    """One recording, split, and its reference distances.

    Attributes
    ----------
    training : Recording
        What models are trained on.
    judged : Recording
        What they are compared with.
    judged_on : str
        The same in words.
    window_bins : int, bins
        Of the windows that are compared.
    reference_distances : ReferenceDistances
    seed : int
    kept : Recording or None
        What is neither trained on nor judged by, but decides when to stop.
    """

    training: Recording
    judged: Recording
    judged_on: str
    window_bins: int
    reference_distances: ReferenceDistances
    seed: int
    kept: Recording | None = None

    def judge(self, sample: Callable[[int], NDArray[Any]]) -> tuple[Similarity, ...]:
        """Measure the similarity of a model, whose `sample` draws so many windows, (windows, bins, units)."""
        return judge(sample(DRAWS * self.reference_distances.windows), self.reference_distances)

    def distance_to_training(self, sample: Callable[[int], NDArray[Any]]) -> float:
        """Measure the mean E/F against one half of the training windows, with F that of the other half."""
        random = random_stream(self.seed, Purpose.STAGE_CHOICE)
        windows = random.permutation(_windows(self.training, self.window_bins, random))
        half = min(JUDGED_WINDOWS, len(windows) // 2)
        reference_distances = measure_reference_distances(windows[half : 2 * half], windows[:half], random)
        ratios = [row.ratio for row in judge(sample(DRAWS * half), reference_distances)]
        return float(np.mean([ratio for ratio in ratios if np.isfinite(ratio)] or [0.0]))

    def reference(self) -> dict[str, NDArray[np.float64]]:
        """Compute every statistic of the training data, by name."""
        return statistics_of(cut_windows(self.training, self.window_bins))

    def expected_counts(self) -> NDArray[np.float64]:
        """Compute the expected counts per bin of the training data, (units,)."""
        return recorded_rows(self.training.counts, self.training.lengths).mean(axis=(0, 1), dtype=np.float64)


def prepare_validation(
    recording: Recording,
    every: int,
    window_bins: int,
    seed: int,
    keep: bool = False,
    stretches: int = STRETCHES,
) -> Validation:
    """Hold out every n-th repeat or stretches of time, and measure the reference distances.

    Of repeats of unequal length those shorter than a window are left out of both parts.

    Parameters
    ----------
    recording : Recording
    every : int >= 0
        0 trains on all, and compares with a fifth of it.
    window_bins : int, bins
    seed : int >= 0
    keep : bool
        Also keep a tenth of what is left, where it has windows enough, to decide when to stop.
    stretches : int >= 1
        Of a recording with too few repeats, in each of which a part is held out; see `hold_out`.

    Raises
    ------
    BadInputError
        If no unit ever changes, or the parts are shorter than a window.
    """
    unseen, judged = (long_enough(part, window_bins) for part in hold_out(recording, every or JUDGED_EVERY, stretches))
    training = unseen if every else long_enough(recording, window_bins)
    training, kept = _keep(training, window_bins, stretches) if keep else (training, None)
    unseen = training if every else unseen
    counts = recorded_rows(training.counts, training.lengths)
    if np.all(counts == counts[:1, :1]):
        raise BadInputError(f"{recording.name}: expected units that spike now and then, found constant ones only")
    if min(training.bins, judged.bins) < window_bins:
        raise BadInputError(
            f"{recording.name}: expected parts of at least {window_bins} bins (one window) to train on and to"
            f" judge by, found {training.bins} and {judged.bins}; is it (bins, units), and long enough?"
        )
    known = _windows(unseen, window_bins, random_stream(seed, Purpose.TRAINING_WINDOWS))
    held_out = _windows(judged, window_bins, random_stream(seed, Purpose.HELD_OUT_WINDOWS))
    random = random_stream(seed, Purpose.VALIDATION)
    reference_distances = measure_reference_distances(
        known, random.permutation(held_out)[: min(JUDGED_WINDOWS, len(known))], random
    )
    return Validation(
        training, judged, "held-out repeats" if every else "training data", window_bins, reference_distances, seed, kept
    )


def _keep(training: Recording, window_bins: int, stretches: int) -> tuple[Recording, Recording | None]:
    """Split off a part to decide by; None where it would have too few windows."""
    if training.recorded_bins < KEPT_EVERY * LEAST_KEPT_WINDOWS * window_bins:
        return training, None
    rest, kept = (long_enough(part, window_bins) for part in hold_out(training, KEPT_EVERY, stretches))
    if min(rest.bins, kept.bins) < window_bins or random_window_count(kept, window_bins) < LEAST_KEPT_WINDOWS:
        return training, None
    return rest, kept


def _windows(recording: Recording, window_bins: int, random: np.random.Generator) -> NDArray[np.uint8]:
    return join_windows(random_windows(recording, window_bins, random))


def describe_recording(recording: Recording) -> dict[str, Any]:
    """Describe the data for a checkpoint; JSON."""
    counts, conditions = (recorded_rows(part, recording.lengths) for part in (recording.counts, recording.conditions))
    digest = sha256(np.ascontiguousarray(counts).data)
    if recording.channels:
        digest.update(np.ascontiguousarray(conditions).data)
    unequal: dict[str, Any] = {}
    if recording.lengths is not None:
        digest.update(np.array(recording.lengths, np.int64).data)
        unequal = {"recorded_bins": recording.recorded_bins, "shortest_bins": min(recording.lengths)}
    return unequal | {
        "name": recording.name,
        "origin": recording.origin,
        "repeats": recording.repeats,
        "bins": recording.bins,
        "bin_size_s": recording.bin_size_s,
        "unit_names": list(recording.unit_names),
        "distribution": population_of(recording).distribution,
        "largest": int(counts.max()),
        "channels": [dataclasses.asdict(channel) for channel in recording.channels],
        "sha256": digest.hexdigest(),
    }


def describe_realism(
    judged_on: str, step: int, similarity: Sequence[Similarity], one_step: OneStepScore | None = None
) -> dict[str, Any]:
    """Describe the similarity, and the one-step score where there is one, for a checkpoint; JSON."""
    figures = ("statistic", "error", "floor", "ceiling")
    described = {} if one_step is None else {"one_step": dataclasses.asdict(one_step)}
    return described | {
        "judged_on": judged_on,
        "judged_at_step": step,
        "statistics": {row.statistic: {key: dataclasses.asdict(row)[key] for key in figures} for row in similarity},
    }
