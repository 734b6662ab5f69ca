"""Sessions of closed loops read back from the files that `closedloop --save` and the page write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read import read_arrays, read_chosen
from spikeloop.exporters.formats.storage.hdf5_guard import require_sound
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import import_package
from spikeloop.streamer.closedloop.experiment.record import BLOCKS
from spikeloop.streamer.closedloop.results.saved import SUFFIXES

__all__ = ["SavedSession", "SavedTrial", "read_sessions"]

PLACES = "processing/behavior/Position"
SERIES = ("cursor", "target")
COLUMNS = ("start_time", "stop_time", "outcome", "target_x_cm", "target_y_cm", "target_width_cm")


@dataclass(frozen=True)
class SavedTrial:
    """A trial, by the bins of its session: from the one in which its target appeared to the one in which it ended."""

    first_bin: int
    last_bin: int
    outcome: str
    target: tuple[float, float, float]  # x, y and width, cm


@dataclass(frozen=True, eq=False)
class SavedSession:
    """A session, bin by bin, its blocks one after the other.

    Attributes
    ----------
    name : str
    decoder : str
        Empty where the file does not say.
    unit_names : tuple of str
    bin_size_s : float > 0, s
    counts : array of shape (bins, units)
    intended_velocity, position, target : arrays of shape (bins, 2), cm/s and cm
        NaN where not known, or no target was shown.
    trials : tuple of SavedTrial
    """

    name: str
    decoder: str
    unit_names: tuple[str, ...]
    bin_size_s: float
    counts: NDArray[Any]
    intended_velocity: Floats
    position: Floats
    target: Floats
    trials: tuple[SavedTrial, ...]


def read_sessions(path: Path) -> tuple[SavedSession, ...]:
    """Read the sessions that a file holds; none where it is another file.

    Raises
    ------
    BadInputError
        If it is damaged.
    FailureError
        If it is an NWB file and h5py is not installed.
    """
    if path.suffix not in SUFFIXES:
        return ()
    try:
        return _in_npz(path) if path.suffix == ".npz" else _in_nwb(path)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise BadInputError(f"{path}: expected a session of a closed loop, found parts of one; is it whole?") from error


def _in_npz(path: Path) -> tuple[SavedSession, ...]:
    arrays = read_arrays(path)
    if "decoders" not in arrays or "seeds" not in arrays:
        return ()
    names = list(dict.fromkeys(key.partition("/")[0] for key in arrays if key.endswith("/intended_velocity")))
    return tuple(_session(name, arrays) for name in names)


def _session(name: str, arrays: Mapping[str, NDArray[Any]]) -> SavedSession:
    blocks = [block for block in BLOCKS if f"{name}/{block}/counts" in arrays]

    def joined(field: str) -> NDArray[Any]:
        return np.concatenate([arrays[f"{name}/{block}/{field}"] for block in blocks])

    counts = joined("counts")
    units = arrays.get(f"{name}/population/unit_names")
    if units is None or len(units) != counts.shape[1]:
        units = np.array([f"unit {unit}" for unit in range(counts.shape[1])])
    trials, first = [], 0
    for block in blocks:
        trials += _trials(arrays, f"{name}/{block}", first)
        first += len(arrays[f"{name}/{block}/counts"])
    return SavedSession(
        name=name,
        decoder=str(arrays["decoders"][int(name.partition("-")[0])]),
        unit_names=tuple(map(str, units)),
        bin_size_s=float(arrays["bin_size_s"]),
        counts=counts,
        intended_velocity=joined("intended_velocity"),
        position=joined("position"),
        target=joined("target"),
        trials=_with_widths(trials, arrays, name),
    )


def _trials(arrays: Mapping[str, NDArray[Any]], block: str, first: int) -> list[SavedTrial]:
    """Return the trials of a block, whose first bin has this number, by the bins in which their targets were shown."""
    numbers, target = arrays[f"{block}/trial"], arrays[f"{block}/target"]
    outcomes, found = arrays[f"{block}/outcome"], []
    for number, outcome in zip(np.unique(numbers[numbers >= 0]), outcomes, strict=False):
        shown = np.flatnonzero((numbers == number) & np.isfinite(target).all(axis=1))
        if len(shown):
            x, y = target[shown[0]].tolist()
            found.append(SavedTrial(first + int(shown[0]), first + int(shown[-1]), str(outcome), (x, y, np.nan)))
    return found


def _with_widths(trials: list[SavedTrial], arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[SavedTrial, ...]:
    """Give targets the widths that the table of trials has for their places."""
    nothing = np.empty(0)
    x, y, width = (arrays.get(f"{name}/trials/target_{column}_cm", nothing) for column in ("x", "y", "width"))
    widths = dict(zip(zip(x.tolist(), y.tolist(), strict=True), width.tolist(), strict=True))
    return tuple(
        SavedTrial(
            one.first_bin, one.last_bin, one.outcome, (*one.target[:2], float(widths.get(one.target[:2], np.nan)))
        )
        for one in trials
    )


def _in_nwb(path: Path) -> tuple[SavedSession, ...]:
    h5py = import_package("h5py", "reading NWB files")
    require_sound(path)
    try:
        with h5py.File(path) as file:
            if PLACES not in file or any(name not in file[PLACES] for name in SERIES):
                return ()
            behavior = file["processing/behavior"]
            cursor, target = (np.asarray(file[PLACES][name]["data"], float) for name in SERIES)
            intended = np.asarray(behavior["intended_velocity"]["data"], float)
            ends_s = _times(file[PLACES]["cursor"], len(cursor))
            table = file.get("intervals/trials")
            columns = {} if table is None else {name: np.asarray(table[name]) for name in COLUMNS}
    except OSError as error:
        raise BadInputError(f"{path}: expected an NWB file, found another, or a damaged one") from error
    recording = read_chosen(path, Choices())
    size = recording.bin_size_s
    starts = (0.0,) if recording.starts_s is None else recording.starts_s
    counts = np.zeros((len(ends_s), recording.units), recording.counts.dtype)
    for part, bins, start_s in zip(recording.counts, recording.bins_of_repeats, starts, strict=True):
        rows = np.rint((ends_s - start_s) / size).astype(int) - 1
        inside = (rows >= 0) & (rows < bins)
        counts[inside] = part[rows[inside]]
    trials = tuple(_row(columns, row, ends_s) for row in range(len(columns.get("outcome", ()))))
    return (SavedSession(path.stem, "", recording.unit_names, size, counts, intended, cursor, target, trials),)


def _row(columns: Mapping[str, NDArray[Any]], row: int, ends_s: Floats) -> SavedTrial:
    first, last = (int(np.argmin(np.abs(ends_s - float(columns[name][row])))) for name in COLUMNS[:2])
    outcome = columns["outcome"][row]
    x, y, width = (float(columns[name][row]) for name in COLUMNS[3:])
    return SavedTrial(first, last, outcome.decode() if isinstance(outcome, bytes) else str(outcome), (x, y, width))


def _times(series: Any, bins: int) -> Floats:
    """Return when each bin of a series ended, s."""
    if "timestamps" in series:
        return np.asarray(series["timestamps"], float)
    start = series["starting_time"]
    return float(start[()]) + np.arange(bins) / float(start.attrs["rate"])
