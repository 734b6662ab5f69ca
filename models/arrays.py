"""Names for the arrays that most files use, and the two ways of joining their first axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blocks", "Counts", "Floats", "Windows", "join_bins", "join_windows"]

Floats = NDArray[np.float64]
Counts = NDArray[Any]  # uint8, (..., bins, units); of fluorescence, float32
Windows = NDArray[Any]  # uint8, (windows, bins, units); of fluorescence, float32
Blocks = NDArray[Any] | Sequence[Windows]  # (blocks, windows, bins, units), or blocks of unequal numbers of windows


def join_windows(blocks: Blocks) -> NDArray[Any]:
    """Put the windows of all blocks or repeats into one row.

    Parameters
    ----------
    blocks : array of shape (..., windows, bins, units), or sequence of arrays of shape (windows, bins, units)

    Returns
    -------
    array of shape (windows of all blocks, bins, units)
    """
    return blocks.reshape(-1, *blocks.shape[-2:]) if isinstance(blocks, np.ndarray) else np.concatenate(blocks)


def join_bins(windows: NDArray[Any]) -> NDArray[Any]:
    """Put the bins of all windows or repeats into one row.

    Parameters
    ----------
    windows : array of shape (..., bins, units), or any other last axis

    Returns
    -------
    array of shape (bins of all windows, units)
    """
    return windows.reshape(-1, windows.shape[-1])
