"""What SpikeInterface saves: sortings as folders, archives or Zarr, and sorting analyzers.

Read with NumPy and Zarr alone, without importing SpikeInterface, which would load pickles of provenance.
"""

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Found, Intervals, Item, SpikeTrains
from spikeloop.exporters.formats.named.npz import read_arrays
from spikeloop.exporters.formats.sorters.folder_arrays import (
    open_array,
    readable_texts,
    refuse_conditions,
    small_text,
    without_labelled,
)
from spikeloop.exporters.formats.sorters.spikeinterface_zarr import open_zarr
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.spike_times import BYTES_TO_GROUP

__all__ = ["find", "is_archive", "is_folder", "is_zarr", "items"]

INFO, ARCHIVE = "numpysorting_info.json", "sorting_cached.npz"
LABELS = ("quality", "group", "label", "KSLabel", "decoder_label", "unitrefine_label", "bc_unitType", "ks_label")
NOISE = "noise"
MOST_SEGMENTS = 100_000


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder that a sorting, or an analyzer with one, was saved to."""
    return path.is_dir() and _folder(path) is not None


def is_archive(path: Path) -> bool:
    """Say whether a `.npz` file is that of a sorting."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"num_segment.npy", "unit_ids.npy", "spike_indexes_seg0.npy"} <= set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a sorting, or an analyzer with one, in Zarr."""
    return _zarr_root(path) is not None


def items(path: Path) -> tuple[Item, ...]:
    """List the units' spikes, and what is said of the units."""
    sorting = _sorting(path)
    spikes = Item("spikes", "spike times", sorting.samples.shape, str(sorting.samples.dtype))
    return (spikes, *(Item(f"properties/{name}", "text", (len(sorting.ids),)) for name in sorting.properties))


def find(path: Path, choices: Choices) -> Found:
    """Read the spikes of all units but those labelled noise, which `--units all` keeps; segments are trials.

    Raises
    ------
    BadInputError
        If what was saved can't be read, or doesn't fit together.
    """
    refuse_conditions(choices.conditions, path)
    sorting = _sorting(path)
    number = len(sorting.ids)
    if len(sorting.unit) and not (sorting.unit.min() >= 0 and sorting.unit.max() < number):
        raise BadInputError(f"{path}: expected spikes of {number} units, found others")
    require_memory("spikes by unit", BYTES_TO_GROUP * len(sorting.unit))
    order = np.argsort(sorting.unit, kind="stable")
    cuts = np.cumsum(np.bincount(sorting.unit, minlength=number))[:-1]
    samples = sorting.samples[order] / (1.0 if choices.time_unit else sorting.rate_hz)
    trains, segments = np.split(samples, cuts), None
    if sorting.segments > 1:
        segments = np.split(sorting.segment[order].astype(np.int64), cuts)
    names = tuple(f"unit {i}" if isinstance(i, int) else str(i) for i in sorting.ids)
    labels = next((sorting.properties[name] for name in LABELS if name in sorting.properties), None)
    kept, done = without_labelled(NOISE, labels, names, choices.units)
    lengths_s = None if choices.time_unit else sorting.lengths_s
    trials = None
    if segments is not None and not choices.time_unit:
        stops_s = _ends_s(sorting, choices.bin_size_s or 0.0) if lengths_s is None else np.array(lengths_s)
        trials = Intervals(np.zeros(sorting.segments), stops_s)
    return Found(
        SpikeTrains(
            [trains[i] for i in kept],
            None if segments is None else [segments[i] for i in kept],
            start_s=None if choices.time_unit else 0.0,
            stop_s=None if lengths_s is None else max(lengths_s),
        ),
        tuple(names[i] for i in kept),
        None if labels is None else tuple(labels[i] for i in kept),
        trials,
        name=path.resolve().stem,
        origin=path.name,
        history=() if done is None else (done,),
        chosen_by_number=True,
    )


@dataclass(frozen=True, eq=False)
class _Sorting:
    """Samples, units and segments of all spikes, each of shape (spikes,), and what is said of the units."""

    ids: list[Any]
    rate_hz: float
    segments: int
    samples: NDArray[Any]
    unit: NDArray[np.int64]
    segment: NDArray[Any]
    properties: dict[str, tuple[str, ...]]
    lengths_s: tuple[float, ...] | None = None  # of each segment, where it is known


def _sorting(path: Path) -> _Sorting:
    folder = _folder(path) if path.is_dir() else None
    if folder is not None:
        found = _of_folder(folder)
    elif (root := _zarr_root(path)) is not None:
        ids, rate_hz, segments, *spikes, properties = open_zarr(root)
        found = _checked(ids, rate_hz, segments, *spikes, properties=properties, path=path)
    else:
        found = _of_archive(path, {})
    lengths_s = _recorded_s(path)
    if lengths_s is None or len(lengths_s) != found.segments:
        return found
    return replace(found, lengths_s=lengths_s)


