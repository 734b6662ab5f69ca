import numpy as np

from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.measures.decoding_scores import correlation
from tests.support.reaching import moving, wandering


def moments(kinematics):
    lagged = [np.corrcoef(column[1:], column[:-1])[0, 1] for column in kinematics.T]
    return kinematics.mean(axis=0), kinematics.std(axis=0), lagged


def test_it_moves_like_the_kinematics_and_knows_nothing_of_them(random):
    slow, fast = (wandering(random, pole, (20_000, 1)) for pole in (0.9, -0.4))
    kinematics = np.concatenate([3 + 2 * slow, fast - 1], axis=1)
    decoder, counts = ChanceDecoder(random), np.zeros((20_000, 3), np.uint8)
    decoder.fit(counts, kinematics)
    decoded = decode(decoder, counts)
    for found, expected, tolerance in zip(moments(decoded), moments(kinematics), (0.4, 0.2, 0.02), strict=True):
        np.testing.assert_allclose(found, expected, atol=tolerance)
    assert (np.abs(correlation(kinematics, decoded)) < 0.1).all()


def test_it_begins_anywhere_it_may_be_later(random):
    kinematics = wandering(random, 0.9, (2000, 1))
    firsts, counts = [], np.zeros((2000, 1), np.uint8)
    for seed in range(300):
        decoder = ChanceDecoder(np.random.default_rng(seed))
        decoder.fit(counts, kinematics)
        firsts.append(decoder.step(counts[0])[0])
    np.testing.assert_allclose(np.std(firsts), kinematics.std(), rtol=0.15)


def test_the_same_seed_gives_the_same_whatever_the_counts(random):
    data, outcomes = moving(random, 200), []
    for counts in (data.counts, data.counts[::-1]):
        decoder = ChanceDecoder(np.random.default_rng(5))
        decoder.fit(data.counts, data.kinematics)
        outcomes.append(decode(decoder, counts))
    np.testing.assert_array_equal(*outcomes)


def test_what_never_moved_stays_where_it_was(random):
    decoder = ChanceDecoder(random)
    decoder.fit(np.zeros((5, 1)), np.full((5, 2), 0.1))
    np.testing.assert_allclose(decode(decoder, np.zeros((3, 1))), 0.1)
