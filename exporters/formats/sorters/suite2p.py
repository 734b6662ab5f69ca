"""Folders of suite2p: deconvolved or raw fluorescence of the cells of one or several planes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned, Found, Item
from spikeloop.exporters.formats.matlab.reader import read_variable
from spikeloop.exporters.formats.sorters.folder_arrays import folder_of, open_array, refuse_conditions, without_labelled
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import require_memory

__all__ = ["find", "is_suite2p_folder", "items"]

DECONVOLVED, RAW, NEUROPIL = "spks", "F", "Fneu"
KEYS = (DECONVOLVED, RAW, NEUROPIL)
FILES = ("f.npy", "fneu.npy", "spks.npy", "iscell.npy", "ops.npy", "stat.npy")
CELL, NO_CELL = "cell", "not cell"


def is_suite2p_folder(path: Path) -> bool:
    """Say whether a path is a suite2p folder, one of its planes, or a file of one."""
    return bool(_planes(path))


def items(path: Path) -> tuple[Item, ...]:
    """List the arrays of each plane."""
    found = []
    for plane in _planes(path):
        for key in KEYS:
            if (plane / f"{key}.npy").is_file():
                values = open_array(plane / f"{key}.npy")
                found.append(Item(f"{plane.name}/{key}", "fluorescence", values.shape, str(values.dtype)))
    return tuple(found)


def find(path: Path, choices: Choices) -> Found:
    """Read the deconvolved traces `spks`, or `F` or `Fneu` by `--key`, of what is a cell; `--units all` keeps all.

    Raises
    ------
    BadInputError
        If arrays can't be read or don't fit together, or the frame rate is not known.
    """
    refuse_conditions(choices.conditions, path)
    planes = _planes(path)
    key = choices.key or DECONVOLVED
    if key not in KEYS:
        raise BadInputError(f"--key: expected {', '.join(KEYS)} of a suite2p folder, found {key!r:.60}")
    traces, names, labels = [], [], []
    for plane in planes:
        values = open_array(plane / f"{key}.npy", 2)
        traces.append(values)
        cells = _are_cells(plane, len(values))
        labels += [CELL if is_cell else NO_CELL for is_cell in cells]
        names += [f"{plane.name} roi {roi}" if len(planes) > 1 else f"roi {roi}" for roi in range(len(values))]
    frames = min(values.shape[1] for values in traces)
    history = [] if len({values.shape[1] for values in traces}) == 1 else [f"cut all planes to {frames} frames"]
    kept, done = without_labelled(NO_CELL, labels, names, choices.units)
    joined = _joined(traces, kept, frames)
    raised = _raise_negative(joined)
    history += [done] if done else []
    history += (
        [f"raised {raised} traces of {key} by their lowest value, as fluorescence is 0 or more"] if raised else []
    )
    folder = planes[0] if len(planes) == 1 and path.is_dir() and path == planes[0] else planes[0].parent
    return Found(
        Binned(joined.T, _bin_size_s(planes, choices), signal="fluorescence"),
        tuple(names[number] for number in kept),
        tuple(labels[number] for number in kept),
        name=folder.resolve().name,
        origin=f"{folder.name}/{key}",
        history=tuple(history),
        chosen_by_number=len(planes) == 1,
    )


def _planes(path: Path) -> list[Path]:
    folder = folder_of(path, FILES)
    if folder is None:
        return []
    if _is_plane(folder):
        return [folder]
    for parent in (folder, folder / "suite2p"):
        planes = [plane for plane in parent.glob("plane*") if plane.name[5:].isdecimal() and _is_plane(plane)]
        if planes:
            return sorted(planes, key=lambda plane: int(plane.name[5:15]))
    return []


def _is_plane(folder: Path) -> bool:
    beside = any((folder / name).is_file() for name in ("iscell.npy", "ops.npy", "stat.npy", "Fneu.npy"))
    return beside and any((folder / f"{key}.npy").is_file() for key in KEYS)


def _are_cells(plane: Path, rois: int) -> list[bool]:
    """Read which regions are cells; all are where it is not said."""
    if not (plane / "iscell.npy").is_file():
        return [True] * rois
    values = open_array(plane / "iscell.npy")
    first = values[:, 0] if values.ndim == 2 and values.shape[1] else values
    if first.ndim != 1 or len(first) != rois:
        raise BadInputError(f"{plane / 'iscell.npy'}: expected a row for each of {rois} regions, found {values.shape}")
    return [bool(value) for value in np.asarray(first) > 0.5]


def _joined(traces: list[NDArray[Any]], kept: list[int], frames: int) -> NDArray[np.float32]:
    """Put the chosen traces of all planes into one array, of shape (units, frames)."""
    require_memory("chosen traces", 4 * len(kept) * frames)
    joined = np.empty((len(kept), frames), np.float32)
    begins = np.cumsum([0, *(len(values) for values in traces)])
    with np.errstate(over="ignore"):
        for row, number in zip(joined, kept, strict=True):
            plane = int(np.searchsorted(begins, number, side="right")) - 1
            row[:] = traces[plane][number - begins[plane], :frames]
    return joined


def _raise_negative(traces: NDArray[np.float32]) -> int:
    """Raise each trace that has negative values by its lowest one; say how many."""
    raised = 0
    for trace in traces:
        lowest = np.min(trace, initial=0, where=np.isfinite(trace))
        if lowest < 0:
            trace -= lowest
            raised += 1
    return raised


def _bin_size_s(planes: list[Path], choices: Choices) -> float:
    """Return the time of a frame: as chosen, or of Fall.mat; ops.npy is a pickle, which is never loaded."""
    if choices.bin_size_s is not None:
        return choices.bin_size_s
    for plane in planes:
        rate_hz = _rate_of_matlab(plane / "Fall.mat")
        if rate_hz is not None:
            return 1 / rate_hz
    raise BadInputError(
        f"{planes[0]}: expected the frame rate, which suite2p keeps in ops.npy, a pickle, which is never loaded as it"
        " could run any code; give the time of a frame: --bin-size-ms 33.3 for 30 frames a second"
    )


def _rate_of_matlab(path: Path) -> float | None:
    if not path.is_file():
        return None
    try:
        value = read_variable(path, "ops.fs")
    except BadInputError:
        return None
    rate_hz = float(value.flat[0]) if value is not None and value.size == 1 and value.dtype.kind in "iuf" else 0.0
    return rate_hz if 0.1 <= rate_hz <= 1e5 else None
