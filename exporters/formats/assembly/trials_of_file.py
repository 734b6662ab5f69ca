"""The trials that a file lists by their times: which were chosen, and counts that are cut into them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices, chosen_numbers
from spikeloop.exporters.formats.found import Found
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import lengths_of, pad_repeats
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE
from spikeloop.models.recordings.timed_spikes import of_stretches

__all__ = ["TimedTrials", "begin_s", "chosen_trials", "cut_into_trials", "left_out"]

MOST_LISTED = 10  # trials, in a sentence


@dataclass(frozen=True, eq=False)
class TimedTrials:
    """Trials that were chosen.

    Attributes
    ----------
    numbers : array of shape (trials,), int
        That the file's trials have.
    starts_s, stops_s : array of shape (trials,), s
        Finite, by the clock of the spikes.
    history : tuple of str
        Which trials were left out, and why.
    """

    numbers: NDArray[np.int64]
    starts_s: Floats
    stops_s: Floats
    history: tuple[str, ...]


def chosen_trials(found: Found, choices: Choices) -> TimedTrials:
    """Return the trials of the file that were chosen and lie between the chosen start and stop.

    Raises
    ------
    BadInputError
        If the file has no trials, or none of these.
    """
    if found.trials is None:
        raise BadInputError(f"--trials: {found.name} has no trials; leave the option out, or give --repeat-bins")
    numbers = chosen_numbers("--trials", choices.trials or "all", len(found.trials.starts_s), "trials")
    starts, stops = found.trials.starts_s[numbers], found.trials.stops_s[numbers]
    timed = np.isfinite(starts) & np.isfinite(stops)
    low = -np.inf if choices.start_s is None else choices.start_s
    high = np.inf if choices.stop_s is None else choices.stop_s
    kept = timed & (starts >= low) & (stops <= high)
    history = (
        *left_out(numbers[~timed], "nothing says when they were"),
        *left_out(numbers[timed & ~kept], "not between --start and --stop"),
    )
    if not kept.any():
        raise BadInputError(f"--trials: expected trials of {found.name}, found none to keep; {'; '.join(history)}")
    return TimedTrials(numbers[kept], starts[kept], stops[kept], history)


def left_out(numbers: NDArray[np.int64], why: str) -> tuple[str, ...]:
    """Say which trials were left out; nothing where there are none."""
    if not len(numbers):
        return ()
    more = f" and {len(numbers) - MOST_LISTED} more" if len(numbers) > MOST_LISTED else ""
    return (f"left out trials {', '.join(map(str, numbers[:MOST_LISTED].tolist()))}{more}: {why}",)


def begin_s(recording: Recording) -> float:
    """Return when a recording begins, s; 0 where that is not known."""
    return recording.starts_s[0] if recording.starts_s else 0.0


def cut_into_trials(
    recording: Recording, recorded: NDArray[np.bool_], found: Found, choices: Choices
) -> tuple[Recording, NDArray[np.bool_]]:
    """Cut a continuous recording of counts into the file's trials; a bin belongs to the trial that holds all of it.

    Parameters
    ----------
    recording : Recording
        Of one repeat.
    recorded : array of shape (1, bins), bool
    found : Found
    choices : Choices

    Returns
    -------
    recording : Recording
        With a repeat for each trial.
    recorded : array of shape (trials, bins), bool

    Raises
    ------
    BadInputError
        If no trial lies inside the recording.
    """
    trials = chosen_trials(found, choices)
    begin, size, bins = begin_s(recording), recording.bin_size_s, recording.bins
    first = np.ceil(np.clip((trials.starts_s - begin) / size - EDGE_TOLERANCE, -1, bins)).astype(int)
    last = np.floor(np.clip((trials.stops_s - begin) / size + EDGE_TOLERANCE, 0, bins + 1)).astype(int)
    inside = (first >= 0) & (last <= bins)
    known = np.concatenate([[0], np.cumsum(recorded[0])])
    some = inside & (first < last)
    some[some] = known[last[some]] > known[first[some]]
    history = (
        *trials.history,
        *left_out(trials.numbers[~inside], "not inside the recording"),
        *left_out(trials.numbers[inside & ~some], "no whole bin of them was recorded"),
    )
    if not some.any():
        raise BadInputError(
            f"--trials: expected trials inside the recording, found none of {len(first)}; see inspect"
            f" ({'; '.join(history)})"
        )
    pieces = [slice(a, b) for a, b in zip(first[some].tolist(), last[some].tolist(), strict=True)]
    return _pieces_of(recording, pieces, history), pad_repeats([recorded[0, at, np.newaxis] for at in pieces])[..., 0]


def _pieces_of(recording: Recording, pieces: Sequence[slice], history: tuple[str, ...]) -> Recording:
    """Make each of these stretches of bins a repeat."""
    driven_by, starts_s, times = recording.driven_by, recording.starts_s, recording.spike_times
    stretches = [(0, at.start, at.stop) for at in pieces]
    return replace(
        recording,
        counts=pad_repeats([recording.counts[0, at] for at in pieces]),
        driven_by=None if driven_by is None else pad_repeats([driven_by[0, at] for at in pieces]),
        lengths=lengths_of([at.stop - at.start for at in pieces]),
        starts_s=None if starts_s is None else tuple(starts_s[0] + at.start * recording.bin_size_s for at in pieces),
        spike_times=None if times is None else of_stretches(times, recording.counts, stretches),
        history=(*recording.history, *history, f"cut into {len(pieces)} trials of the file"),
    )