def _ends_s(sorting: _Sorting, bin_size_s: float) -> Floats:
    """Return the end of the bin of each segment's last spike, where it is not known how long segments are."""
    last = np.zeros(sorting.segments)
    np.maximum.at(last, sorting.segment, sorting.samples)
    return np.asarray(last / sorting.rate_hz + bin_size_s, np.float64)


def _folder(path: Path) -> Path | None:
    for folder in (path, path / "sorting"):
        if (folder / INFO).is_file() or (folder / ARCHIVE).is_file():
            return folder
    return None


def _zarr_root(path: Path) -> Path | None:
    for folder in (path, path / "sorting"):
        attributes = _json(folder / ".zattrs") or _json(folder / "zarr.json")
        if "sampling_frequency" in json.dumps(attributes) and (folder / "unit_ids").is_dir():
            return folder
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(small_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_folder(folder: Path) -> _Sorting:
    properties = _properties(folder / "properties")
    if not (folder / INFO).is_file():
        return _of_archive(folder / ARCHIVE, properties)
    info, spikes = _json(folder / INFO), open_array(folder / "spikes.npy", 1, "V")
    fields = ("sample_index", "unit_index", "segment_index")
    if not set(fields) <= set(spikes.dtype.names or ()) or not isinstance(info.get("unit_ids"), list):
        raise BadInputError(f"{folder}: expected {', '.join(fields)} in spikes.npy and unit_ids in {INFO}")
    return _checked(
        info["unit_ids"],
        info.get("sampling_frequency"),
        info.get("num_segments"),
        *(np.array(spikes[name]) for name in fields),
        properties=properties,
        path=folder,
    )


def _of_archive(path: Path, properties: dict[str, tuple[str, ...]]) -> _Sorting:
    arrays = read_arrays(path)
    try:
        ids = np.ravel(arrays["unit_ids"])
        listed = readable_texts(ids, path) if ids.dtype.kind == "U" else ids.tolist()
        rate_hz, segments = (np.ravel(arrays[name])[0].item() for name in ("sampling_frequency", "num_segment"))
        numbers = range(int(segments) if 1 <= segments <= MOST_SEGMENTS else 0)
        samples = [np.ravel(arrays[f"spike_indexes_seg{i}"]) for i in numbers]
        labels = [np.ravel(arrays[f"spike_labels_seg{i}"]) for i in numbers]
        units = np.concatenate([part.astype(ids.dtype) for part in labels])
        order = np.argsort(ids)
        place = np.minimum(np.searchsorted(ids, units, sorter=order), max(0, len(ids) - 1))
        unit = order[place] if len(ids) else place - 1
        if not (ids[unit] == units).all():
            raise ValueError("spikes of unknown units")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"{path}: expected a sorting that SpikeInterface saved, found other arrays ({in_one_line(error)})"
        ) from None
    segment = np.repeat(np.arange(len(samples)), [len(part) for part in samples])
    return _checked(listed, rate_hz, segments, np.concatenate(samples), unit, segment, properties=properties, path=path)


def _checked(
    ids: list[Any],
    rate_hz: Any,
    segments: Any,
    samples: NDArray[Any],
    unit: NDArray[Any],
    segment: NDArray[Any],
    *,
    properties: dict[str, tuple[str, ...]],
    path: Path,
) -> _Sorting:
    numbers = isinstance(rate_hz, int | float) and 1 <= rate_hz <= 1e9
    if not numbers or not isinstance(segments, int) or not 1 <= segments <= MOST_SEGMENTS:
        raise BadInputError(
            f"{path}: expected a sampling frequency and a number of segments, found {rate_hz!r:.40}, {segments!r:.40}"
        )
    if any(part.dtype.kind not in "iu" or len(part) != len(samples) for part in (samples, unit, segment)):
        raise BadInputError(f"{path}: expected a sample, a unit and a segment of each spike, found others")
    if len(segment) and not (segment.min() >= 0 and segment.max() < segments):
        raise BadInputError(f"{path}: expected spikes of {segments} segments, found others")
    sound = {name: texts for name, texts in properties.items() if len(texts) == len(ids)}
    return _Sorting(ids, float(rate_hz), segments, samples, unit.astype(np.int64), segment, sound)


def _properties(folder: Path) -> dict[str, tuple[str, ...]]:
    """Read the texts that are said of units."""
    found = {}
    for name in LABELS:
        path = folder / f"{name}.npy"
        if path.is_file():
            try:
                found[name] = tuple(readable_texts(open_array(path, 1, "U"), path))
            except BadInputError:  # numbers, or a pickle
                continue
    return found


def _recorded_s(path: Path) -> tuple[float, ...] | None:
    """Return how long each segment of an analyzer's recording was, s; None where it does not say."""
    attributes = _json(path / "recording_info" / "recording_attributes.json") if path.is_dir() else {}
    samples, rate_hz = attributes.get("num_samples"), attributes.get("sampling_frequency")
    if not isinstance(samples, list) or not isinstance(rate_hz, int | float) or not 1 <= rate_hz <= 1e9:
        return None
    if not samples or not all(isinstance(number, int) and 0 < number < 2**53 for number in samples):
        return None
    return tuple(number / rate_hz for number in samples)
