import numpy as np
import pytest

from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder, decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.stabilizer import Stabilized, align_loadings
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import r_squared

BINS, UNITS = 2000, 40


class Recorded:
    """A population of linear units, some of which change."""

    def __init__(self):
        self._random = np.random.default_rng(0)
        self.tuning = self._random.standard_normal((UNITS, 2))
        self.base = np.full(UNITS, 5.0)

    def change(self, units):
        self.tuning[units] = self._random.standard_normal((len(units), 2))
        self.base[units] += 4 * self._random.standard_normal(len(units))

    def counts(self, velocity):
        return velocity @ self.tuning.T + self.base + 3.0 * self._random.standard_normal((len(velocity), UNITS))


def wandering(seed, bins=BINS):
    """A velocity, smooth as a cursor's."""
    kicks = np.random.default_rng(seed).standard_normal((bins, 2))
    velocity = np.zeros((bins, 2))
    for t in range(1, bins):
        velocity[t] = 0.95 * velocity[t - 1] + 0.3 * kicks[t]
    return velocity


def stabilized(recorded, latents=2):
    decoder, velocity = Stabilized(KalmanDecoder(), latents), wandering(1)
    decoder.fit(recorded.counts(velocity), velocity)
    decoder.update(recorded.counts(wandering(2)))
    return decoder


def score(decoder, recorded):
    velocity = wandering(3)
    return r_squared(velocity, decode(decoder, recorded.counts(velocity))).mean()


def test_it_decodes_as_the_decoder_of_counts_does():
    recorded, velocity = Recorded(), wandering(1)
    plain = KalmanDecoder()
    plain.fit(recorded.counts(velocity), velocity)
    assert score(stabilized(recorded), recorded) == pytest.approx(score(plain, recorded), abs=0.03)


def test_it_follows_units_that_change_and_without_an_update_it_does_not():
    recorded = Recorded()
    decoder = stabilized(recorded)
    before = score(decoder, recorded)
    recorded.change(np.arange(15))
    lost = score(decoder, recorded)
    decoder.update(recorded.counts(wandering(4)))
    assert lost < before - 0.3
    assert score(decoder, recorded) > before - 0.05


def test_an_update_with_bins_of_rest_takes_out_the_pull_that_the_mean_of_all_bins_keeps():
    """The user pushes against a pull to the right; at rest nothing is pushed."""
    recorded, velocity = Recorded(), wandering(4)
    rest = np.arange(BINS) % 4 == 0
    pushed = np.where(rest[:, np.newaxis], 0.0, velocity - [2.0, 0.0])
    decoder, other = stabilized(recorded), stabilized(recorded)
    decoder.update(recorded.counts(np.where(rest[:, np.newaxis], 0.0, velocity)), rest)
    still = recorded.counts(np.zeros((500, 2)))
    counts = recorded.counts(pushed)
    decoder.update(counts, rest)
    other.update(counts)
    assert abs(decode(decoder, still).mean(axis=0)[0]) < 0.3
    assert decode(other, still).mean(axis=0)[0] > 1.0


def test_loadings_that_are_only_turned_are_turned_back():
    random = np.random.default_rng(0)
    first = random.standard_normal((30, 4))
    turn = np.linalg.qr(random.standard_normal((4, 4)))[0]
    np.testing.assert_allclose(first @ turn @ align_loadings(first, first @ turn), first, atol=1e-9)
    changed = first @ turn
    changed[:10] = 5 * random.standard_normal((10, 4))  # and half of the units are enough to see it
    changed[29] = 0.0
    np.testing.assert_allclose(turn @ align_loadings(first, changed), np.eye(4), atol=1e-9)


def test_it_needs_a_fit_and_the_units_of_the_fit():
    with pytest.raises(BadInputError, match="expected a fit"):
        Stabilized(KalmanDecoder()).step(np.zeros(3))
    with pytest.raises(BadInputError, match="expected a fit"):
        Stabilized(KalmanDecoder()).update(np.zeros((100, 3)))
    with pytest.raises(BadInputError, match="40 units"):
        stabilized(Recorded()).step(np.zeros(39))
    with pytest.raises(BadInputError, match="give more data"):
        stabilized(Recorded()).update(np.zeros((10, UNITS)))


def test_few_units_have_fewer_latents():
    random = np.random.default_rng(0)
    decoder, velocity = Stabilized(KalmanDecoder()), wandering(1)
    decoder.fit(velocity @ random.standard_normal((2, 6)) + random.standard_normal((BINS, 6)), velocity)
    assert decoder.latents == 3
    assert decoder.step(np.zeros(6)).shape == (2,)


def test_it_passes_on_the_status_of_the_decoder_inside():
    class Live(ReportingDecoder):
        @property
        def status(self):
            return DecoderStatus(live=True)

        def fit(self, counts, kinematics): ...
        def step(self, counts):
            return np.zeros(2)

    assert Stabilized(Live()).status.live
