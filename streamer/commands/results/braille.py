"""Pictures for a terminal, of braille characters and blocks."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bars", "braille_raster", "braille_trace", "columns_of"]

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's braille patterns
BLOCKS = " ▁▂▃▄▅▆▇█"


def braille_raster(dots: NDArray[np.bool_]) -> str:
    """Return a boolean picture, (rows, columns), as braille characters of 4 x 2 dots."""
    rows, columns = (-(-size // cell) * cell for size, cell in zip(dots.shape, DOTS.shape, strict=True))
    padded = np.zeros((rows, columns), bool)
    padded[: dots.shape[0], : dots.shape[1]] = dots
    cells = padded.reshape(rows // 4, 4, columns // 2, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * DOTS).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, row)) for row in codes.tolist())


def columns_of(values: NDArray, columns: int) -> list[NDArray]:
    """Divide values, (bins, ...), among at most so many columns of about equal width."""
    return [part for part in np.array_split(values, min(columns, len(values))) if len(part)]


def braille_trace(values: ArrayLike, rows: int = 8) -> str:
    """Return a trace as braille characters, its lowest value at the bottom and its highest at the top.

    Parameters
    ----------
    values : array of shape (columns,)
        Finite; one for each column of dots.
    rows : int, dots
    """
    trace = np.asarray(values, np.float64)
    low, high = trace.min(), trace.max()
    share = (trace - low) / (high - low) if high > low else np.full(len(trace), 0.5)
    places = np.rint((1 - share) * (rows - 1)).astype(int)
    dots = np.zeros((rows, len(trace)), bool)
    for column, (before, place) in enumerate(zip(np.concatenate([places[:1], places]), places, strict=False)):
        dots[min(before, place) : max(before, place) + 1, column] = True
    return braille_raster(dots)


def bars(values: ArrayLike) -> str:
    """Return one block for each value, as high as the value is, relative to the largest."""
    heights = np.asarray(values, np.float64)
    largest = heights.max(initial=0.0)
    eighths = np.ceil(8 * heights / largest) if largest > 0 else np.zeros(len(heights))
    return "".join(BLOCKS[int(eighth)] for eighth in eighths)
