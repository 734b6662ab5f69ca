"""Recordings by name or from files of any format."""

import errno
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.assembly.session_times import SpikesInBins, spikes_in_bins
from spikeloop.exporters.formats.catalogue import CATALOGUE, published_as, read_named
from spikeloop.exporters.formats.choices import Choices, chosen_numbers
from spikeloop.exporters.formats.registry import FORMATS, Format, format_of, is_recording_path
from spikeloop.exporters.formats.storage.remote import Location, located
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import memory_for
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.summary import summarise

logger = logging.getLogger(__name__)

__all__ = ["log_recording", "open_format", "read_arrays", "read_chosen", "read_recording", "read_timed"]


def read_recording(
    name_or_path: str | Path,
    bin_size_s: float | None = None,
    repeat_bins: int | None = None,
    *,
    key: str | None = None,
    unit_key: str | None = None,
    trial_key: str | None = None,
    time_unit: str | None = None,
    transpose: bool = False,
    axes: str | Sequence[str] | None = None,
    units: str | Iterable[int | str] | None = None,
    trials: str | Iterable[int] | None = None,
    conditions: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
    max_gap_s: float = 0.1,
    max_memory: int | str | None = None,
    folder: Path | None = None,
    cache: Path | None = None,
) -> Recording:
    """Read the recording of that name or at that path.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        The path of a file or folder of any format that `spikeloop inspect` lists. Of an NWB file on a server, its
        address "https://...", or "dandi:ID/PATH" in the DANDI archive; only what is needed of it is fetched. Or a
        name: "retina", "m1_jango", "calcium_odor" or "rat_m1_ms", which their authors published; "m1-sim",
        "m1-sim:SECONDS" or "m1-sim:SECONDS:drift", of simulated cortex; "packets:MODES:WINDOWS" (such as
        "packets:1:8192"), of simulated packets. All that follows is only for paths.
    bin_size_s : float from 1e-5 to 10, s, default that of the file
        Needed for spike times, and for counts whose file does not state it.
    repeat_bins : int >= 1, optional
        Cuts a continuous recording into repeats of so many bins.
    key : str, optional
        Where the spikes are inside the file, such as the name of an array.
    unit_key, trial_key : str, optional
        Where the unit, and the trial, of each spike are, where `key` names spike times.
    time_unit : str, default what the file says, or "s"
        Of spike times: "s", "ms", "us", "ns", or a sampling rate such as "30000 Hz" for numbers of samples.
    transpose : bool, default False
        Whether the array of counts has its units first: (units, bins) or (units, bins, trials).
    axes : str or sequence of str, default "trials,bins,units"
        What the axes of the array of counts are, in their order.
    units : str or iterable of int or str, default all
        Which units: a label that the file gives them ("good", "mua"), names, or numbers such as "0-31,40".
    trials : str or iterable of int, optional
        Which trials: "all", or numbers such as "0-99". Cuts a continuous recording into the file's trials.
    conditions : mapping of str to str, default what the file itself calls conditions
        What drove the population: a name, and where it is inside the file, such as {"velocity":
        "processing/behavior/Velocity"}. Two channels become "velocity x" and "velocity y"; a name may end in a unit,
        "velocity [cm/s]". It is averaged in each bin.
    rename : mapping of str to str, optional
        New names of conditions, such as {"vx": "velocity x [cm/s]"}.
    start_s, stop_s : float, s, optional
        The stretch of time to read, by the file's clock.
    max_gap_s : float >= 0, s, default 0.1
        Conditions that are missing for up to so long are interpolated; bins in longer gaps are left out, which cuts
        the recording there.
    max_memory : int or str, bytes, default 80 % of the memory that is free
        The most that reading may take, such as "8G"; also of names. The environment variable SPIKELOOP_MAX_MEMORY
        replaces the default.
    folder : pathlib.Path, default the environment variable SPIKELOOP_DATA
        Where named recordings lie.
    cache : pathlib.Path, default the system's cache folder
        Where recordings that were fetched are kept.

    Returns
    -------
    Recording
        Its `history` says what was done to the data. The logger `spikeloop` gets one line about it, and warnings of
        what is probably not as it was meant, such as transposed counts.

    Raises
    ------
    BadInputError
        If there is no such name or file, the file can't be read, what was chosen isn't in it, or reading it would
        take more memory than it may.
    FailureError
        If a fetch fails, or gives another file than its authors published; or a package is missing.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.read_recording("m1-sim:10").counts.shape
    (1, 500, 96)
    """
    choices = Choices.checked(
        bin_size_s,
        repeat_bins,
        key=key,
        unit_key=unit_key,
        trial_key=trial_key,
        time_unit=time_unit,
        transpose=transpose,
        axes=axes,
        units=units,
        trials=trials,
        conditions=conditions,
        rename=rename,
        start_s=start_s,
        stop_s=stop_s,
        max_gap_s=max_gap_s,
    )
    with memory_for(name_or_path, max_memory):
        recording = read_chosen(name_or_path, choices, folder, cache)
    log_recording(recording)
    return recording


