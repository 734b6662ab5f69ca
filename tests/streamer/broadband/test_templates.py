import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.spatial.distance import cdist

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.templates import decay, make_templates


@settings(deadline=None)
@given(some.integers(0, 10_000), some.sampled_from(["utah", "linear"]))
def test_every_trough_is_at_its_sample_on_the_nearest_channel(seed, name):
    probe = open_probe(name, 24)
    for template in make_templates(probe, 10, random_stream(seed, Purpose.TEMPLATES)):
        bits = template.waveform[:, template.peak_channel - template.first_channel]
        assert bits.shape == (INTAN.span,)
        assert bits.argmin() == INTAN.before
        assert np.sort(bits)[0] < np.sort(bits)[1]  # once
        assert bits[INTAN.before] * INTAN.microvolts_per_bit == pytest.approx(
            -template.peak_uv, abs=INTAN.microvolts_per_bit
        )
        assert np.abs(template.waveform).max() == -bits[INTAN.before]
        assert bits.max() > 0  # two phases, the positive one later
        assert bits.argmax() > INTAN.before
        assert np.abs(bits[[0, -1]]).max() < 0.02 * -bits[INTAN.before]  # it begins and ends without a step
        distances_um = np.hypot(
            cdist(template.position_um[np.newaxis, :2], probe.positions_um), template.position_um[2]
        )
        assert distances_um.argmin() == template.peak_channel


def test_amplitudes_fall_with_distance_as_1_over_r_then_1_over_r2_and_end():
    at = decay(np.array([5.0, 15, 25, 50, 100, 200, 200.1]))
    np.testing.assert_allclose(at, [25 / 15, 25 / 15, 1, 0.5, 0.25, 0.0625, 0])


def test_a_waveform_is_one_shape_scaled_by_distance():
    probe = open_probe("linear", 40)
    for template in make_templates(probe, 20, random_stream(3, Purpose.TEMPLATES)):
        run = probe.positions_um[template.first_channel :][: template.waveform.shape[1]]
        distances_um = np.hypot(cdist(template.position_um[np.newaxis, :2], run), template.position_um[2])[0]
        expected = decay(distances_um) / decay(distances_um.min(keepdims=True))
        troughs = template.waveform[INTAN.before] * -INTAN.microvolts_per_bit / template.peak_uv
        np.testing.assert_allclose(troughs, expected, atol=INTAN.microvolts_per_bit / template.peak_uv)
        reached = decay(
            np.hypot(cdist(template.position_um[np.newaxis, :2], probe.positions_um), template.position_um[2])
        )
        assert np.count_nonzero(reached) == np.count_nonzero(expected)  # none left out


def test_the_seed_draws_all():
    probe = open_probe("utah")
    first, again, other = (make_templates(probe, 5, random_stream(seed, Purpose.TEMPLATES)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.waveform, b.waveform) for a, b in zip(first, other, strict=True))
