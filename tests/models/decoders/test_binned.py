import numpy as np
import pytest

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.errors import BadInputError
from tests.support.reaching import moving


def test_it_is_the_decoder_of_summed_counts_and_mean_kinematics_one_run_late(random):
    data, later = moving(random, 602), moving(random, 60)
    binned, plain = Binned(KalmanDecoder(), bins=4), KalmanDecoder()
    binned.fit(data.counts, data.kinematics)
    averaged = data.kinematics[:600].reshape(150, 4, 2).mean(axis=1)
    plain.fit(data.counts[:600].reshape(150, 4, 12).sum(axis=1), averaged)
    expected = decode(plain, later.counts.reshape(15, 4, 12).sum(axis=1))
    decoded = decode(binned, later.counts)
    np.testing.assert_allclose(decoded[:3], np.tile(averaged.mean(axis=0), (3, 1)))
    np.testing.assert_allclose(decoded[3:], np.repeat(expected, 4, axis=0)[:57])


def test_runs_of_one_bin_change_nothing(random):
    data = moving(random, 300)
    binned, plain = Binned(KalmanDecoder(), bins=1), KalmanDecoder()
    for decoder in (binned, plain):
        decoder.fit(data.counts, data.kinematics)
    np.testing.assert_array_equal(decode(binned, data.counts), decode(plain, data.counts))


def test_a_run_may_hold_more_spikes_than_a_byte_counts(random):
    counts = random.integers(0, 200, (400, 2)).astype(np.uint8)
    kinematics = counts.astype(np.float64)
    binned = Binned(KalmanDecoder(), bins=10)
    binned.fit(counts, kinematics)
    decoded = decode(binned, counts)[9::10]
    np.testing.assert_allclose(decoded, kinematics.reshape(40, 10, 2).mean(axis=1), atol=1)


def test_runs_without_bins_and_data_without_runs_are_refused(random):
    with pytest.raises(BadInputError, match="runs of 1 bin or more, found 0"):
        Binned(KalmanDecoder(), 0)
    data = moving(random, 9)
    with pytest.raises(BadInputError, match="a run of 10 bins or more, found 9"):
        Binned(KalmanDecoder(), 10).fit(data.counts, data.kinematics)
