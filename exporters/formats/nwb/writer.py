"""NWB files, written by PyNWB: spike times for every tool that reads them, and the counts that they come from."""

import json
import re
import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.nwb.lab_metadata import lab_metadata, manager
from spikeloop.exporters.formats.nwb.own import COUNTS, DETAILS, in_time
from spikeloop.exporters.formats.storage.hdf5_disk import whole_hdf5_file
from spikeloop.exporters.formats.storage.remote import Location, Remote
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import import_package, require_packages
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import spike_times_in_bins
from spikeloop.models.recordings.timed_spikes import of_stretches, spikes_by_unit

__all__ = ["NO_UNIT", "save_session", "session_of", "write_nwb"]

NO_UNIT = "n.a."
OWN_RESOLUTION_S = 1e-9  # of times of their own, which are drawn
PLACED = "n spikes of a bin are placed evenly inside it, as counts do not say when they came"
ONE_AFTER_ANOTHER = "when the trials began is not known, or they overlap: they follow one another here, in their order"


def write_nwb(recording: Recording, path: Location, add: Callable[[Any], None] | None = None) -> None:
    """Write a recording to an NWB file, whole or not at all.

    The spikes become `units`, with times from which the same counts follow; the trials a table of trials, by the
    recording's own clock where it is known; the counts `processing/ecephys/binned_spikes` and the conditions time
    series in `processing/behavior`. Names and history, for which the standard has no place, are kept as a scratch
    note, so that the recording is read back exactly.

    Parameters
    ----------
    recording : Recording
    path : pathlib.Path
        Ending in .nwb.
    add : callable (pynwb.NWBFile), optional
        Adds more before the file is written, and the trials instead of those of the recording.

    Raises
    ------
    BadInputError
        If the path does not end so.
    FailureError
        If the disk refuses, or PyNWB is not installed.
    """
    if isinstance(path, Remote) or path.suffix.lower() != ".nwb":
        raise BadInputError(f"expected a file ending in .nwb, found {path}; choose such a name")
    require_packages("pynwb", extra="nwb", what="writing NWB files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyNWB warns about its own dependencies
        save_session(session_of(recording, add=add, with_trials=add is None), path)


def save_session(session: Any, path: Path) -> None:
    """Write a `pynwb.NWBFile`, whole or not at all; FailureError if the disk refuses."""
    import h5py

    pynwb = import_package("pynwb", "writing NWB files")
    options = {"manager": manager()} if session.lab_meta_data else {}
    with (
        whole_hdf5_file(path) as disk,
        h5py.File(disk, "w") as file,
        pynwb.NWBHDF5IO(file=file, mode="w", **options) as writer,
    ):
        writer.write(session)


def session_of(
    recording: Recording,
    started: datetime | None = None,
    trains: Sequence[Floats] | None = None,
    card: str = "",
    with_trials: bool = True,
    add: Callable[[Any], None] | None = None,
) -> Any:
    """Return a `pynwb.NWBFile` of a recording.

    Parameters
    ----------
    recording : Recording
    started : datetime.datetime, optional
        When the recording's clock was 0; by default that is not known.
    trains : sequence of arrays, s, optional
        Times of each unit's spikes, where the recording has none for all of its counts.
    card : str
        The bundle's, as JSON.
    with_trials : bool
        Whether the recording's repeats are trials.
    add : callable, optional
        Adds more to the `pynwb.NWBFile`.
    """
    pynwb = import_package("pynwb", "writing NWB files")
    order, begins, clock = _in_time(recording)
    session = pynwb.NWBFile(
        session_description=_description(recording, clock, started is not None, trains is not None),
        identifier=str(uuid.uuid4()),
        session_start_time=started or datetime.now(UTC),
        experiment_description=recording.origin or None,
        subject=pynwb.file.Subject(
            subject_id="unknown", sex="U", age="P0D/", description="Not known: a recording does not say."
        ),
        source_script="spikeloop.write_recording",
        source_script_file_name="exporters/formats/nwb/writer.py",
    )
    if recording.signal == "spikes":
        _add_units(session, recording, order, begins, clock, trains)
    if with_trials and (recording.repeats > 1 or recording.starts_s is not None):
        for trial, begin in zip(order, begins, strict=True):
            stop = begin + recording.bins_of_repeats[trial] * recording.bin_size_s
            session.add_trial(start_time=float(begin), stop_time=float(stop))
    _add_values(session, recording, order, begins)
    channels = _add_conditions(session, recording, order, begins)
    details = _details(recording, order, channels) | {"own_times": _own_times_kept(recording, clock)}
    if recording.provenance is not None:
        session.add_lab_meta_data(lab_metadata(recording.provenance, card))
    session.add_scratch(json.dumps(details), name=DETAILS.rpartition("/")[2], description="What spikeloop reads back.")
    if add is not None:
        add(session)
    return session


def _description(recording: Recording, clock: str, started: bool, timed: bool) -> str:
    kind = f"Recording {recording.name}: {recording.units} units in bins of {recording.bin_size_s:g} s"
    start = "when the clock of the recorder was 0" if started else "that of writing the file"
    parts = [kind, f"the session start time is {start}", clock]
    if recording.signal == "spikes" and not timed and not _own_times_kept(recording, clock):
        parts.append(PLACED)
    return "; ".join(part for part in parts if part)


def _in_time(recording: Recording) -> tuple[NDArray[np.int64], Floats, str]:
    """Return the trials in the order of their beginnings, when each begins, and a note on the clock."""
    order, begins, known = in_time(recording.starts_s, recording.bins_of_repeats, recording.bin_size_s)
    return order, begins, "" if known or recording.repeats == 1 else ONE_AFTER_ANOTHER


def _add_units(
    session: Any,
    recording: Recording,
    order: NDArray[np.int64],
    begins: Floats,
    clock: str,
    trains: Sequence[Floats] | None,
) -> None:
    size, lengths = recording.bin_size_s, recording.bins_of_repeats
    observed = np.stack([begins, begins + lengths[order] * size], axis=1)
    session.add_unit_column("unit_name", "What the recording calls the unit.")
    if _own_times_kept(recording, clock):
        assert recording.spike_times is not None
        stretches = [(trial, 0, length) for trial, length in _lengths(recording, order)]
        trains = spikes_by_unit(of_stretches(recording.spike_times, recording.counts, stretches), recording.units)
        session.units.resolution = OWN_RESOLUTION_S
    elif trains is not None:
        session.units.resolution = OWN_RESOLUTION_S
    else:
        trains = _placed(recording, order, begins)
        session.units.resolution = size
    for name, train in zip(recording.unit_names, trains, strict=True):
        session.add_unit(spike_times=train, obs_intervals=observed, unit_name=name)


def _own_times_kept(recording: Recording, clock: str) -> bool:
    """Say whether the file's spike times are the spikes' own, which needs the recording's own clock."""
    return recording.spike_times is not None and recording.starts_s is not None and not clock


def _placed(recording: Recording, order: NDArray[np.int64], begins: Floats) -> list[Floats]:
    """Return times from which the same counts follow."""
    parts = [
        [begin + times for times in spike_times_in_bins(recording.counts[trial, :length], recording.bin_size_s)]
        for begin, (trial, length) in zip(begins, _lengths(recording, order), strict=True)
    ]
    return [np.concatenate(train) for train in zip(*parts, strict=True)]


def _rows(values: NDArray[Any], recording: Recording, order: NDArray[np.int64]) -> NDArray[Any]:
    """Join the recorded bins of all trials, in the order of time."""
    return np.concatenate([values[trial, :length] for trial, length in _lengths(recording, order)])


def _lengths(recording: Recording, order: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(int(trial), int(recording.bins_of_repeats[trial])) for trial in order]


def _timing(recording: Recording, order: NDArray[np.int64], begins: Floats, share: float) -> dict[str, Any]:
    """Say when samples were taken, at that share of their bins: by a rate, or one by one where trials interrupt it."""
    size = recording.bin_size_s
    if recording.repeats == 1:
        return {"starting_time": float(begins[0] + share * size), "rate": 1 / size}
    stamps = [
        begin + (np.arange(n) + share) * size for begin, (_, n) in zip(begins, _lengths(recording, order), strict=True)
    ]
    return {"timestamps": np.concatenate(stamps)}


def _add_values(session: Any, recording: Recording, order: NDArray[np.int64], begins: Floats) -> None:
    pynwb = import_package("pynwb", "writing NWB files")
    spikes = recording.signal == "spikes"
    module = session.create_processing_module(
        *(("ecephys", "Spikes in bins.") if spikes else ("ophys", "Fluorescence."))
    )
    series = pynwb.TimeSeries(
        name=COUNTS.rpartition("/")[2] if spikes else "fluorescence",
        description=f"{'Spikes' if spikes else 'Fluorescence'} of each unit in each bin; a time is a bin's beginning.",
        comments=f"Bins of {recording.bin_size_s!r} s; columns are {', '.join(recording.unit_names[:100])}.",
        data=_rows(recording.counts, recording, order),
        unit="spikes" if spikes else "a.u.",
        **_timing(recording, order, begins, 0.0),
    )
    module.add(series)


def _add_conditions(
    session: Any, recording: Recording, order: NDArray[np.int64], begins: Floats
) -> list[dict[str, Any]]:
    """Add one time series for each condition; return what the file must say to give them back."""
    pynwb = import_package("pynwb", "writing NWB files")
    if not recording.channels:
        return []
    module = session.create_processing_module("behavior", "What drove the population, in the recording's bins.")
    rows, described = _rows(recording.conditions, recording, order), []
    for number, channel in enumerate(recording.channels):
        name = re.sub(r"[/:\\]", "_", channel.name)
        name = f"{name} {number}" if name.startswith(".") or name in [entry["series"] for entry in described] else name
        series = pynwb.TimeSeries(
            name=name,
            description=f"{channel.name}; a time is the middle of a bin.",
            data=np.ascontiguousarray(rows[:, number]),
            unit=channel.unit or NO_UNIT,
            **_timing(recording, order, begins, 0.5),
        )
        module.add(series)
        described.append(asdict(channel) | {"series": name})
    return described


def _details(recording: Recording, order: NDArray[np.int64], channels: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "bin_size_s": float(recording.bin_size_s),
        "name": recording.name,
        "origin": recording.origin,
        "signal": recording.signal,
        "unit_names": list(recording.unit_names),
        "lengths": recording.bins_of_repeats.tolist(),
        "starts_s": None if recording.starts_s is None else list(map(float, recording.starts_s)),
        "order": order.tolist(),
        "channels": channels,
        "history": list(recording.history),
    }
