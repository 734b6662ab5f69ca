"""Which axis of an array of counts is that of the units, judged by the counts alone.

Units differ strongly in their rates, in no order; trials hardly differ; bins differ little, or smoothly.
"""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording

__all__ = ["differences_of_rates", "orientation_warning"]

AXES = ("trials", "bins", "units")
FEWEST = 5  # along an axis, for its differences to say anything
MOST = 2**20  # along an axis that could be that of units, or of trials
LEAST = 0.1  # of an axis that could be that of the units
MARGIN = 2.5  # by which another axis must differ more than the last one
SURE = 6.0  # standard deviations of the variance that chance gives
SMOOTHEST = 0.1  # what is left of the differences along an axis on which neighbours are alike
SOME = 0.01  # differences along an axis of bins; those along trials are mostly smaller
AT_ONCE = 2**22  # counts that are squared at a time


def differences_of_rates(recording: Recording) -> Floats:
    """Return how much rates differ along each axis, beyond chance and beyond what neighbours share.

    Of each axis, this is the variance of its mean counts, less the variance that counts independent of each other
    would give these means, less what neighbours share (their covariance, where it is positive; a tenth stays), relative
    to the squared mean count of all.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    array of shape (3,)
        Along repeats, bins and units; 0 of an axis shorter than five or longer than a million, and of all where there
        is no spike.
    """
    counts = recording.counts
    by_unit = counts.sum(axis=(0, 1), dtype=np.float64)
    size, result = recording.recorded_bins * recording.units, np.zeros(3)
    mean = by_unit.sum() / size
    if not mean:
        return result
    variance = _mean_square(counts, size) - mean**2
    for axis, length in enumerate(counts.shape):
        if not FEWEST <= length <= MOST:
            continue
        added = by_unit if axis == 2 else counts.sum(axis=(1 - axis, 2), dtype=np.float64)
        number = _sizes(recording, axis)
        means, weight = added / number, number / number.sum()
        spread = float((weight * (means - mean) ** 2).sum())
        chance = variance * float((weight / number).sum())
        if spread > chance * (1 + SURE * np.sqrt(2 / (len(added) - 1))):
            shared = max(0.0, float(np.mean((means[1:] - mean) * (means[:-1] - mean))))
            result[axis] = max(SMOOTHEST, 1 - shared / (spread - chance)) * (spread - chance) / mean**2
    return result


def _sizes(recording: Recording, axis: int) -> NDArray[np.int64]:
    """Return how many counts were recorded at each place along an axis."""
    lengths = recording.bins_of_repeats
    if axis == 0:
        return lengths * recording.units
    if axis == 2:
        return np.full(recording.units, recording.recorded_bins)
    shorter = np.searchsorted(np.sort(lengths), np.arange(recording.bins), side="right")
    return (recording.repeats - shorter) * recording.units


def _mean_square(counts: NDArray[np.uint8], size: int) -> float:
    step, squares = max(1, AT_ONCE // counts.shape[2]), 0.0
    for repeat in counts:
        for begin in range(0, len(repeat), step):
            squares += float(np.square(repeat[begin : begin + step], dtype=np.float32).sum(dtype=np.float64))
    return squares / size


def orientation_warning(recording: Recording) -> str | None:
    """Say that another axis looks more like that of the units than the last one does; None where none does.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    str or None
        A sentence that says what to do.
    """
    if recording.signal != "spikes":
        return None
    differences = differences_of_rates(recording)
    axis = int(np.argmax(differences))
    if axis == 2 or differences[axis] < max(LEAST, MARGIN * differences[2]):
        return None
    if recording.units < FEWEST and (axis == 1 or differences[axis] < MARGIN * _spread_of_few(recording)):
        return None
    order = ",".join(_likely_order(recording, axis))
    return (
        f"rates differ more along the axis of {recording.counts.shape[axis]} {AXES[axis]} than along that of"
        f" {recording.units} units; if the units are there, say so with --axes {order}"
    )


def _spread_of_few(recording: Recording) -> float:
    """Return the variance of the rates of units that are too few for more, relative to their squared mean."""
    rates = recording.rates_hz
    return float(rates.var() / max(rates.mean() ** 2, np.finfo(float).tiny))


def _likely_order(recording: Recording, units: int) -> list[str]:
    """Name the axes, of which one is that of the units."""
    if recording.repeats == 1:
        return ["units", "bins"]
    differences = differences_of_rates(recording)
    others = [axis for axis in range(3) if axis != units]
    usual = 1 if units == 0 else 2  # (units, bins, trials) and (trials, units, bins)
    bins = max(others, key=lambda axis: differences[axis]) if differences[others].max() > SOME else usual
    return ["units" if axis == units else "bins" if axis == bins else "trials" for axis in range(3)]
