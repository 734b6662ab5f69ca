"""What holds of every decoder."""

import numpy as np
import pytest

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import decode, standards_of
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import r_squared
from tests.support.reaching import moving

READERS = {
    "ridge": RidgeDecoder,
    "wiener": lambda: RidgeDecoder(penalties=WIENER_PENALTIES),
    "Kalman": KalmanDecoder,
    "population vector": PopulationVectorDecoder,
    "shaped": lambda: Shaped(KalmanDecoder(), gain=0.9, smoothing=0.5),
    "binned": lambda: Binned(KalmanDecoder(), bins=3),
}
DECODERS = READERS | {"chance": lambda: ChanceDecoder(np.random.default_rng(0))}

of_every_reader = pytest.mark.parametrize("make", READERS.values(), ids=READERS)
of_every_decoder = pytest.mark.parametrize("make", DECODERS.values(), ids=DECODERS)


def fit(make, data):
    decoder = make()
    decoder.fit(data.counts, data.kinematics)
    return decoder


@of_every_reader
def test_it_reads_tuned_units_and_nothing_from_shuffled_bins(make, random):
    training, test = moving(random, 6000), moving(random, 2000)
    decoder = fit(make, training)
    assert (r_squared(test.kinematics, decode(decoder, test.counts)) > 0.4).all()
    decoder.fit(random.permutation(training.counts), training.kinematics)
    assert (np.abs(r_squared(test.kinematics, decode(decoder, test.counts))) < 0.1).all()


@of_every_decoder
def test_segments_join_to_the_whole_and_no_bin_is_known_before_it_comes(make, random):
    data = moving(random, 500)
    one, other = fit(make, data), fit(make, data)
    segments = [decode(other, segment) for segment in np.split(data.counts, [1, 7, 200])]
    np.testing.assert_array_equal(decode(one, data.counts), np.concatenate(segments))


@of_every_reader
def test_a_fit_forgets_the_bins_before_it(make, random):
    data, later = moving(random, 500), moving(random, 40)
    fresh, used = fit(make, data), fit(make, moving(random, 500))
    decode(used, later.counts[::-1])
    used.fit(data.counts, data.kinematics)
    np.testing.assert_array_equal(decode(used, later.counts), decode(fresh, later.counts))


@of_every_decoder
def test_kinematics_of_another_unit_of_measure_are_decoded_in_it(make, random):
    data, later = moving(random, 500), moving(random, 40)
    one, other = make(), make()
    one.fit(data.counts, data.kinematics)
    other.fit(data.counts, 1000 * data.kinematics)
    np.testing.assert_allclose(decode(other, later.counts), 1000 * decode(one, later.counts), rtol=1e-6)


@of_every_decoder
def test_what_a_step_gave_is_the_callers_own(make, random):
    data = moving(random, 500)
    one, other = fit(make, data), fit(make, data)
    for counts in data.counts[:20]:
        mine = one.step(counts)
        np.testing.assert_array_equal(mine, other.step(counts))
        mine[:] = np.nan


@of_every_decoder
def test_counts_come_as_whatever_numbers_and_are_left_as_they_were(make, random):
    data = moving(random, 500)
    before = data.counts.copy()
    whole = decode(fit(make, data), data.counts)
    floating = decode(fit(make, data), data.counts.astype(np.float32))
    np.testing.assert_allclose(floating, whole)
    np.testing.assert_array_equal(data.counts, before)


@of_every_reader
def test_silent_units_and_copies_do_no_harm(make, random):
    training, test = moving(random, 3000), moving(random, 1000)
    plain = r_squared(test.kinematics, decode(fit(make, training), test.counts))
    odd = [
        np.concatenate([each.counts, each.counts[:, :1], np.full((len(each.counts), 1), spike, np.uint8)], axis=1)
        for each, spike in ((training, 0), (test, 1))
    ]
    decoder = make()
    decoder.fit(odd[0], training.kinematics)
    np.testing.assert_allclose(r_squared(test.kinematics, decode(decoder, odd[1])), plain, atol=0.05)


@of_every_decoder
def test_what_does_not_fit_is_refused(make, random):
    data, decoder = moving(random, 200), make()
    with pytest.raises(BadInputError, match="a fit before the first step"):
        decoder.step(data.counts[0])
    for counts in (data.counts[1:], data.counts[0], data.counts[:0]):
        with pytest.raises(BadInputError, match="of as many bins"):
            decoder.fit(counts, data.kinematics)
    gap = data.kinematics.copy()
    gap[5:8, 1] = np.nan
    with pytest.raises(BadInputError, match="NaN or infinity in 3 of 200 bins"):
        decoder.fit(data.counts, gap)
    decoder.fit(data.counts, data.kinematics)
    for counts in (data.counts[0, 1:], data.counts):
        with pytest.raises(BadInputError, match=r"\(12 units,\) as in the fit"):
            decoder.step(counts)
    for counts in (data.counts[0], data.counts[:0]):
        with pytest.raises(BadInputError, match="1 bin or more"):
            decode(decoder, counts)


def test_standards_are_those_of_the_data_but_for_units_that_never_vary(random):
    data = moving(random, 300)
    counts = np.concatenate([data.counts, np.full((300, 1), 7, np.uint8)], axis=1)
    standards = standards_of(counts, data.kinematics)
    np.testing.assert_allclose(standards.mean, counts.mean(axis=0))
    np.testing.assert_allclose(standards.scale, [*data.counts.std(axis=0), 1])
    np.testing.assert_allclose(standards.offset, data.kinematics.mean(axis=0))
