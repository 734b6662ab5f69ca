"""A few of many, spread evenly over all."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["evenly_spread"]


def evenly_spread(number: int, most: int) -> NDArray[np.int64]:
    """Choose places out of so many, the first and the last among them.

    Parameters
    ----------
    number : int >= 1
        Of places.
    most : int >= 2
        That are chosen.

    Returns
    -------
    array of shape (min(number, most),), int64
        Places from 0 on, ascending; all where there are no more than `most`.
    """
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(np.int64))
