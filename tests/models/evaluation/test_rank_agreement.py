"""How alike decoders rank on recorded counts and on a model's."""

import numpy as np
import pytest

from spikeloop.models.decoders.cross_validation import CrossValidation
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import OfflineScore
from spikeloop.models.evaluation.rank_agreement import largest_difference, rank_correlation


def scores_of(recorded, generated):
    def flat(value):
        nothing = np.empty((0, 1))
        return CrossValidation(np.full((2, 1), value), np.full((2, 1), np.nan), nothing, nothing)

    return [
        OfflineScore(f"decoder {place}", 0.02, flat(one), None if other is None else flat(other))
        for place, (one, other) in enumerate(zip(recorded, generated, strict=True))
    ]


def test_the_rank_correlation_is_spearmans_by_hand(random):
    recorded, generated = random.random(9), random.random(9)
    ranks = [np.argsort(np.argsort(each)) for each in (recorded, generated)]
    by_hand = 1 - 6 * np.square(ranks[0] - ranks[1]).sum() / (9 * (81 - 1))
    assert rank_correlation(scores_of(recorded, generated)) == pytest.approx(by_hand)
    assert rank_correlation(scores_of(recorded, np.exp(5 * recorded))) == pytest.approx(1)
    assert rank_correlation(scores_of(recorded, -recorded)) == pytest.approx(-1)


def test_the_largest_difference_is_that_of_one_decoder_either_way():
    assert largest_difference(scores_of([0.5, 0.2, 0.9], [0.4, 0.25, 1.0])) == pytest.approx(0.1)
    assert largest_difference(scores_of([0.5, 0.2], [0.5, 0.5])) == pytest.approx(0.3)
    with pytest.raises(BadInputError, match="expected 2 decoders judged on generated counts too, found 1"):
        largest_difference(scores_of([0.5, 0.2], [0.4, None]))


@pytest.mark.parametrize(
    ("generated", "message"), [((0.1, 0.2), "expected 3 decoders or more"), ((0.1, 0.2, 0.3, None), "expected 4")]
)
def test_ranks_need_three_decoders_judged_on_both(generated, message):
    with pytest.raises(BadInputError, match=message):
        rank_correlation(scores_of(np.linspace(0, 1, len(generated)), generated))
