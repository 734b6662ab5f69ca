"""A population on the electrodes of a CL1, without the vendor's SDK."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloop
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.bridges import cl_population
from spikeloop.streamer.bridges.cl_population import AMPLIFIER, CHANNELS, UNUSED, ClFrames, ClPopulation
from spikeloop.streamer.bridges.cl_truth import ClTruth
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.step import timed_spikes
from tests.support.stimulated import UNITS, Poisson

FRAMES = 20_000
STRONG = (160, 160), (-3.0, 3.0)  # durations and currents of a pulse's phases


@pytest.fixture(autouse=True)
def brief_noise():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cl_population, "OWN_PERIOD", 2**12)
        patch.setattr(cl_population, "SHARED_PERIOD", 2**12)
        yield


def population(rate_hz: float = 20.0, seed: int = 3) -> ClPopulation:
    return ClPopulation(Poisson(rate_hz), RestFeed(()), seed, threshold_ua=1.0)


def read(made: ClPopulation, cuts=(), pulses=(), frames: int = FRAMES) -> ClFrames:
    """Frames that are read in parts; each pulse, (frame, channel, durations, currents), is given before its part."""
    edges = sorted({0, frames, *cuts})
    parts = []
    for begin, end in pairwise(edges):
        for frame, *pulse in pulses:
            if begin <= frame < end:
                assert made.stimulate(pulse[0], frame, *pulse[1:]) == frame
        parts.append(made.read(end - begin))
    return ClFrames(*map(np.concatenate, zip(*parts, strict=True)))


def assert_same(found: ClFrames, expected: ClFrames) -> None:
    for name, part in expected._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), part)


@settings(max_examples=5)
@given(st.sets(st.integers(1, FRAMES - 1), max_size=40))
def test_frames_and_spikes_are_the_same_however_they_are_cut(cuts):
    channel = int(population().unit_channels[0])
    pulses = [(frame, channel, *STRONG) for frame in (0, 1000, 1004, 9321)]
    assert_same(read(population(), cuts, pulses), read(population(), (), pulses))


def test_spikes_are_those_of_the_source_at_their_times():
    made = read(population())
    counts = Poisson(20.0).next(801)
    spikes = timed_spikes(counts, 0, 0.0, 0.001, random_stream(3, Purpose.EVENT_TIMES))
    np.testing.assert_array_equal(made.spike_frames, np.rint(spikes.times_s * 25_000))
    np.testing.assert_array_equal(made.spike_units, spikes.units)


def test_each_spike_is_in_the_voltage_of_its_electrode():
    made = population(rate_hz=5.0)
    frames = read(made)
    first = AMPLIFIER.before
    for unit in range(UNITS):
        troughs = frames.spike_frames[(frames.spike_units == unit) & (frames.spike_frames > 100)]
        troughs = troughs[troughs < FRAMES - 100]
        column = frames.voltage[:, made.unit_channels[unit]] * AMPLIFIER.microvolts_per_bit
        around = np.mean(
            [column[trough - first : trough - first + made.waveforms_uv.shape[1]] for trough in troughs], 0
        )
        assert np.abs(around - made.waveforms_uv[unit]).max() < 0.5 * -made.waveforms_uv[unit].min()
        assert made.waveforms_uv[unit].argmin() == first


def test_grounded_channels_and_the_reference_record_zeros_and_others_noise():
    made = read(population(rate_hz=0.0))
    assert made.voltage.shape == (FRAMES, CHANNELS)
    assert made.voltage.dtype == np.int16
    assert not made.voltage[:, UNUSED].any()
    assert (np.delete(made.voltage, UNUSED, axis=1).std(axis=0) > 10).all()


def test_a_pulse_evokes_spikes_1_to_4_ms_later_where_it_is_and_nowhere_else():
    channel = int(population().unit_channels[2])
    pulses = [(frame, channel, *STRONG) for frame in range(100, FRAMES - 200, 200)]
    plain, made = read(population()), read(population(), range(0, FRAMES, 5), pulses)
    near = np.flatnonzero(population().unit_channels == channel)
    far, plain_far = ~np.isin(made.spike_units, near), ~np.isin(plain.spike_units, near)
    np.testing.assert_array_equal(made.spike_frames[far], plain.spike_frames[plain_far])
    evoked = made.spike_frames[np.isin(made.spike_units, near)]
    answered = 0
    for frame, *_ in pulses:
        delays_ms = (evoked[evoked >= frame] - frame) / 25
        answered += bool(((delays_ms >= 1) & (delays_ms <= 4)).any())
    assert answered > 0.9 * len(pulses)


def test_a_pulse_leaves_its_artefact_on_every_electrode():
    made = population(rate_hz=0.0)
    channel = int(made.unit_channels[0])
    plain, pulsed = read(population(rate_hz=0.0)), read(made, (), [(1000, channel, *STRONG)])
    difference = pulsed.voltage[1000].astype(int) - plain.voltage[1000]
    np.testing.assert_array_equal(np.delete(difference, UNUSED), round(30 * 3.0 / 0.195))
    np.testing.assert_array_equal(pulsed.voltage[:1000], plain.voltage[:1000])


@pytest.mark.parametrize("phases", [((160,), (3.0,)), ((), ()), ((20, 20), (-0.1, 0.1))])
def test_anodic_empty_and_weak_pulses_evoke_nothing(phases):
    channel = int(population().unit_channels[0])
    silent = read(population(rate_hz=0.0), (), [(1000, channel, *phases)])
    assert not len(silent.spike_frames)


def test_a_pulse_that_comes_late_acts_at_the_next_frame():
    made = population(rate_hz=0.0)
    made.read(500)
    assert made.stimulate(int(made.unit_channels[0]), 100, *STRONG) == 500
    spikes = made.read(200)
    assert len(spikes.spike_frames)
    assert ((spikes.spike_frames >= 525) & (spikes.spike_frames <= 600)).all()


def test_the_truth_is_written_as_it_was(tmp_path):
    made = population()
    truth = ClTruth(made, timed=True)
    frames = made.read(FRAMES)
    truth.time(0, 1000.02)
    truth.time(25, 1000.003)  # the first was late
    truth.spikes(frames.spike_frames, frames.spike_units)
    truth.pulse(7, 33)
    truth.write(tmp_path / "truth.npz")
    with np.load(tmp_path / "truth.npz") as got:
        np.testing.assert_array_equal(got["samples"], frames.spike_frames)
        np.testing.assert_array_equal(got["unit_ids"], frames.spike_units)
        np.testing.assert_array_equal(got["channels"], made.unit_channels)
        np.testing.assert_allclose(got["spike_times"], frames.spike_frames / 25_000)
        assert (got["pulses"].tolist(), int(got["rate_hz"])) == ([[7, 33]], 25_000)
        assert tuple(got["unit_names"]) == made.unit_names
        assert float(got["lsl_start_s"]) == pytest.approx(1000.002)
    recording = spikeloop.read_recording(tmp_path / "truth.npz", bin_size_s=0.02)
    assert recording.counts.sum() == len(frames.spike_frames)
