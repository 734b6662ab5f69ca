"""Drift, bursts, far units, propagation, and other rates."""

import numpy as np
import pytest
from scipy.signal import welch

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.adaptation import RECOVERY_S, Adaptation
from spikeloop.streamer.broadband.amplifier import Amplifier
from spikeloop.streamer.broadband.drift import Drift, DriftingTemplates
from spikeloop.streamer.broadband.far_units import FarSpikes, place_far_units
from spikeloop.streamer.broadband.noise import Noise, NoiseLevels
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.templates import draw_neurons, make_templates, template_of
from tests.support.tiny import tiny_stream_card

UNITS, SEED = 6, 5
RATES = (20_000, 25_000, 30_000, 32_000)
NONE = np.zeros(0, np.int32), np.zeros(0)


def opened(**options):
    """A small synthesiser of a card with six units, without noise."""
    asked = VoltageOptions(**({"probe": "linear", "channels": 24} | options))
    return open_broadband(tiny_stream_card(UNITS), SEED, asked, None)


def spikes(random: np.random.Generator, many: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    return random.integers(0, UNITS, many).astype(np.int32), np.sort(random.random(many)) * seconds


@pytest.mark.parametrize(
    "options",
    [
        {"sampling_rate_hz": 32_000},
        {"drift_um": 30.0, "drift_period_s": 1.0},
        {"adaptation": 0.4},
        {"far_units": 40},
        {"propagation_m_s": 0.5},
        {"sampling_rate_hz": 25_000, "drift_um": 30.0, "drift_period_s": 1.0, "adaptation": 0.4, "far_units": 40},
    ],
    ids=lambda options: " ".join(options),
)
def test_any_blocks_give_the_same_bits(random, options):
    rate_hz = options.get("sampling_rate_hz", 30_000)
    units, times_s = spikes(random, 300, 1.0)

    def trace(ends):
        made, parts, first, told = opened(**options), [], 0, 0
        for end in ends:
            until = int(np.searchsorted(times_s, (end + made.amplifier.before) / rate_hz))
            parts.append(made.block(first, end - first, units[told:until], times_s[told:until]))
            first, told = end, until
        return np.concatenate(parts)

    whole = trace([rate_hz])
    np.testing.assert_array_equal(whole, trace([1, 640, 641, 5000, 5600, 17_123, rate_hz]))
    assert whole.any()


@pytest.mark.parametrize("rate_hz", RATES)
def test_at_any_rate_a_trough_is_at_the_sample_of_its_spike_with_the_same_size(rate_hz):
    made, usual = opened(sampling_rate_hz=rate_hz), opened()
    template, expected = made.templates[2], usual.templates[2]
    at_s = 0.01
    trace = made.block(0, rate_hz // 20, np.array([2], np.int32), np.array([at_s]))[:, template.peak_channel]
    assert trace.argmin() == round(at_s * rate_hz)
    assert -trace.min() * 0.195 == pytest.approx(template.peak_uv, abs=0.2)
    assert template.peak_uv == expected.peak_uv
    at_30_khz = usual.block(0, 1500, np.array([2], np.int32), np.array([at_s]))[:, template.peak_channel]
    width_s = np.count_nonzero(trace < trace.min() / 2) / rate_hz
    assert width_s == pytest.approx(
        np.count_nonzero(at_30_khz < at_30_khz.min() / 2) / 30_000, abs=1.01 / rate_hz + 1 / 30_000
    )


@pytest.mark.parametrize("rate_hz", RATES)
def test_at_any_rate_the_line_hums_at_its_own_frequency(rate_hz):
    levels = NoiseLevels(own_uv=0.5, shared_uv=0, line_uv=20.0, line_hz=60)
    noise = Noise(2, levels, random_stream(0, Purpose.VOLTAGE_NOISE), 2**14, 2**15, Amplifier(rate_hz))
    frequencies_hz, power = welch(noise.block(0, 4 * rate_hz)[:, 0], rate_hz, nperseg=rate_hz)
    assert frequencies_hz[power.argmax()] == 60


def test_a_spike_arrives_later_the_further_a_channel_is_by_the_speed():
    probe, speed_m_s = open_probe("linear", 60), 0.5
    fast = Amplifier(50_000)
    for neuron in draw_neurons(probe, 10, random_stream(3, Purpose.TEMPLATES)):
        template = template_of(neuron, probe, fast, speed_m_s)
        channels = template.first_channel + np.arange(template.waveform.shape[1])
        away_um = np.linalg.norm(probe.positions_um[channels] - neuron.position_um[:2], axis=1)
        distances_um = np.hypot(away_um, neuron.position_um[2])
        large = template.waveform.min(axis=0) < -60  # so that rounding to bits doesn't hide the trough
        late_s = (template.waveform.argmin(axis=0) - fast.before) / fast.rate_hz
        expected_s = (distances_um - distances_um.min()) / speed_m_s * 1e-6
        np.testing.assert_allclose(late_s[large], expected_s[large], rtol=0, atol=1.01 / fast.rate_hz)
        assert late_s[template.peak_channel - template.first_channel] == 0
        order = np.argsort(distances_um[large])
        assert (np.diff(late_s[large][order]) >= 0).all()


def test_without_propagation_every_channel_has_its_trough_at_once():
    for template in make_templates(open_probe("linear", 60), 10, random_stream(3, Purpose.TEMPLATES)):
        large = template.waveform.min(axis=0) < -60
        assert set(template.waveform[:, large].argmin(axis=0)) == {20}


def test_a_probe_moves_as_a_triangle():
    drift = Drift(40.0, 10.0)
    found = [drift.moved_um(at_s) for at_s in (0, 2.5, 5, 7.5, 10, 12.5)]
    np.testing.assert_allclose(found, [0, 20, 40, 20, 0, 20], atol=1e-12)


def test_a_drift_by_two_rows_moves_a_waveform_by_two_rows():
    """On a probe whose rows are alike."""
    probe, amplifier = open_probe("linear", 60), Amplifier()
    neurons = draw_neurons(probe, 20, random_stream(1, Purpose.TEMPLATES))
    drifting, checked = DriftingTemplates(neurons, probe, amplifier, Drift(40.0, 10.0)), 0
    for unit, neuron in enumerate(neurons):
        before, after = drifting.at(unit, 0), drifting.at(unit, 5 * amplifier.rate_hz)
        if not 250 < neuron.position_um[1] < 350:  # others have the probe's end in reach
            continue
        checked += 1
        assert after.peak_channel == before.peak_channel - 4
        assert after.first_channel == before.first_channel - 4
        np.testing.assert_array_equal(after.waveform, before.waveform)
        again = drifting.at(unit, 10 * amplifier.rate_hz)
        np.testing.assert_array_equal(again.waveform, before.waveform)
        assert again.first_channel == before.first_channel
    assert checked >= 2


def test_a_drift_moves_the_channel_where_a_unit_is_largest():
    made = opened(drift_um=100.0, drift_period_s=4.0)
    middle = max(range(UNITS), key=lambda unit: made.templates[unit].position_um[1])
    troughs = []
    for at_s in (0.01, 1.99):
        trace = made.block(round((at_s - 0.005) * 30_000), 300, np.array([middle], np.int32), np.array([at_s]))
        troughs.append(int(trace.min(axis=0).argmin()))
    assert troughs[0] == made.templates[middle].peak_channel
    assert troughs[0] - troughs[1] in (9, 10, 11)  # five rows of two


def test_amplitudes_fall_at_short_intervals_and_recover():
    adaptation = Adaptation(2, 0.3)
    times_s = np.array([0.0, 0.004, 0.008, 0.012, 1.0])
    factors = adaptation.factors(np.zeros(5, np.int32), times_s)
    assert factors[0] == 1
    assert (np.diff(factors[:4]) < 0).all()
    assert factors[1] == pytest.approx(1 - 0.3 * np.exp(-0.004 / RECOVERY_S))
    assert factors[4] == pytest.approx(1, abs=1e-12)
    np.testing.assert_array_equal(adaptation.factors(np.array([1], np.int32), np.array([1.0])), 1)  # each by itself
    intervals = [
        Adaptation(1, 0.3).factors(np.zeros(2, np.int32), np.array([0, gap]))[1] for gap in (0.002, 0.01, 0.05)
    ]
    assert intervals == sorted(intervals)


def test_a_burst_has_falling_spikes_in_the_trace():
    made = opened(adaptation=0.3)
    unit, times_s = 1, np.array([0.01, 0.015, 0.02, 0.025])
    trace = made.block(0, 1500, np.full(4, unit, np.int32), times_s)[:, made.templates[unit].peak_channel]
    troughs = [-trace[round(at_s * 30_000)] * 0.195 for at_s in times_s]
    expected = made.templates[unit].peak_uv * Adaptation(1, 0.3).factors(np.zeros(4, np.int32), times_s)
    np.testing.assert_allclose(troughs, expected, atol=0.3)
    assert troughs == sorted(troughs, reverse=True)


@pytest.mark.parametrize("name", ["utah", "linear", "tetrodes"])
def test_far_units_lie_beyond_what_can_be_told_apart(random, name):
    probe = open_probe(name, 32)
    positions_um = place_far_units(probe, 500, random)
    away_um = np.linalg.norm(positions_um[:, np.newaxis, :2] - probe.positions_um, axis=2)
    distances_um = np.hypot(away_um, positions_um[:, 2:]).min(axis=1)
    assert len(positions_um) == 500
    assert distances_um.min() >= 100
    assert distances_um.max() <= 200
    if name == "utah":  # whose channels are further apart than that, so that the space around each is whole
        assert np.median(distances_um) == pytest.approx(np.cbrt((100**3 + 200**3) / 2), rel=0.05)


def test_far_spikes_come_at_their_rates_and_do_not_depend_on_the_calls():
    far = FarSpikes(30, 30_000, 1)
    units, samples = far.until(0, 60 * 30_000)
    found_hz = np.bincount(units, minlength=30) / 60
    np.testing.assert_allclose(found_hz, far.rates_hz, atol=4 * np.sqrt(far.rates_hz.max() / 60))
    in_parts = FarSpikes(30, 30_000, 1)
    parts = [in_parts.until(end - 1000, end) for end in range(1000, 60 * 30_000 + 1, 1000)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), units)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), samples)


def test_far_units_add_background_that_the_seed_draws_and_no_true_unit():
    made, again, none = opened(far_units=100), opened(far_units=100), opened()
    trace = made.block(0, 30_000, *NONE)
    np.testing.assert_array_equal(trace, again.block(0, 30_000, *NONE))
    assert trace.any()
    assert not none.block(0, 30_000, *NONE).any()
    assert trace.min() * 0.195 > -200
    assert len(made.templates) == UNITS
    assert made.far_units == 100
