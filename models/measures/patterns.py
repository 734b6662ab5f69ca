"""Whole windows as patterns: how often each occurs, for windows small enough to count them.

Molano-Mazon et al. 2018, section 3.1 and figure 1: two units and twelve bins have 2^24 patterns, whose true
probabilities come from many ground-truth samples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PatternComparison", "compare_patterns", "entropy_bits", "pattern_codes"]

MOST_CELLS = 62  # bins x units that an int64 numbers


@dataclass(frozen=True)
class PatternComparison:
    """A model's windows against the truth.

    Attributes
    ----------
    entropy, true_entropy : bits, of the model's windows and of as many true ones (equal bias)
    impossible, true_impossible : share of the model's windows, and of fresh true ones, that never occur in the truth
    novel, true_novel : the same with training windows in the truth's place: what was not learned by heart
    """

    entropy: float
    true_entropy: float
    impossible: float
    true_impossible: float
    novel: float
    true_novel: float


def pattern_codes(windows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Encode each 0/1 window as a number; equal windows have equal numbers.

    Parameters
    ----------
    windows : array of shape (windows, bins, units)

    Returns
    -------
    array of shape (windows,), int64

    Raises
    ------
    ValueError
        If a window has more than 62 cells, or counts above 1.
    """
    flat = windows.reshape(len(windows), -1)
    if flat.shape[1] > MOST_CELLS or flat.max(initial=0) > 1:
        raise ValueError(f"expected at most {MOST_CELLS} cells of 0 or 1, got {flat.shape[1]} up to {flat.max()}")
    return flat.astype(np.int64) @ (1 << np.arange(flat.shape[1], dtype=np.int64))


def entropy_bits(windows: NDArray[np.uint8]) -> float:
    """Entropy of the observed pattern frequencies, -sum p log2 p; few samples bias it downwards."""
    share = np.unique(pattern_codes(windows), return_counts=True)[1] / len(windows)
    return float(-(share * np.log2(share)).sum()) + 0.0  # and never -0.0


def compare_patterns(
    sampled: NDArray[np.uint8], training: NDArray[np.uint8], truth: NDArray[np.uint8], fresh: NDArray[np.uint8]
) -> PatternComparison:
    """Compare a model's windows with the truth.

    Parameters
    ----------
    sampled, training, truth, fresh : arrays of shape (windows, bins, units)
        `truth` in great number; `fresh` are other true windows, of which as many are taken as sampled ones.
    """
    fresh = fresh[: len(sampled)]
    codes = {name: pattern_codes(windows) for name, windows in (("sampled", sampled), ("fresh", fresh))}
    true, known = np.unique(pattern_codes(truth)), np.unique(pattern_codes(training))
    return PatternComparison(
        entropy=entropy_bits(sampled),
        true_entropy=entropy_bits(fresh),
        impossible=float(np.mean(~np.isin(codes["sampled"], true))),
        true_impossible=float(np.mean(~np.isin(codes["fresh"], true))),
        novel=float(np.mean(~np.isin(codes["sampled"], known))),
        true_novel=float(np.mean(~np.isin(codes["fresh"], known))),
    )
