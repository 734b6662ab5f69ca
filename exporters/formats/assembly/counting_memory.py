"""How much memory it takes to turn values of a file into counts, beside the values themselves."""

import numpy as np

__all__ = ["COUNTS", "memory_of_counts"]

COUNTS = "values turned into counts"  # the part that this memory is counted as
OF_WHOLE, OF_FRACTIONS = 2, 34  # bytes of each value: the counts, and what checks that they are whole for a moment


def memory_of_counts(values: int, dtype: np.dtype) -> float:
    """Return the bytes that counts of so many values take while they are made.

    Parameters
    ----------
    values : int
    dtype : numpy.dtype
        Of the values.
    """
    return values * (OF_FRACTIONS if dtype.kind == "f" else OF_WHOLE)
