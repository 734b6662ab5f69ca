"""From what a file holds and what was chosen, to a recording."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.binned import joined_bins, recording_of_bins
from spikeloop.exporters.formats.assembly.chosen_units import with_chosen_units
from spikeloop.exporters.formats.assembly.conditions import fill_gaps, with_series
from spikeloop.exporters.formats.assembly.counted import recording_of_trains, with_known_trials
from spikeloop.exporters.formats.assembly.renaming import renamed_channels
from spikeloop.exporters.formats.assembly.trials_of_file import begin_s, cut_into_trials, left_out
from spikeloop.exporters.formats.choices import Choices, chosen_numbers
from spikeloop.exporters.formats.found import Binned, Found
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.physical_units import factor_between
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import EDGE_TOLERANCE

__all__ = ["assemble", "renamed_conditions"]


def assemble(found: Found, choices: Choices) -> Recording:
    """Make the recording that was chosen of what a file holds.

    Parameters
    ----------
    found : Found
    choices : Choices

    Returns
    -------
    Recording

    Raises
    ------
    BadInputError
        If what was chosen isn't there, or can't become counts.
    """
    found = with_chosen_units(with_known_trials(found, choices), choices)
    spikes, joined, recorded = found.spikes, 1, None
    if isinstance(spikes, Binned):
        joined = joined_bins(spikes, choices, found.name)
        recording, recorded = recording_of_bins(found, spikes, choices)
    else:
        recording = recording_of_trains(found, spikes, choices)
    recording = replace(
        recording,
        history=(*found.history, *recording.history),
        provenance=found.provenance,
        contradictions=found.contradictions,
    )
    for series in found.series:
        recording = with_series(recording, series)
    if recorded is not None:  # cut only now, as conditions have a sample for each bin of the file
        recording = _chosen_part(recording, recorded, found, choices)
    held = {name for series in found.series if series.stops_s is not None for name in series.names}
    recording = rebinned(fill_gaps(recording, choices.max_gap_s, held), joined)
    recording = renamed_conditions(recording, choices.rename)
    return recording if choices.repeat_bins is None else _cut_repeats(recording, choices.repeat_bins)


def _chosen_part(recording: Recording, recorded: NDArray[np.bool_], found: Found, choices: Choices) -> Recording:
    """Keep the chosen trials and times, and leave out bins that were not recorded."""
    if choices.trials is not None and recording.repeats == 1 and found.trials is not None:
        recording, recorded = cut_into_trials(recording, recorded, found, choices)
    else:
        recording, recorded = _within_times(*_chosen_repeats(recording, recorded, choices), choices)
    return recording if recorded.all() else split_where(recording, recorded)


def _chosen_repeats(
    recording: Recording, recorded: NDArray[np.bool_], choices: Choices
) -> tuple[Recording, NDArray[np.bool_]]:
    """Keep the chosen trials of which anything was recorded."""
    numbers = np.arange(recording.repeats)
    if choices.trials is not None:
        numbers = chosen_numbers("--trials", choices.trials, recording.repeats, "trials")
    some = recorded[numbers].any(axis=1)
    if not some.any():
        asked = "" if choices.trials is None else f" in trials {choices.trials:.60}; choose others with --trials"
        raise BadInputError(f"{recording.name}: expected counts, found no recorded bin{asked}")
    history = (*recording.history, *left_out(numbers[~some], "nothing was recorded in them"))
    part = recording if choices.trials is None and some.all() else part_of(recording, numbers[some])
    return replace(part, history=history), recorded[numbers[some], : part.bins]


def _within_times(
    recording: Recording, recorded: NDArray[np.bool_], choices: Choices
) -> tuple[Recording, NDArray[np.bool_]]:
    """Keep the whole bins between the chosen start and stop."""
    if choices.start_s is None and choices.stop_s is None:
        return recording, recorded
    if recording.repeats > 1:
        raise BadInputError(
            f"--start, --stop: {recording.name} is in {recording.repeats} trials; choose with --trials instead"
        )
    begin, size = begin_s(recording), recording.bin_size_s
    low = 0.0 if choices.start_s is None else (choices.start_s - begin) / size
    high = float(recording.bins) if choices.stop_s is None else (choices.stop_s - begin) / size
    first = max(0, int(np.ceil(low - EDGE_TOLERANCE)))
    last = min(recording.bins, int(np.floor(high + EDGE_TOLERANCE)))
    if first >= last:
        end = begin + recording.duration_s
        raise BadInputError(f"--start, --stop: expected times inside {begin:g} to {end:g} s, where {recording.name} is")
    return part_of(recording, bins=slice(first, last)), recorded[:, first:last]


def renamed_conditions(recording: Recording, rename: Mapping[str, str]) -> Recording:
    """Give conditions new names and, where a name ends in [UNIT], new units.

    Values are converted from one length or speed to another, as from m/s to cm/s; else they stay as they are.
    """
    channels = renamed_channels(recording.channels, rename)
    factors = [
        factor_between(before.unit, after.unit) or 1.0
        for before, after in zip(recording.channels, channels, strict=True)
    ]
    if recording.driven_by is None or set(factors) == {1.0}:
        return replace(recording, channels=channels)
    ranged = tuple(
        replace(channel, low=channel.low * factor, high=channel.high * factor, rest=channel.rest * factor)
        for channel, factor in zip(channels, factors, strict=True)
    )
    return replace(recording, channels=ranged, driven_by=(recording.driven_by * factors).astype(np.float32))


def _cut_repeats(recording: Recording, repeat_bins: int) -> Recording:
    if recording.repeats != 1 or recording.bins % repeat_bins:
        raise BadInputError(
            f"{recording.name}: {recording.repeats} x {recording.bins} bins can't be cut into repeats of {repeat_bins};"
            " give a length that divides them"
        )
    repeats, size = recording.bins // repeat_bins, recording.bin_size_s
    driven_by, starts_s = recording.driven_by, recording.starts_s
    return replace(
        recording,
        counts=recording.counts.reshape(repeats, repeat_bins, recording.units),
        driven_by=None if driven_by is None else driven_by.reshape(repeats, repeat_bins, len(recording.channels)),
        starts_s=None if starts_s is None else tuple((starts_s[0] + np.arange(repeats) * repeat_bins * size).tolist()),
    )
