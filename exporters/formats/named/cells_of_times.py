"""Cells of spike times, as MATLAB users keep them: a vector a unit, units by trials, or cells and structs in cells."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.found import SpikeTrains
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["TIME_FIELDS", "Leaf", "leaves_of", "look_like_trains", "trains_of_cells"]

TIME_FIELDS = ("spike_times", "spiketimes", "spike_time", "times", "time", "timestamps", "ts", "t", "st", "spikes")
SPAN_FIELDS = ("timerange", "time_range")
LABEL_FIELDS = ("name", "label", "unit_name", "unitname", "id")
LARGELY = 0.95  # of the steps from one time to the next, which don't fall


@dataclass(frozen=True, eq=False)
class Leaf:
    """What lies in a cell of cells where nothing is nested any more.

    Attributes
    ----------
    path : str
        Of its cell, as MATLAB writes it: "{1}{5}".
    times : array of shape (spikes,), float64
    is_struct : bool
        Whether the times are a field of a struct, and so surely of a unit.
    span_s : tuple of float, or None
        From when to when the unit was recorded.
    label : str or None
        The name that the struct gives.
    """

    path: str
    times: Floats
    is_struct: bool = False
    span_s: tuple[float, float] | None = None
    label: str | None = None

    @property
    def depth(self) -> int:
        """How many cells it lies in."""
        return self.path.count("{")


def leaves_of(cell: NDArray[Any]) -> list[Leaf] | None:
    """List the vectors of numbers in nested cells, column by column; None where there is anything else."""
    try:
        return list(_leaves(cell, ""))
    except _NoTimesError:
        return None


class _NoTimesError(Exception):
    pass


def _leaves(value: Any, path: str) -> Iterator[Leaf]:
    if isinstance(value, Mapping):
        yield _of_struct({key.lower(): inner for key, inner in value.items()}, path)
    elif not isinstance(value, np.ndarray):
        raise _NoTimesError
    elif value.dtype == object:
        for number, part in enumerate(value.ravel(order="F")):
            yield from _leaves(part, f"{path}{_place(number, value.shape)}")
    else:
        yield Leaf(path, _vector(value))


def _place(number: int, shape: tuple[int, ...]) -> str:
    """Return the place in a cell as MATLAB writes it, counted from 1."""
    if sum(length > 1 for length in shape) <= 1:
        return f"{{{number + 1}}}"
    return f"{{{','.join(str(int(index) + 1) for index in np.unravel_index(number, shape, order='F'))}}}"


def _vector(value: Any) -> Floats:
    if isinstance(value, np.ndarray) and value.size == 0 and value.dtype.kind in "biuf":
        return np.empty(0)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf" or max(value.shape, default=1) != value.size:
        raise _NoTimesError
    times = np.ravel(value).astype(np.float64)
    return times[~np.isnan(times)]


def _of_struct(struct: Mapping[str, Any], path: str) -> Leaf:
    times = next((struct[field] for field in TIME_FIELDS if field in struct), None)
    span = next((np.ravel(struct[field]) for field in SPAN_FIELDS if field in struct), np.empty(0))
    label = next((np.ravel(struct[field]) for field in LABEL_FIELDS if field in struct), np.empty(0))
    sound = span.size == 2 and span.dtype.kind in "iuf" and np.isfinite(span).all() and span[0] < span[1]
    return Leaf(
        path,
        _vector(times),
        True,
        (float(span[0]), float(span[1])) if sound else None,
        str(label[0]) if label.size == 1 and label.dtype.kind == "U" and label[0] else None,
    )


def look_like_trains(leaves: list[Leaf] | None, named_so: bool = False) -> bool:
    """Say whether vectors are spike times: of structs, or hardly ever falling; counts fall as often as they rise.

    Parameters
    ----------
    leaves : list of Leaf, or None
    named_so : bool
        Whether a key says that these are times; then they may be in any order, unless they are counts.
    """
    filled = [leaf.times for leaf in leaves or () if len(leaf.times)]
    if not leaves or not filled:
        return False
    if any(leaf.is_struct for leaf in leaves):
        return True
    steps = np.concatenate([np.diff(times) for times in filled])
    rises = float((steps >= 0).mean()) if steps.size else 1.0
    whole = all(not np.any(times % 1) for times in filled)
    counts = whole and steps.size > 0 and float((steps > 0).mean()) < 0.5
    return not counts and (rises >= LARGELY or (named_so and not whole))


def trains_of_cells(
    key: str, cell: NDArray[Any], leaves: list[Leaf], axes: tuple[str, ...] | None, names: int | None
) -> tuple[SpikeTrains, tuple[str, ...] | None, list[str]]:
    """Make spike trains of nested cells.

    Parameters
    ----------
    key : str
        Of the cells, for names and messages.
    cell : array of objects
    leaves : list of Leaf
        What `leaves_of` gives of it.
    axes : tuple of str, or None
        ("units", "trials") or ("trials", "units") of a cell with two axes, or of cells in a cell.
    names : int or None
        How many names of units there are, by which the axes are distinguished.

    Returns
    -------
    spikes : SpikeTrains
        In the unit of time of the file.
    unit_names : tuple of str, or None
        From structs, or from where the unit lies; None of a single row of vectors.
    history : list of str
    """
    deepest = max(leaf.depth for leaf in leaves)
    table = _table(cell, leaves, deepest, axes, names)
    if table is not None:
        trains = [np.concatenate([leaf.times for leaf in row]) for row in table]
        trial = [np.repeat(np.arange(len(row)), [len(leaf.times) for leaf in row]) for row in table]
        spikes = SpikeTrains(trains, trial, trials=len(table[0]))
        return spikes, None, [f"took {key} for {len(table)} units by {len(table[0])} trials"]
    structs = any(leaf.is_struct for leaf in leaves)
    used = [leaf for leaf in leaves if leaf.is_struct or (not structs and (len(leaf.times) or leaf.depth == deepest))]
    spans = [leaf.span_s for leaf in used if leaf.span_s is not None]
    start, stop = (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else (None, None)
    left_out = len(leaves) - len(used)
    history = [f"left out {left_out} empty cells of {key}, in which there is no unit"] if left_out else []
    named = any(leaf.label for leaf in used) or deepest > 1 or left_out
    unit_names = tuple(leaf.label or f"{key}{leaf.path}" for leaf in used) if named else None
    if unit_names is not None and len(set(unit_names)) < len(unit_names):
        unit_names = tuple(f"{key}{leaf.path}" for leaf in used)
    return SpikeTrains([leaf.times for leaf in used], None, start, stop), unit_names, history


def _table(
    cell: NDArray[Any], leaves: list[Leaf], deepest: int, axes: tuple[str, ...] | None, names: int | None
) -> list[list[Leaf]] | None:
    """Arrange the cells of units by trials, a row a unit; None where there are no trials."""
    asked = axes in (("units", "trials"), ("trials", "units"))
    sizes = tuple(length for length in cell.shape if length > 1)
    if len(sizes) == 2 and deepest == 1:
        shape = sizes
        rows = [leaves[first :: shape[0]] for first in range(shape[0])]
    elif asked:
        rows = _rows(leaves)
        shape = (len(rows), len(rows[0]))
    else:
        return None
    first_is_trials = axes == ("trials", "units") or (not asked and names is not None and names == shape[1] != shape[0])
    return [list(column) for column in zip(*rows, strict=True)] if first_is_trials else rows


def _rows(leaves: list[Leaf]) -> list[list[Leaf]]:
    """Group the innermost cells by the cell that they lie in."""
    rows: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        rows.setdefault(leaf.path.rpartition("{")[0], []).append(leaf)
    if len({len(row) for row in rows.values()}) != 1 or len(rows) < 2:
        raise BadInputError(
            f"--axes: expected cells of units in cells of trials, or the other way round, as many in each, found"
            f" {', '.join(str(len(row)) for row in rows.values()):.60}"
        )
    return list(rows.values())
