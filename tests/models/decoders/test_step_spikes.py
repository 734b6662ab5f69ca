import numpy as np
import pytest

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder, decode, status_of
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.decoders.step_spikes import DrawnSpikes, StepSpikes, joined, spikes_in_bin
from spikeloop.models.random_streams import Purpose, random_stream

BIN_S = 0.02


class Listener(ReportingDecoder):
    """Remembers the spikes of each step; the velocity is their number and the step's end."""

    @property
    def status(self):
        return DecoderStatus(events=True)

    def __init__(self):
        self.heard = []

    def fit(self, counts, kinematics):
        self.heard.clear()

    def step(self, counts):
        raise AssertionError("has times")

    def step_spikes(self, spikes):
        self.heard.append(spikes)
        return np.array([len(spikes.units), spikes.until_s])


@pytest.fixture
def steps(random):
    return [spikes_in_bin(random.poisson(1.5, 5), bin, BIN_S, random) for bin in range(12)]


def test_each_spike_of_the_counts_has_a_time_inside_its_bin(random):
    drawn, counts = DrawnSpikes(BIN_S, random), random.poisson(1.5, (50, 7))
    for bin, bin_counts in enumerate(counts):
        spikes = drawn.next(bin_counts)
        np.testing.assert_array_equal(np.bincount(spikes.units, minlength=7), bin_counts)
        assert (np.diff(spikes.times_s) >= 0).all()
        assert ((bin * BIN_S <= spikes.times_s) & (spikes.times_s <= spikes.until_s)).all()
        assert spikes.until_s == pytest.approx((bin + 1) * BIN_S)


def test_times_are_those_of_the_seed_and_spread_evenly():
    times = []
    for seed in (1, 1, 2):
        drawn = DrawnSpikes(1.0, random_stream(seed, Purpose.DECODER_EVENT_TIMES))
        times.append(drawn.next(np.full(10, 200)).times_s)
    np.testing.assert_array_equal(times[0], times[1])
    assert not np.array_equal(times[0], times[2])
    np.testing.assert_allclose(np.quantile(times[0], [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.05)


def test_counts_that_are_no_numbers_of_spikes_have_the_nearest_number():
    units = DrawnSpikes(BIN_S, np.random.default_rng(0)).next(np.array([1.2, -3.0, 0.4, 2.0])).units
    assert sorted(units) == [0, 3, 3]


def test_what_stands_around_a_decoder_of_spike_times_says_so_and_passes_them_on(steps):
    inside = Listener()
    shaped = Shaped(Binned(inside, 3), gain=2.0)
    assert status_of(shaped).events
    shaped.fit(np.ones((30, 5)), np.zeros((30, 2)))
    found = [shaped.step_spikes(spikes) for spikes in steps]
    assert len(inside.heard) == 4
    for run, heard in enumerate(inside.heard):
        expected = joined(steps[3 * run : 3 * run + 3])
        np.testing.assert_array_equal(heard.units, expected.units)
        np.testing.assert_array_equal(heard.times_s, expected.times_s)
        assert heard.until_s == steps[3 * run + 2].until_s
        np.testing.assert_array_equal(found[3 * run + 2], [2 * len(heard.units), 2 * heard.until_s])
    np.testing.assert_array_equal(found[3], found[2])  # held


def test_several_bins_are_decoded_from_their_spikes(steps):
    decoder = Listener()
    found = decode(decoder, np.zeros((12, 5)), steps)
    np.testing.assert_array_equal(found[:, 0], [len(spikes.units) for spikes in steps])
    assert decoder.heard == steps


def test_steps_in_a_row_join(steps):
    whole = joined(steps)
    assert len(whole.units) == len(whole.times_s) == sum(len(spikes.units) for spikes in steps)
    assert (np.diff(whole.times_s) >= 0).all()
    assert isinstance(whole, StepSpikes)
