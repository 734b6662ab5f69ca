"""Spike trains from a recording of any format, with the time that each spike has in its file."""

from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.assembly.chosen_units import with_chosen_units
from spikeloop.exporters.formats.assembly.counted import with_known_trials
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found
from spikeloop.exporters.formats.read import open_format
from spikeloop.exporters.formats.storage.remote import located
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import memory_for
from spikeloop.models.recordings.timed_spikes import spikes_by_unit
from spikeloop.models.sorting.trains import UnitTrains

__all__ = ["read_trains"]


def read_trains(path: str | Path, choices: Choices) -> UnitTrains:
    """Read the spike trains of a file or folder.

    Parameters
    ----------
    path : str or pathlib.Path
        Of any format that `spikeloop inspect` lists, which holds times of spikes.
    choices : Choices
        Which array or stream, and which units.

    Raises
    ------
    BadInputError
        If there is no such file, or it holds counts without times, or spikes in trials.
    FailureError
        If a package is missing.
    """
    if isinstance(at := located(path), Path) and not at.exists():
        raise BadInputError(f"expected a file or folder with times of spikes, found nothing at {path}")
    with memory_for(path):
        found = open_format(at, str(path)).reader().find(at, choices)
        return _trains_of(with_chosen_units(with_known_trials(found, choices), choices), str(path))


def _trains_of(found: Found, name: str) -> UnitTrains:
    spikes = found.spikes
    if isinstance(spikes, Binned):
        if spikes.spike_times is None:
            raise BadInputError(f"{name}: expected times of spikes, found counts in bins; name others with a key")
        units = np.shape(spikes.values)[-1] if isinstance(spikes.values, np.ndarray) else spikes.values[0].shape[-1]
        trains = spikes_by_unit(spikes.spike_times, units)
    elif spikes.trial_of_spike is not None:
        raise BadInputError(f"{name}: expected a continuous recording, found spikes in trials")
    else:
        trains = spikes.trains
    names = found.unit_names or tuple(f"unit {number}" for number in range(len(trains)))
    return UnitTrains.of(name, names, [np.asarray(train) for train in trains])
