"""A closed loop in an NWB file: its trials as intervals, and the cursor with what was shown beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.nwb.writer import NO_UNIT
from spikeloop.models.packages import import_package

__all__ = ["Shown", "TrialRow", "add_cursor", "add_trials", "has_cursor"]

COLUMNS = {  # of the table of trials, beside start and stop
    "block": "calibration, before recalibration or closed loop",
    "number": "Number of the trial in the session.",
    "outcome": "success, timeout, wrong, or lost, where the session ended before it",
    "target_x_cm": "Place of the target, cm from the centre.",
    "target_y_cm": "Place of the target, cm from the centre.",
    "target_width_cm": "Diameter, or side, of the target, cm.",
    "touched_s": "When the cursor first entered the target, s; NaN where it never did.",
    "acquired_s": "When the cursor entered the target to stay, s; NaN where it never did.",
}
FRAME = "Centre of the workspace; x to the right, y upwards."


@dataclass(frozen=True)
class TrialRow:
    """A trial, from when its target appeared to how it ended; times by the clock of the file, NaN where none."""

    start_s: float
    stop_s: float
    block: str
    number: int
    outcome: str
    target_x_cm: float
    target_y_cm: float
    target_width_cm: float
    touched_s: float
    acquired_s: float


@dataclass(frozen=True, eq=False)
class Shown:
    """A series of what the screen showed, or the user meant; a time is the end of a bin.

    Attributes
    ----------
    name : str
    values : array of shape (bins,) or (bins, 2)
        Two are x and y.
    unit : str
        Of x and y in "cm", places, which are kept in metres.
    description : str
    """

    name: str
    values: NDArray[Any]
    unit: str
    description: str


def add_trials(session: Any, trials: Iterable[TrialRow]) -> None:
    """Add a table of trials, by when they began; none where there are none."""
    rows = sorted(trials, key=lambda trial: trial.start_s)
    for name, what in COLUMNS.items() if rows else ():
        session.add_trial_column(name, what)
    for row in map(asdict, rows):
        session.add_trial(start_time=row.pop("start_s"), stop_time=row.pop("stop_s"), **row)


def has_cursor(session: Any) -> bool:
    """Say whether the file has a cursor already; it holds one."""
    return "behavior" in session.processing and "Position" in session.processing["behavior"].data_interfaces


def add_cursor(session: Any, shown: Iterable[Shown], timing: Mapping[str, Any]) -> None:
    """Add places to `Position`, and all else as series of their own, in the module `behavior`.

    Parameters
    ----------
    session : pynwb.NWBFile
    shown : iterable of Shown
    timing : mapping
        "starting_time", s, and "rate", Hz; or "timestamps", s.
    """
    pynwb, behavior = (import_package(name, "writing NWB files") for name in ("pynwb", "pynwb.behavior"))
    module = session.processing.get("behavior") or session.create_processing_module("behavior", "The cursor's task.")
    position = behavior.Position(name="Position")
    for series in shown:
        taken = series.name in module.data_interfaces  # by a condition
        facts = {
            "name": f"{series.name} of the task" if taken else series.name,
            "description": f"{series.description}; a time is the end of a bin.",
            "data": np.ascontiguousarray(series.values),
            **timing,
        }
        if series.unit == "cm" and series.values.ndim == 2:
            place = behavior.SpatialSeries(**facts, reference_frame=FRAME, unit="meters", conversion=0.01)
            position.add_spatial_series(place)
        else:
            module.add(pynwb.TimeSeries(**facts, unit=series.unit or NO_UNIT))
    if position.spatial_series:
        module.add(position)
