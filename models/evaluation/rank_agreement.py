"""Whether decoders rank on a model's counts as on recorded ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import OfflineScore

__all__ = ["LEAST_RANKED", "largest_difference", "rank_correlation"]

LEAST_RANKED = 3  # decoders


def rank_correlation(scores: Sequence[OfflineScore]) -> float:
    """Spearman's correlation of decoders' mean R2 on generated counts with that on recorded ones.

    Raises
    ------
    BadInputError
        If there are fewer than `LEAST_RANKED` decoders, or one wasn't judged on both.
    """
    from scipy.stats import spearmanr

    recorded, generated = _both(scores)
    if len(recorded) < LEAST_RANKED:
        raise BadInputError(f"expected {LEAST_RANKED} decoders or more to rank, found {len(recorded)}")
    return float(spearmanr(recorded, generated).statistic)  # pyright: ignore[reportAttributeAccessIssue]


def largest_difference(scores: Sequence[OfflineScore]) -> float:
    """Of a decoder's mean R2 on generated counts from that on recorded ones.

    Raises
    ------
    BadInputError
        If a decoder wasn't judged on both.
    """
    recorded, generated = _both(scores)
    return float(np.abs(generated - recorded).max())


def _both(scores: Sequence[OfflineScore]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean R2 of every decoder on recorded and on generated counts, (decoders,)."""
    generated = [score.generated.r_squared.mean() for score in scores if score.generated is not None]
    if len(generated) < len(scores):
        raise BadInputError(f"expected {len(scores)} decoders judged on generated counts too, found {len(generated)}")
    return np.array([score.recorded.r_squared.mean() for score in scores]), np.array(generated)
