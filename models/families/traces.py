"""The shape of fluorescence traces: how slowly they fall, how noisy that is, and how often and how high they rise."""

from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import recorded_rows

__all__ = ["NARROWEST", "Traces", "traces_of", "typical_traces"]

MOST_BINS = 50_000  # that are looked at; more say nothing new
QUARTILE = np.log(3)  # of the logistic distribution, in widths
BEYOND_NOISE = 8.0  # widths above which a rise is a transient: noise gets there once in 3,000 bins
NARROWEST, SMALLEST_RISE = np.exp(-6), 0.02  # width of noise, and transient, in standard deviations
LOGISTIC_DEVIATION = np.pi / np.sqrt(3)  # of the logistic distribution, in widths


@dataclass(frozen=True, eq=False)
class Traces:
    """Parameters of each unit, (units,); sizes are in standard deviations of the unit.

    Attributes
    ----------
    remaining : array, float64
        The share of a trace that is left one bin later.
    base : array, float64
        What is added to that.
    width : array, float64
        Of the logistic noise about it.
    transients : array, float64
        The share of bins in which the trace rises by more than noise.
    log_size, log_spread : array, float64
        Mean of the logarithm of the rises, and the logarithm of the width of its logistic distribution.
    """

    remaining: Floats
    base: Floats
    width: Floats
    transients: Floats
    log_size: Floats
    log_spread: Floats


def typical_traces(units: int) -> Traces:
    """Make traces of a common shape, for units that nobody looked at."""
    values = (0.88, 0.0, 0.05, 0.05, -1.0, -1.0)
    return Traces(*(np.full(units, value) for value in values))


def traces_of(recording: Recording) -> Traces:
    """Estimate the shape of the traces of each unit, from medians and quartiles, which transients leave as they are.

    Parameters
    ----------
    recording : Recording
        Of fluorescence.
    """
    values = recorded_rows(recording.counts, recording.lengths)
    values = values[:, : max(2, MOST_BINS // len(values))]
    before, after = (part.reshape(-1, recording.units) for part in (values[:, :-1], values[:, 1:]))
    rows = [_shape(*pair) for pair in zip(before.T.astype(np.float64), after.T.astype(np.float64), strict=True)]
    return Traces(*np.array(rows).T)


def _shape(before: Floats, after: Floats) -> tuple[float, ...]:
    """Estimate the parameters of one unit from its values in some bins and in the bins after them."""
    deviation = max(before.std(), 1e-6)
    before, after = before / deviation, after / deviation
    high = before >= np.median(before)
    remaining = float(np.clip(np.median(after[high] / before[high].clip(1e-6)), 0.05, 0.999))
    rest = after - remaining * before
    base = float(np.median(rest))
    width = max(NARROWEST, float(base - np.quantile(rest, 0.25)) / QUARTILE)
    rises = rest[rest - base > max(BEYOND_NOISE * width, SMALLEST_RISE)] - base
    if len(rises) < 2:
        return remaining, base, width, 1e-3, 0.0, -1.0
    logs = np.log(rises)
    spread = max(float(logs.std()) / LOGISTIC_DEVIATION, 0.02)
    return remaining, base, width, len(rises) / len(rest), float(logs.mean()), float(np.log(spread))
