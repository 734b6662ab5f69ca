"""Excursions of a CUSUM from 0: how high they rise in a sample, and what height few enough of them pass.

A CUSUM adds up evidence and never falls below 0 (Page 1954, Continuous inspection schemes). The heights of its
excursions have an exponential tail (Asmussen 2003, Applied Probability and Queues, XIII.5), whose exponent is 1 where
the evidence is the log-likelihood ratio of a right model.
"""

import numpy as np
from scipy.special import gammaincinv

from spikeloop.models.arrays import Floats

__all__ = ["excursion_peaks", "height_passed_at"]


TAIL_SHARE, LEAST_TAIL = 0.05, 40  # of excursions, the highest, to which the tail is fitted
PRIOR_TAIL = 5.0  # excursions that a tail of exponent 1 is believed from the start
MOST_EXPONENT = 1.0  # that of a right model
TAIL_DOUBT = 0.03  # quantile of the exponent's posterior that is used


def excursion_peaks(evidence: Floats) -> Floats:
    """How high the CUSUM of evidence (blocks,) rose, each time between leaving 0 and returning: (excursions,)."""
    total = np.cumsum(evidence)
    cusum = total - np.minimum(np.minimum.accumulate(total), 0)
    starts = np.flatnonzero(np.diff(cusum > 0, prepend=False, append=False))[::2]
    return np.maximum.reduceat(cusum, starts) if len(starts) else np.empty(0)


def height_passed_at(rate_per_hour: float, peaks: Floats, hours: float) -> float:
    """The height that excursions pass at a rate, which may be far lower than any that was seen.

    The highest peaks are continued by an exponential tail; where they are few, on the high side.

    Parameters
    ----------
    rate_per_hour : float > 0
    peaks : (excursions,), seen in a sample
    hours : float > 0, of the sample
    """
    highest = np.sort(peaks)[::-1]
    number = min(len(highest), max(LEAST_TAIL, round(TAIL_SHARE * len(highest))))
    base = highest[number] if number < len(highest) else 0.0
    exponent = gammaincinv(number + PRIOR_TAIL, TAIL_DOUBT) / ((highest[:number] - base).sum() + PRIOR_TAIL)
    passing = np.log(max(number, 1) / hours / rate_per_hour)
    return float(base + passing / min(exponent, MOST_EXPONENT))
