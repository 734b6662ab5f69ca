"""The arrays of a bundle, in `.npz` files: read with their sizes checked and nothing run, and packed."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spikeloop.exporters.bundle_files import check_size, most_unpacked
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["pack_arrays", "parse_arrays"]


def parse_arrays(content: bytes, name: str, path: Path) -> dict[str, Floats]:
    """Read arrays of numbers.

    Parameters
    ----------
    content : bytes
        Of a `.npz` file.
    name : str
        Of the file, for messages.
    path : pathlib.Path
        Of the bundle.

    Raises
    ------
    BadInputError
        If it can't be read, would unpack to too much, or holds something other than numbers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(info.file_size for info in packed.infolist())
        check_size(path, f"{name}, unpacked,", unpacked, most_unpacked(path))
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        if any(value.dtype.kind not in "fiu" for value in arrays.values()):
            raise BadInputError(f"{path}: {name} holds something other than numbers; refused")
        return arrays
    except BadInputError:
        raise
    except Exception as error:
        raise BadInputError(f"{path}: {name} can't be read ({error}); get the bundle again") from error


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack arrays as `.npz`; nothing where there are none."""
    if not arrays:
        return b""
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **dict(arrays))
    return packed.getvalue()
