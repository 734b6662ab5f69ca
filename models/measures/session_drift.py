"""How far a population's rates drift over a session, beside what they vary by within minutes."""

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded, split_repeats

__all__ = ["rate_drift"]

STRETCHES = 5  # of a session, between which rates are compared
BLOCK_S = 10.0  # long beside what a population does within a trial
LEAST_BLOCKS = 4  # of a stretch, for a variance that means something


def rate_drift(recording: Recording) -> float:
    """Compare the rates of five stretches of a session.

    The session is cut into blocks: its repeats, or 10 s each where there are fewer than 20 repeats. The F statistic of
    a one-way analysis of variance over the stretches, numerator and denominator each summed over units.

    Parameters
    ----------
    recording : Recording
        A whole session.

    Returns
    -------
    float
        Variance of a stretch's mean rates, over what the variation of blocks within stretches makes of it. About 1
        where rates don't drift; NaN where a stretch has fewer than 4 blocks, or no unit ever varies.
    """
    rates = _blocks(recording)
    blocks = len(rates) // STRETCHES
    if blocks < LEAST_BLOCKS:
        return float("nan")
    stretches = rates[: STRETCHES * blocks].reshape(STRETCHES, blocks, -1)
    within = stretches.var(axis=1, ddof=1).mean(axis=0).sum()
    between = blocks * stretches.mean(axis=1).var(axis=0, ddof=1).sum()
    return float(between / within) if within > 0 else float("nan")


def _blocks(recording: Recording) -> Floats:
    """Compute the mean of each block, (blocks, units)."""
    if recording.repeats >= STRETCHES * LEAST_BLOCKS:
        return np.stack([row.mean(axis=0) for row in split_repeats(recording.counts, recording.lengths)])
    counts, bins = join_recorded(recording.counts, recording.lengths), max(1, round(BLOCK_S / recording.bin_size_s))
    blocks = len(counts) // bins
    return counts[: blocks * bins].reshape(blocks, bins, recording.units).mean(axis=1)
