"""What may be chosen when a recording is read: which array, units, trials, conditions and stretch of time."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.checks import LONGEST_BIN_S, SHORTEST_BIN_S
from spikeloop.models.recordings.spike_times import LATEST_S
from spikeloop.models.scalars import checked_number, checked_text, checked_whole, shown

__all__ = ["MOST_BINS", "Choices", "chosen_numbers", "is_range", "split_unit"]

MOST_BINS = 2**31 - 1
LABELS = ("good", "mua", "noise", "unsorted")
AXES = ("trials", "bins", "units")
TIME_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # how many make a second


@dataclass(frozen=True)
class Choices:
    """What may be chosen when a recording is read; each default lets the file decide.

    Attributes
    ----------
    bin_size_s : float from 1e-5 to 10, s, or None
        Needed for spike times, and for counts whose file does not state it.
    repeat_bins : int >= 1 or None
        Cuts a continuous recording into repeats of so many bins.
    key : str or None
        Where the spikes are inside the file: the name of an array, of a column, of a stream, or a path such as
        "processing/ecephys/binned".
    unit_key, trial_key : str or None
        Where the unit, and the trial, of each spike are, where `key` names spike times.
    time_unit : str
        Of spike times: "s", "ms", "us", "ns", or a sampling rate such as "30000 Hz" for numbers of samples; "" lets
        the file decide.
    axes : tuple of str, or None
        What the axes of the array of counts are, such as ("units", "bins") or ("units", "bins", "trials"); of cells
        of spike times, ("units", "trials") or ("trials", "units").
    units : str or None
        Which units: a label ("good", "mua"), names, or numbers such as "0-31,40".
    trials : str or None
        Which trials, such as "all" or "0-99,120"; cuts a continuous recording into trials where the file has them.
    conditions : mapping of str to str
        What drove the population: a name, and where it is inside the file.
    rename : mapping of str to str
        New names of conditions, which may end in a unit: {"vx": "velocity x [cm/s]"}.
    start_s, stop_s : float, s, or None
        The stretch of time to read.
    max_gap_s : float >= 0, s
        Longest gap in the conditions that is interpolated; the bins of longer gaps are left out.
    """

    bin_size_s: float | None = None
    repeat_bins: int | None = None
    key: str | None = None
    unit_key: str | None = None
    trial_key: str | None = None
    time_unit: str = ""
    axes: tuple[str, ...] | None = None
    units: str | None = None
    trials: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    start_s: float | None = None
    stop_s: float | None = None
    max_gap_s: float = 0.1

    @classmethod
    def checked(
        cls,
        bin_size_s: float | None = None,
        repeat_bins: int | None = None,
        *,
        transpose: bool = False,
        axes: str | Sequence[str] | None = None,
        units: str | Iterable[int | str] | None = None,
        trials: str | Iterable[int] | None = None,
        conditions: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
        start_s: float | None = None,
        stop_s: float | None = None,
        max_gap_s: float = 0.1,
        **texts: str | None,
    ) -> "Choices":
        """Check choices as users write them; BadInputError for the first that can't be meant."""
        if bin_size_s is not None:
            bin_size_s = checked_number("--bin-size-ms (bin_size_s)", bin_size_s, SHORTEST_BIN_S, LONGEST_BIN_S, "s")
        if repeat_bins is not None:
            repeat_bins = checked_whole("--repeat-bins", repeat_bins, 1, MOST_BINS)
        for option, value in texts.items():
            if value is not None:
                checked_text(f"--{option.replace('_', '-')}", value)
        time_unit = texts.pop("time_unit", None) or ""
        if time_unit:
            per_second(time_unit)
        for option, at in (("--start", start_s), ("--stop", stop_s)):
            if at is not None:
                checked_number(option, at, -LATEST_S, LATEST_S, "s")
        if start_s is not None and stop_s is not None and start_s >= stop_s:
            raise BadInputError(f"--stop: expected a time after --start {start_s:g} s, found {stop_s:g} s")
        return cls(
            bin_size_s=bin_size_s,
            repeat_bins=repeat_bins,
            time_unit=time_unit,
            axes=_checked_axes(axes, transpose),
            units=_as_text("--units", units),
            trials=_as_text("--trials", trials),
            conditions=_checked_mapping("--condition", conditions),
            rename=_checked_mapping("--rename", rename),
            start_s=start_s,
            stop_s=stop_s,
            max_gap_s=checked_number("--max-gap-ms (max_gap_s)", max_gap_s, 0, 3600, "s"),
            **texts,
        )


def per_second(time_unit: str) -> float:
    """Return how many of a unit of time there are in a second; BadInputError for what is no such unit."""
    rate = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?) ?Hz", time_unit, re.IGNORECASE | re.ASCII)
    if rate is None and time_unit not in TIME_UNITS:
        raise BadInputError(
            f"--time-unit: expected {', '.join(TIME_UNITS)}, or the sampling rate of numbers of samples such as"
            f" '30000 Hz', found {time_unit!r:.60}"
        )
    return TIME_UNITS[time_unit] if rate is None else checked_number("--time-unit", float(rate[1]), 1e-3, 1e12, "Hz")


def is_range(text: str) -> bool:
    """Say whether a text is of numbers and ranges, such as "0-31,40"."""
    return re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text.replace(" ", ""), re.ASCII) is not None


def chosen_numbers(option: str, text: str, available: int, what: str) -> NDArray[np.int64]:
    """Return the numbers that a text such as "0-31,40" or "all" asks for, in its order.

    Raises
    ------
    BadInputError
        If the text is something else, or asks for numbers that there are not.
    """
    if text.strip() == "all":
        return np.arange(available)
    if not is_range(text):
        raise BadInputError(f"{option}: expected all, or numbers such as 0-31,40, found {text!r:.60}")
    numbers: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if not int(first) <= int(last or first) < available:
            raise BadInputError(f"{option}: expected numbers from 0 to {available - 1} ({what}), found {part:.60}")
        numbers += range(int(first), int(last or first) + 1)
    return np.array(numbers)


def split_unit(text: str) -> tuple[str, str | None]:
    """Split a name that ends in a unit, "velocity x [cm/s]", into both; the unit is None where there is none."""
    match = re.fullmatch(r"(.*\S)\s*\[([^\[\]]*)\]", text)
    return (text, None) if match is None else (match[1], match[2])


def _checked_axes(axes: str | Sequence[str] | None, transpose: bool) -> tuple[str, ...] | None:
    if transpose:
        if axes is not None:
            raise BadInputError("--transpose: expected no --axes beside it, which already says the order")
        return ("units", "bins", "trials")
    if axes is None:
        return None
    found = tuple(re.split(r"[,\s]+", axes.strip())) if isinstance(axes, str) else tuple(axes)
    if sorted(found) not in (sorted(AXES), sorted(AXES[1:]), sorted(AXES[::2])):
        raise BadInputError(
            f"--axes: expected bins and units, and trials if there are any, in the array's order, such as"
            f" units,bins,trials; or of cells of spike times trials,units or units,trials; found {shown(axes)}"
        )
    return found


def _as_text(option: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return ",".join(str(part) for part in value)
    except TypeError as error:
        raise BadInputError(f"{option}: expected numbers such as 0-31,40, found {shown(value)}") from error


def _checked_mapping(option: str, value: Any) -> dict[str, str]:
    pairs = {} if value is None else value
    is_mapping = isinstance(pairs, Mapping)
    if not is_mapping or not all(isinstance(text, str) and text for pair in pairs.items() for text in pair):
        raise BadInputError(f"{option}: expected names, each with what it stands for, found {shown(value)}")
    return dict(pairs)
