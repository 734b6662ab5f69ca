import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import NoiseLevels
from tests.support.voltage_arrays import in_blocks, sum_of_templates, synthesiser

SAMPLES = 2000


def spikes(random: np.random.Generator, many: int, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Units and times of spikes, some of whose waveforms reach beyond the ends."""
    return random.integers(0, 6, many).astype(np.int32), np.sort(random.random(many)) * samples / INTAN.rate_hz


@settings(deadline=None)
@given(seed=some.integers(0, 1000), ends=some.lists(some.integers(1, SAMPLES - 1), max_size=12, unique=True))
def test_any_blocks_give_the_same_bits_as_the_plain_sum(seed, ends):
    units, times_s = spikes(np.random.default_rng(seed), 60)
    trace = in_blocks(synthesiser(), [*sorted(ends), SAMPLES], units, times_s)
    np.testing.assert_array_equal(
        trace, sum_of_templates(synthesiser(), SAMPLES, units, np.rint(times_s * INTAN.rate_hz).astype(int))
    )


def test_blocks_of_noise_and_spikes_are_the_same_bits_and_lie_row_by_row(random):
    units, times_s = spikes(random, 200, 30_000)
    levels = NoiseLevels(lfp_uv=50.0)
    whole = in_blocks(synthesiser(levels=levels), [30_000], units, times_s)
    parts = in_blocks(synthesiser(levels=levels), [1, 7, 600, 601, 20_000, 30_000], units, times_s)
    np.testing.assert_array_equal(whole, parts)
    block = synthesiser(levels=levels).block(0, 100, units[:0], times_s[:0])
    assert block.dtype == np.int16
    assert block.flags.c_contiguous


def test_without_noise_a_trough_is_at_the_sample_of_every_spike(random):
    made = synthesiser(units=8, channels=400, probe="utah")  # one channel a unit
    places = np.sort(random.choice(np.arange(1, 500), 300, replace=False)) * INTAN.span  # isolated
    jitter = random.uniform(-0.49, 0.49, len(places))
    units = random.integers(0, 8, len(places)).astype(np.int32)
    trace = in_blocks(made, [10_000, 20_000, 33_000], units, (places + jitter) / INTAN.rate_hz)
    for unit in range(8):
        channel, peak_uv = made.templates[unit].peak_channel, made.templates[unit].peak_uv
        below = trace[:, channel] < -0.5 * peak_uv / INTAN.microvolts_per_bit
        crossings = np.flatnonzero(below[1:] & ~below[:-1]) + 1
        troughs = [crossing + trace[crossing : crossing + 20, channel].argmin() for crossing in crossings]
        np.testing.assert_array_equal(troughs, places[units == unit])


def test_spikes_that_overlap_add_up():
    made = synthesiser()
    template = made.templates[2]
    trace = made.block(0, 200, np.array([2, 2, 2], np.int32), np.array([100, 100, 103]) / INTAN.rate_hz)
    channels = slice(template.first_channel, template.first_channel + template.waveform.shape[1])
    expected = np.zeros((200, template.waveform.shape[1]), int)
    expected[100 - INTAN.before : 100 - INTAN.before + INTAN.span] += 2 * template.waveform
    expected[103 - INTAN.before : 103 - INTAN.before + INTAN.span] += template.waveform
    np.testing.assert_array_equal(trace[:, channels], expected)


def test_what_int16_can_not_hold_is_cut_off_and_no_sum_before():
    made = synthesiser()
    many = np.full(300, 1, np.int32)
    waveform = made.templates[1].waveform
    channel = made.templates[1].peak_channel - made.templates[1].first_channel
    trace = made.block(0, 200, many, np.full(300, 100 / INTAN.rate_hz))
    expected = (300 * waveform[:, channel]).clip(-32768, 32767)
    assert expected.min() == -32768
    np.testing.assert_array_equal(trace[80:144, made.templates[1].peak_channel], expected)


def test_samples_left_out_leave_the_rest_as_it_is(random):
    units, times_s = spikes(random, 60)
    levels = NoiseLevels()
    whole = in_blocks(synthesiser(levels=levels), [SAMPLES], units, times_s)
    made = synthesiser(levels=levels)
    first = made.block(0, 700, units, times_s)  # told of all at once
    later = made.block(900, SAMPLES - 900, units[:0], times_s[:0])
    np.testing.assert_array_equal(first, whole[:700])
    np.testing.assert_array_equal(later, whole[900:])


@pytest.mark.parametrize("ends", [[1000], [310, 350, 1000], list(range(1, 1001))])
def test_an_artefact_jumps_and_decays_on_its_channels(ends):
    made = synthesiser()
    made.artefact(0, 300 / INTAN.rate_hz, -1000.0)
    made.artefact(None, 320 / INTAN.rate_hz, 100.0)
    trace = in_blocks(made, ends, np.zeros(0, np.int32), np.zeros(0)) * INTAN.microvolts_per_bit
    samples = np.arange(1000)
    everywhere = np.where(samples >= 320, 100 * np.exp(-(samples - 320) / 30.0), 0)
    here = np.where(samples >= 300, -1000 * np.exp(-(samples - 300) / 30.0), 0)
    np.testing.assert_allclose(trace[:, 1:], np.tile(everywhere[:, np.newaxis], (1, 7)), atol=0.2)
    np.testing.assert_allclose(trace[:, 0], everywhere + here, atol=0.6)
    assert not trace[:300].any()
    assert not trace[320 + 240 :].any()


def test_an_artefact_as_large_as_an_amplifier_can_show_is_cut_off():
    made = synthesiser(levels=NoiseLevels())
    made.artefact(None, 0.0, 50_000.0)
    assert made.block(0, 60, np.zeros(0, np.int32), np.zeros(0)).min() == 32767


def test_a_time_goes_to_the_nearest_sample():
    np.testing.assert_array_equal(INTAN.sample_of(np.array([0.0, 1.49, 1.51, 10**9]) / INTAN.rate_hz), [0, 1, 2, 10**9])
