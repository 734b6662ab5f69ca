"""Recordings from files: NumPy archives and MATLAB files with arrays of agreed names."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence, with_conditions

__all__ = ["load_recording", "read_arrays"]

COUNT_KEYS = ("spikes", "counts", "data")  # where .npz and .mat files keep their counts
FLUORESCENCE_KEY = "fluorescence"


def load_recording(path: Path, bin_size_s: float | None = None, repeat_bins: int | None = None) -> Recording:
    """Read a recording from a `.npz` or a (pre-7.3) `.mat` file.

    Parameters
    ----------
    path : file with an array `spikes`, `counts` or `data` (or `fluorescence`), (bins, units) or (repeats, bins,
        units); where it has `conditions`, (..., channels), then also `condition_names` and `condition_units`
    bin_size_s : overrides the file's own `bin_size_s`; needed where the file has none
    repeat_bins : cuts a continuous array into repeats of so many bins

    Raises
    ------
    BadInputError
        If the file is missing, unreadable, or holds no counts.
    """
    arrays = read_arrays(Path(path))
    key = next((key for key in (*COUNT_KEYS, FLUORESCENCE_KEY) if key in arrays), None)
    if key is None:
        expected = ", ".join((*COUNT_KEYS, FLUORESCENCE_KEY))
        raise BadInputError(f"{path}: expected an array named {expected}; found {', '.join(arrays) or 'none'}")
    if bin_size_s is None and "bin_size_s" not in arrays:
        raise BadInputError(f"{path}: no bin_size_s in the file; give the bin size, e.g. --bin-size-ms 20")
    unit_names = [str(unit) for unit in np.ravel(arrays["unit_names"])] if "unit_names" in arrays else None
    size = bin_size_s if bin_size_s is not None else _stated_bin_size_s(arrays["bin_size_s"], path)
    read = from_fluorescence if key == FLUORESCENCE_KEY else from_counts
    recording = read(arrays[key], size, unit_names, name=Path(path).stem, origin=Path(path).name)
    if "conditions" in arrays:
        if arrays["conditions"].ndim < 2:
            raise BadInputError(
                f"{path}: expected conditions of shape (bins, channels) or (repeats, bins, channels), found"
                f" {arrays['conditions'].shape}"
            )
        names = [str(name) for name in np.ravel(arrays.get("condition_names", ()))]
        names = names or [f"condition {i}" for i in range(arrays["conditions"].shape[-1])]
        units = [str(unit) for unit in np.ravel(arrays["condition_units"])] if "condition_units" in arrays else None
        recording = with_conditions(recording, arrays["conditions"], names, units)
    return recording if repeat_bins is None else _cut_repeats(recording, repeat_bins)


def _stated_bin_size_s(stated: np.ndarray, path: Path) -> float:
    if stated.size != 1 or stated.dtype.kind not in "fiu":
        raise BadInputError(f"{path}: expected bin_size_s to be one number, found {stated!r:.60}; give --bin-size-ms")
    return float(stated.item())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of a `.npz` or (pre-7.3) `.mat` file, by name; pickles are refused.

    Raises
    ------
    BadInputError
        If the file is missing, of another kind, or unreadable.
    """
    if path.suffix not in (".npz", ".mat"):
        raise BadInputError(f"{path}: expected a .npz or .mat file")
    if not path.is_file():
        raise BadInputError(f"{path}: {'expected a file, found a folder' if path.is_dir() else 'no such file'}")
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        from scipy.io import loadmat

        return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except Exception as error:  # NumPy, zipfile and SciPy each raise their own on damaged files
        raise BadInputError(f"{path}: not a readable {path.suffix} file ({error}); is it complete?") from error


def _cut_repeats(recording: Recording, repeat_bins: int) -> Recording:
    if recording.repeats != 1 or repeat_bins < 1 or recording.bins % repeat_bins:
        raise BadInputError(
            f"{recording.name}: {recording.repeats} x {recording.bins} bins can't be cut into repeats of {repeat_bins}"
        )
    repeats = recording.bins // repeat_bins
    counts = recording.counts.reshape(repeats, repeat_bins, recording.units)
    driven_by = recording.conditions.reshape(repeats, repeat_bins, len(recording.channels))
    return replace(recording, counts=counts, driven_by=driven_by)
