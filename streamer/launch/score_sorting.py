"""`spikeloop.score_sorting`: a sorter's spikes judged by the true ones, which a simulation knows."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read_trains import read_trains
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import spikes_by_unit
from spikeloop.models.scalars import checked_finite, checked_number, checked_path
from spikeloop.models.sorting.clock_offset import find_offset
from spikeloop.models.sorting.comparison import compare_trains
from spikeloop.models.sorting.score import SortingScore
from spikeloop.models.sorting.trains import UnitTrains

__all__ = ["score_sorting"]

VOLTAGE = ".raw"  # beside which generate writes the true spikes as .npz
TRUTH_OF_VOLTAGE = Choices(key="times_s", unit_key="units")
LONGEST_TOLERANCE_MS = 100.0
OPTION_OF_A_FILE = re.compile(r"^--(key|units):")  # as a reader of one file names it


def score_sorting(
    truth: str | Path | Recording,
    found: str | Path | Recording,
    *,
    truth_key: str | None = None,
    found_key: str | None = None,
    found_units: str | None = None,
    tolerance_ms: float = 0.4,
    offset_s: float | Literal["auto"] = 0.0,
    start_s: float | None = None,
    stop_s: float | None = None,
) -> SortingScore:
    """Judge found spikes by true ones: agreement, accuracy, precision, recall and latency of each unit.

        score = spikeloop.score_sorting("trace.raw", "kilosort4/", found_units="good")
        print(score)

    Parameters
    ----------
    truth : str, Path or Recording
        FILE.raw of `generate --broadband`, beside which its true spikes are; a file of any format with times of spikes,
        such as an XDF file with NAME-Events of `spikeloop record`; or a recording with `spike_times`.
    found : str, Path or Recording
        The same of a sorter: its folder, or the events that an online sorter sent over LSL, recorded beside
        NAME-Events.
    truth_key, found_key : str, optional
        Which array or stream of the file, where it has several; both may be of one file.
    found_units : str, optional
        Which units of the sorter: a label ("good"), names, or numbers.
    tolerance_ms : float from 0 to 100, ms, default 0.4
        Within which spikes are pairs.
    offset_s : float, s, or "auto"
        What is added to found times, where they are of another clock, or late; `auto` finds what makes most coincide.
    start_s, stop_s : float, s, optional
        The stretch of the truth to compare, by its clock; by default where both have spikes.

    Returns
    -------
    SortingScore

    Raises
    ------
    BadInputError
        If a file or an argument can't be used, has no spikes, or there is nothing to compare.
    FailureError
        If SpikeInterface or another package is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> recording = spikeloop.generate("m1-sim", duration_s=2)  # doctest: +SKIP
    >>> spikeloop.score_sorting(recording, recording).accuracy  # doctest: +SKIP
    1.0
    """
    tolerance_ms = checked_number("--tolerance-ms", tolerance_ms, 0, LONGEST_TOLERANCE_MS, "ms")
    aligned = offset_s == "auto"
    given_s = 0.0 if aligned else checked_finite("--offset", offset_s)
    low_s = -np.inf if start_s is None else checked_finite("--start", start_s)
    high_s = np.inf if stop_s is None else checked_finite("--stop", stop_s)
    if high_s <= low_s:
        raise BadInputError(f"--stop: expected a time after --start ({low_s:g} s), found {high_s:g} s")
    true = _part(_spiking("TRUTH", _trains("TRUTH", truth, Choices.checked(key=truth_key))), low_s, high_s)
    sorted_ = _spiking("FOUND", _trains("FOUND", found, Choices.checked(key=found_key, units=found_units)))
    used_s = find_offset(true.pooled_s, sorted_.pooled_s) if aligned else given_s
    return compare_trains(true, sorted_, tolerance_ms, used_s)


def _trains(what: str, given: str | Path | Recording, choices: Choices) -> UnitTrains:
    if isinstance(given, Recording):
        return _trains_of(what, given)
    path = checked_path(what, given)
    if path.suffix == VOLTAGE:
        beside = path.with_suffix(".npz")
        if not beside.is_file():
            raise BadInputError(
                f"{what}: expected the spikes of {path} in {beside}, where `generate --broadband` writes them, found no"
                " such file; keep the two together, or name a file with times of spikes"
            )
        trains = read_trains(beside, TRUTH_OF_VOLTAGE)
        return replace(trains, name=str(path))
    try:
        return read_trains(str(given), choices)
    except BadInputError as error:
        if OPTION_OF_A_FILE.match(str(error)):
            raise BadInputError(OPTION_OF_A_FILE.sub(rf"--{what.lower()}-\1:", str(error))) from error
        raise BadInputError(f"{what}: {error}") from error


def _spiking(what: str, trains: UnitTrains) -> UnitTrains:
    """Return trains that have spikes; BadInputError for others."""
    if not trains.spikes:
        raise BadInputError(
            f"{what}: {trains.name}: expected spikes, found none in {len(trains.unit_names)} units; is it the right"
            " file, and is it whole? `spikeloop inspect` shows what it holds"
        )
    return trains


def _part(true: UnitTrains, start_s: float, stop_s: float) -> UnitTrains:
    """Return the true spikes of a stretch; BadInputError where there are none."""
    part, all_s = true.between(start_s, stop_s), true.pooled_s
    if not part.spikes:
        raise BadInputError(
            f"--start, --stop: expected true spikes in the stretch that they choose, found none; {true.name} has"
            f" spikes from {all_s[0]:g} to {all_s[-1]:g} s"
        )
    return part


def _trains_of(what: str, recording: Recording) -> UnitTrains:
    times = recording.spike_times
    if times is None or recording.repeats > 1:
        raise BadInputError(
            f"{what}: expected a continuous recording with spike_times, found {recording.name} without; read it with"
            " a path instead"
        )
    names = recording.unit_names
    return UnitTrains.of(recording.name, names, spikes_by_unit(times, len(names)))
