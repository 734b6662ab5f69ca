"""Sortings that SpikeInterface saved in Zarr."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.sorters.folder_arrays import readable_texts
from spikeloop.exporters.formats.storage.tree import check_texts
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.memory import require_memory
from spikeloop.models.packages import require_packages

__all__ = ["open_zarr"]

LARGEST, PACKED = 300 * 2**20, 16  # bytes of an array, beside these of each byte on the disk


def open_zarr(root: Path) -> tuple[Any, ...]:
    """Read a sorting's unit ids, rate in Hz, number of segments; sample, unit and segment of each spike; and labels.

    Raises
    ------
    BadInputError
        If it can't be read, or holds pickles.
    FailureError
        If zarr is not installed.
    """
    require_packages("zarr", extra="zarr", what="a sorting in Zarr")
    import zarr

    try:
        group: Any = zarr.open(str(root), mode="r")
        spikes = group["spikes"]
        samples, unit = (_read(spikes[name], root) for name in ("sample_index", "unit_index"))
        slices = _read(spikes["segment_slices"], root).reshape(-1, 2)
        segment = np.full(len(samples), -1)
        for number, (begin, end) in enumerate(slices.tolist()):
            segment[begin:end] = number
        properties = {}
        for name, values in group["properties"].arrays() if "properties" in group else ():
            if values.dtype.kind in "UO" and values.ndim == 1:
                properties[name] = tuple(readable_texts(_read(values, root), root))
        numbers = _read(group["unit_ids"], root)
        ids = numbers.tolist() if numbers.dtype.kind in "iu" else readable_texts(numbers, root)
        stated = dict(group.attrs)
        return ids, stated.get("sampling_frequency"), stated.get("num_segments"), samples, unit, segment, properties
    except BadInputError:
        raise
    except Exception as error:  # Zarr and its codecs raise several on damaged files
        raise BadInputError(
            f"{root}: not a readable sorting in Zarr ({in_one_line(error)}); is it complete?"
        ) from error


def _read(array: Any, root: Path) -> NDArray[Any]:
    """Read an array whole, where neither its codecs unpickle nor its size is absurd."""
    codecs = " ".join(str(codec) for codec in (*(array.filters or ()), getattr(array, "compressor", None)))
    if "pickle" in codecs.lower():
        raise BadInputError(f"{root}: {array.name} is a pickle, which is never loaded, as it could run any code")
    on_disk = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    chunk = int(np.prod(array.chunks, dtype=np.float64)) * array.dtype.itemsize
    if max(array.nbytes, chunk) > LARGEST + PACKED * on_disk:
        raise BadInputError(f"{root}: {array.name} is said to be of {array.nbytes} bytes; is it complete?")
    check_texts(array, str(root))
    require_memory(array.name, array.nbytes)
    return np.asarray(array[:])
