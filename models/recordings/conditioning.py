"""What drives a recording: attached to it, shifted by a lead, or removed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import (
    LONGEST_NAME,
    conditions_of,
    is_sound,
    phase_condition,
    phases,
)
from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded

__all__ = ["one_for_each_bin", "with_conditions", "with_lead", "with_phase", "without_conditions", "without_last_bins"]


def with_conditions(
    recording: Recording, values: ArrayLike, names: Sequence[str], units: Sequence[str] | None = None
) -> Recording:
    """Attach what drove the population.

    Parameters
    ----------
    recording : Recording
    values : array of shape (bins, channels) or (repeats, bins, channels)
        Finite as float32; what is beyond the end of a short repeat does not count.
    names : sequence of str
        One for each channel, such as "velocity x"; printable, of up to 64 letters.
    units : sequence of str, default none
        One for each channel, such as "cm/s".

    Returns
    -------
    Recording

    Raises
    ------
    BadInputError
        If there is not one value for every bin, channel and name, or a name or unit can't be shown.
    """
    array = one_for_each_bin(recording, values, len(names))
    units = [""] * len(names) if units is None else units
    if recording.lengths is not None:
        array = np.where(recording.recorded[..., np.newaxis], array, 0)
    driven_by = _finite(array, recording.name)
    channels = (
        conditions_of(join_recorded(driven_by, recording.lengths), names, units) if len(units) == len(names) else ()
    )
    if not channels or not all(map(is_sound, channels)):
        raise BadInputError(
            f"{recording.name}: expected a name and a unit for every condition, printable and of up to {LONGEST_NAME}"
            f" letters, found {list(names)!r:.80} in {list(units)!r:.80}"
        )
    return replace(recording, driven_by=driven_by, channels=channels)


def one_for_each_bin(recording: Recording, values: ArrayLike, channels: int) -> NDArray:
    """Make sure that there is a number for each bin and channel, and give the array the axis of repeats.

    Raises
    ------
    BadInputError
        If the shape is another, or these are no numbers.
    """
    array = np.asarray(values)
    array = array[np.newaxis] if array.ndim == 2 else array
    expected = (*recording.counts.shape[:2], channels)
    if array.dtype.kind not in "buif" or array.shape != expected or not channels:
        raise BadInputError(
            f"{recording.name}: expected conditions of shape {expected} (repeats, bins, names), found {array.shape}"
            f" of {array.dtype}"
        )
    return array


def _finite(array: NDArray, name: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise BadInputError(
            f"{name}: expected conditions that are finite as float32, found NaN, infinity or numbers beyond 3e38 among"
            " them"
        )
    return array


def with_phase(recording: Recording) -> Recording:
    """Attach the phase of the repeats, as of a stimulus that is shown again and again.

    Raises
    ------
    BadInputError
        If it has no repeats, or they differ in length.
    """
    if recording.lengths is not None:
        raise BadInputError(
            f"{recording.name}: expected repeats of one length, of a stimulus that is the same in all, found"
            f" {min(recording.lengths)} to {max(recording.lengths)} bins; cut them to one length, or use the recorded"
            " conditions or none instead of the phase"
        )
    if recording.repeats < 2:
        raise BadInputError(f"{recording.name}: expected repeats of a stimulus, found one; give --repeat-bins")
    one_repeat = phases(0, recording.bins, recording.bins)
    driven_by = np.broadcast_to(one_repeat, (recording.repeats, *one_repeat.shape))
    return replace(recording, driven_by=driven_by, channels=(phase_condition(recording.bins),))


def without_conditions(recording: Recording) -> Recording:
    """Remove the conditions."""
    return replace(recording, driven_by=None, channels=())


def with_lead(recording: Recording, lead_bins: int) -> Recording:
    """Give every bin the conditions of `lead_bins` later, as motor cortex runs ahead of the movement.

    The last bins of each repeat, whose conditions were not recorded, are left out, and so are repeats that are not
    longer than the lead.

    Raises
    ------
    BadInputError
        If the lead is negative or as long as the longest repeat.
    """
    if not 0 <= lead_bins < recording.bins:
        raise BadInputError(f"{recording.name}: expected a lead of 0 to {recording.bins - 1} bins, found {lead_bins}")
    if lead_bins == 0 or recording.driven_by is None:
        return recording
    led = without_last_bins(recording, lead_bins)
    later = recording.driven_by[:, lead_bins : lead_bins + led.bins]
    return replace(led, driven_by=later if led.repeats == len(later) else later[recording.bins_of_repeats > lead_bins])


def without_last_bins(recording: Recording, bins: int) -> Recording:
    """Leave out the last bins of each repeat, and repeats of which nothing is left.

    Raises
    ------
    BadInputError
        If nothing is left of any.
    """
    if not 0 <= bins < recording.bins:
        raise BadInputError(f"{recording.name}: expected to leave out 0 to {recording.bins - 1} bins, found {bins}")
    if recording.lengths is None:
        return part_of(recording, bins=slice(recording.bins - bins))
    return split_where(recording, np.arange(recording.bins) < recording.bins_of_repeats[:, np.newaxis] - bins)
