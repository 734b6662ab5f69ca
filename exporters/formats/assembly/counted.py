"""From the spike times of a file to a recording."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.far_spikes import refuse_far_spikes
from spikeloop.exporters.formats.assembly.running_times import trials_by_times
from spikeloop.exporters.formats.assembly.trials_of_file import TimedTrials, chosen_trials, left_out
from spikeloop.exporters.formats.choices import Choices, chosen_numbers, per_second
from spikeloop.exporters.formats.found import Found, SpikeTrains
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import checked_bin_size
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE, Trials, range_of

__all__ = ["recording_of_trains", "with_known_trials"]


def with_known_trials(found: Found, choices: Choices) -> Found:
    """Bring spike times into seconds; count the trials, and find when they were where times run on.

    All units are looked at, so that trials are the same whichever units are chosen.
    """
    spikes = found.spikes
    if not isinstance(spikes, SpikeTrains):
        return found
    if choices.time_unit:
        scale = per_second(choices.time_unit)
        spikes = replace(spikes, trains=[np.asarray(train, np.float64) / scale for train in spikes.trains])
    of_spike, trials, history = spikes.trial_of_spike, found.trials, found.history
    if of_spike is not None:
        number = 1 + max((int(trial.max()) for trial in of_spike if len(trial)), default=0)
        number = max(number, spikes.trials or 0, 0 if trials is None else len(trials.starts_s))
        spikes = replace(spikes, trials=number)
        size = spikes.bin_size_s if choices.bin_size_s is None else choices.bin_size_s
        if trials is None and size is not None:
            trials = trials_by_times(spikes.trains, of_spike, number, checked_bin_size(size, found.name))
            done = "cut where trials begin and end, as times run on from one trial to another"
            history = history if trials is None else (*history, done)
    return replace(found, spikes=spikes, trials=trials, history=history)


def recording_of_trains(found: Found, spikes: SpikeTrains, choices: Choices) -> Recording:
    """Count spike times in the chosen bins, trials and stretch of time.

    Parameters
    ----------
    found : Found
    spikes : SpikeTrains
        Of `found`, as `with_known_trials` returns them.
    choices : Choices

    Raises
    ------
    BadInputError
        If no bin size is known, or there are no such trials or times.
    """
    bin_size_s = spikes.bin_size_s if choices.bin_size_s is None else choices.bin_size_s
    if bin_size_s is None:
        raise BadInputError(
            f"{found.name}: these are spike times; give the size of the bins in which to count them, e.g. --bin-size-ms"
            " 20 (in Python, bin_size_s=0.02)"
        )
    size = checked_bin_size(bin_size_s, found.name)
    if spikes.trial_of_spike is not None:
        return _of_numbered_trials(found, spikes, spikes.trial_of_spike, choices, size)
    history: tuple[str, ...] = ()
    if choices.trials is None:
        trials = _range(found, spikes, choices, size)
    else:
        chosen = chosen_trials(found, choices)
        trials = Trials.between(chosen.starts_s, chosen.stops_s, size, found.name, chosen.numbers)
        history = (*chosen.history, f"cut into {len(trials.bins)} trials of the file")
    return _counted(found, spikes, trials, choices, size, history)


def _range(found: Found, spikes: SpikeTrains, choices: Choices, size: float) -> Trials:
    start = spikes.start_s if choices.start_s is None else choices.start_s
    stop = spikes.stop_s if choices.stop_s is None else choices.stop_s
    return range_of(spikes.trains, size, start, stop, found.name)


def _of_numbered_trials(
    found: Found, spikes: SpikeTrains, of_spike: Sequence[NDArray[np.int64]], choices: Choices, size: float
) -> Recording:
    """Count spikes each of which has a trial."""
    number = spikes.trials or 0
    numbers, history = chosen_numbers("--trials", choices.trials or "all", number, "trials"), ()
    if found.trials is None:
        one, asked = _range(found, spikes, choices, size), numbers
        numbers, order = np.unique(asked, return_inverse=True)
        trials = Trials(np.repeat(one.starts_s, len(numbers)), np.repeat(one.bins, len(numbers)))
    else:
        chosen = _clipped(found, choices, size)
        numbers, first, order = np.unique(chosen.numbers, return_index=True, return_inverse=True)
        trials = Trials.between(chosen.starts_s[first], chosen.stops_s[first], size, found.name, numbers)
        history = chosen.history
    place = np.full(number, -1)
    place[numbers] = np.arange(len(numbers))
    kept = [place[trial] >= 0 for trial in of_spike]
    spikes = replace(
        spikes,
        trains=[train[inside] for train, inside in zip(spikes.trains, kept, strict=True)],
        trial_of_spike=[place[trial[inside]] for trial, inside in zip(of_spike, kept, strict=True)],
    )
    recording = _counted(found, spikes, trials, choices, size, history)
    return recording if np.array_equal(order, np.arange(len(numbers))) else part_of(recording, order)


def _clipped(found: Found, choices: Choices, size: float) -> TimedTrials:
    """Return the chosen trials, each as far as it lies between the chosen start and stop."""
    trials = chosen_trials(found, replace(choices, start_s=None, stop_s=None))
    if choices.start_s is None and choices.stop_s is None:
        return trials
    starts = trials.starts_s if choices.start_s is None else np.maximum(trials.starts_s, choices.start_s)
    stops = trials.stops_s if choices.stop_s is None else np.minimum(trials.stops_s, choices.stop_s)
    inside = stops - starts >= size * (1 - EDGE_TOLERANCE)
    history = (*trials.history, *left_out(trials.numbers[~inside], "not between --start and --stop"))
    if not inside.any():
        raise BadInputError(f"--start, --stop: expected times in a trial of {found.name}, found none; see inspect")
    return TimedTrials(trials.numbers[inside], starts[inside], stops[inside], history)


def _counted(
    found: Found, spikes: SpikeTrains, trials: Trials, choices: Choices, size: float, history: tuple[str, ...]
) -> Recording:
    if choices.stop_s is None:
        refuse_far_spikes(spikes.trains, trials, size, found.name)
    recording = Recording.from_trains(
        spikes.trains, size, trials, found.unit_names, found.name, found.origin, spikes.trial_of_spike
    )
    return replace(recording, history=(*history, _how_binned(recording)))


def _how_binned(recording: Recording) -> str:
    binning = recording.binning
    assert binning is not None
    odd = {
        "outside": binning.outside,
        "listed after a later one": binning.unsorted,
        "at the time of another of the unit": binning.duplicated,
        "on a bin's edge": binning.on_an_edge,
    }
    oddities = ", ".join(f"{number} {what}" for what, number in odd.items() if number)
    counted = f"counted {binning.binned} of {binning.spikes} spikes in bins of {recording.bin_size_s * 1000:g} ms"
    return f"{counted} ({oddities})" if oddities else counted