def log_recording(recording: Recording, to_learn: bool = True) -> None:
    """Tell the logger `spikeloop` what a recording holds and what was done to it, and warn of what looks wrong."""
    summary = summarise(recording, to_learn)
    logger.info("%s", summary)
    for sentence in summary.history:
        logger.info("%s: %s", summary.name, sentence)
    for sentence in summary.warnings:
        logger.warning("%s: %s", summary.name, sentence)


def read_chosen(
    name_or_path: str | Path, choices: Choices, folder: Path | None = None, cache: Path | None = None
) -> Recording:
    """Read a recording with choices that are checked already; see `read_recording`."""
    path = located(name_or_path)
    name = str(name_or_path)
    with memory_for(name):
        named = read_named(name, folder, cache)
        if named is not None:
            if choices != Choices():
                raise BadInputError(f"{name} has its own layout; --key, --bin-size-ms and other choices are for files")
            return named
        found = open_format(path, name)
        if choices == Choices() and isinstance(path, Path) and (published := published_as(path)) is not None:
            return published
        return assemble(found.reader().find(path, choices), choices)


def read_timed(name_or_path: str | Path, choices: Choices) -> tuple[Recording, SpikesInBins | None]:
    """Read a recording as `read_chosen` does, and trials of a named one; and its spikes' own times, if it has some."""
    path, name = located(name_or_path), str(name_or_path)
    if name in CATALOGUE or not is_recording_path(path):
        recording = read_chosen(name_or_path, replace(choices, trials=None))
        if choices.trials is not None:
            recording = part_of(recording, chosen_numbers("--trials", choices.trials, recording.repeats, "trials"))
        return recording, spikes_in_bins(recording)
    if choices == Choices() and isinstance(path, Path) and (published := published_as(path)) is not None:
        return published, None
    with memory_for(name):
        found = open_format(path, name).reader().find(path, choices)
        recording = assemble(found, choices)
    return recording, spikes_in_bins(recording, found, choices)


def open_format(path: Location, name: str | None = None) -> Format:
    """Find the format of a file or folder; BadInputError where it is of none, or `name` of no recording either."""
    if isinstance(path, Path):
        _require_plain(path)
    if not is_recording_path(path):
        suffixes = dict.fromkeys(suffix for found in FORMATS for suffix in found.suffixes)
        raise BadInputError(
            f"no recording named {name or str(path)!r:.200}; there are {', '.join(CATALOGUE)}, m1-sim,"
            f" packets:MODES:WINDOWS; others go by path ({', '.join(suffixes)})"
        )
    found = format_of(path)
    if found is None:
        kind = "folder" if isinstance(path, Path) and path.is_dir() else "file"
        raise BadInputError(f"{path}: expected a recording, found a {kind} of no known format")
    return found


def _require_plain(path: Path) -> None:
    """Refuse what is no file or folder: of a pipe or a device, reading may never end."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise BadInputError(
                f"{path}: expected a file or folder, found a pipe, a socket or a device; write it to a file first"
            )
        path.stat()
    except FileNotFoundError:
        return  # which may be a name
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) == errno.ELOOP or isinstance(error, RuntimeError):
            raise BadInputError(f"{path}: expected a file or folder, found links that lead in a circle") from error


def read_arrays(path: Path) -> dict[str, Any]:
    """Read every array of a NumPy archive or a MATLAB file, by name; pickles are left out.

    Raises
    ------
    BadInputError
        If the file is missing, of another kind, or unreadable.
    """
    found = format_of(path)
    if found is None or not found.arrays:
        suffixes = dict.fromkeys(suffix for other in FORMATS if other.arrays for suffix in other.suffixes)
        raise BadInputError(f"{path}: expected a {' or '.join(suffixes)} file")
    with memory_for(path):
        return found.array_reader().read_arrays(path)
