"""The times of the rows of a table in seconds: by the name of their column, or by their steps."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices, per_second
from spikeloop.exporters.formats.named.spike_times import scale_of_key
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["INDEXES", "key_with_unit", "seconds_of"]

INDEXES = ("frame", "frames", "frame_number", "index", "sample", "samples", "row", "rows", "bin", "bins", "time_bin")
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "\u00b5s", "\u03bcs", "usec", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), "ns"),
}
MOST = 0.9  # of the steps, which are alike where rows are spaced regularly
MULTIPLE = 1e-6  # relative difference of a multiple


def key_with_unit(name: str) -> str:
    """Write the unit of a column of times behind a dash, where it is in brackets: "time (ms)" is "time_ms"."""
    stated = re.fullmatch(r"(.*?)\s*[\[(]\s*([^\[\]()]*?)\s*[\])]\s*", name)
    unit = None if stated is None else UNITS.get(stated[2].lower())
    return name if stated is None or unit is None else f"{stated[1]}_{unit}"


def seconds_of(times: NDArray[Any], name: str, choices: Choices, path: Path) -> tuple[Floats, list[str]]:
    """Bring the times of rows into seconds; also say what was taken for what.

    Whole numbers without a unit are milliseconds, where the bin size that was chosen is a multiple of their step.

    Parameters
    ----------
    times : array of shape (rows,)
    name : str
        Of their column.
    choices : Choices
        `time_unit`, `bin_size_s`.
    path : Path
        For messages.

    Raises
    ------
    BadInputError
        If whole numbers could be anything.
    """
    if choices.time_unit:
        return times / per_second(choices.time_unit), []
    scale = scale_of_key(key_with_unit(name))
    if scale is not None:
        return times / scale, []
    if np.any(times[np.isfinite(times)] % 1):
        return times.astype(np.float64), []
    step = _usual_step(times)
    if choices.bin_size_s is not None and name.lower() in INDEXES and step == 1:
        return times * choices.bin_size_s, [f"took each number of column {name} for a bin"]
    if choices.bin_size_s is not None and step and name.lower() not in INDEXES:
        fits = [unit for unit, factor in (("ms", 1e3), ("s", 1.0)) if _is_multiple(choices.bin_size_s * factor, step)]
        if fits == ["ms"]:
            return times / 1e3, [f"took the whole numbers of column {name} for ms, {step:g} ms from row to row"]
    steps = f" in steps of {step:g}" if step else ""
    remedy = ", or give --bin-size-ms" if choices.bin_size_s is None else ""
    raise BadInputError(
        f"{path}: expected times in seconds in column {name}, found whole numbers{steps}; say what they are with"
        f" --time-unit ms (or s, or the sampling rate such as '1000 Hz'){remedy}"
    )


def _usual_step(times: NDArray[Any]) -> float:
    """Return the step of times that rise regularly, but for gaps and where trials begin; 0 of others."""
    steps = np.diff(times[np.isfinite(times)].astype(np.float64))
    rises = steps[steps > 0]
    usual = float(np.median(rises)) if len(rises) * 2 > len(steps) else 0.0
    return usual if usual and float((rises == usual).mean()) >= MOST else 0.0


def _is_multiple(size: float, step: float) -> bool:
    number = round(size / step)
    return number >= 1 and abs(number * step - size) <= MULTIPLE * size
