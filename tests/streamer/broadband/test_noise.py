import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.integrate import quad
from scipy.signal import welch

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import TYPICAL, Noise, NoiseLevels, lfp_density, periodic_noise, pink_density
from tests.support.voltage_arrays import PERIOD

SILENT = NoiseLevels(own_uv=0.0, shared_uv=0.0, line_uv=0.0)
LONG = 2**18


def noise(channels: int = 40, levels: NoiseLevels = TYPICAL, period: int = PERIOD, seed: int = 0) -> Noise:
    return Noise(channels, levels, random_stream(seed, Purpose.VOLTAGE_NOISE), period, 2 * period)


SHORT = noise()


def microvolts(made: Noise, samples: int) -> np.ndarray:
    return made.block(0, samples) * INTAN.microvolts_per_bit


@settings(deadline=None)
@given(some.integers(0, 10**12), some.lists(some.integers(1, 20_000), min_size=2, max_size=4))
def test_any_block_is_the_same_samples(first, lengths):
    made = SHORT
    parts, at = [], first
    for length in lengths:
        parts.append(made.block(at, length))
        at += length
    np.testing.assert_array_equal(np.concatenate(parts), made.block(first, sum(lengths)))


def test_the_seed_draws_all():
    np.testing.assert_array_equal(noise(seed=3).block(0, 100), noise(seed=3).block(0, 100))
    assert not np.array_equal(noise(seed=3).block(0, 100), noise(seed=4).block(0, 100))


@pytest.mark.parametrize(
    ("density", "stated", "highest_hz"),
    [
        (lambda hz: pink_density(hz, 200.0), lambda hz: 1 + 200 / hz, INTAN.rate_hz / 2),
        (lambda hz: pink_density(hz, 2000.0), lambda hz: 1 + 2000 / hz, INTAN.rate_hz / 2),
        (lfp_density, lambda hz: hz**-2, 300.0),
    ],
)
def test_spectra_are_as_stated(random, density, stated, highest_hz):
    """By Welch's estimate; the whole power, from 1 Hz on, is 1."""
    trace = periodic_noise(density(np.fft.rfftfreq(2**20, 1 / INTAN.rate_hz)), random)
    assert trace.std() == pytest.approx(1, rel=0.1)
    bins_hz, power = welch(trace, INTAN.rate_hz, nperseg=2**15)
    whole, _ = quad(stated, 1, highest_hz, limit=1000)
    for low_hz in (5, 20, 100, 200, 1000, 10_000):
        band = (bins_hz >= low_hz) & (bins_hz < 1.2 * low_hz)
        expected = stated(bins_hz[band]).mean() / whole if low_hz < highest_hz else 0
        assert power[band].mean() == pytest.approx(expected, rel=0.2, abs=1e-9), low_hz


def test_the_levels_are_those_of_the_trace():
    own, shared, field = (
        microvolts(noise(4, levels, LONG), 2 * LONG)
        for levels in (
            NoiseLevels(own_uv=9.0, shared_uv=0.0, line_uv=0.0),
            NoiseLevels(own_uv=0.0, shared_uv=4.0, line_uv=0.0),
            NoiseLevels(own_uv=0.0, shared_uv=0.0, line_uv=0.0, lfp_uv=100.0),
        )
    )
    np.testing.assert_allclose(own.std(axis=0), 9.0, rtol=0.02)
    np.testing.assert_allclose(shared.std(axis=0), 4.0, rtol=0.02)
    assert (shared == shared[:, :1]).all()
    assert (field == field[:, :1]).all()
    assert field.std() == pytest.approx(100, rel=0.2)  # few cycles of its slow part


@pytest.mark.parametrize("line_hz", [50, 60])
def test_the_line_hums_at_its_frequency(line_hz):
    trace = microvolts(noise(2, NoiseLevels(0.0, 0.0, line_uv=20.0, line_hz=line_hz)), 3 * INTAN.rate_hz)
    expected = 20 * np.sin(2 * np.pi * line_hz * np.arange(3 * INTAN.rate_hz) / INTAN.rate_hz)
    np.testing.assert_allclose(trace, np.tile(expected, (2, 1)).T, atol=INTAN.microvolts_per_bit)


def test_channels_correlate_by_what_they_share_alone():
    made = noise(channels=100, levels=NoiseLevels(own_uv=6.0, shared_uv=3.0, line_uv=0.0), period=LONG)
    correlation = np.asarray(np.corrcoef(made.block(0, LONG).T))
    off_diagonal = correlation[~np.eye(100, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, 9 / (36 + 9), atol=0.03)


def test_a_pool_ends_without_a_seam():
    """The steps across the end are as large as any others, and differences of differences too."""
    made = noise(levels=NoiseLevels(own_uv=8.0, shared_uv=0.0, corner_hz=15_000.0, line_uv=0.0))
    np.testing.assert_array_equal(made.block(0, 100), made.block(PERIOD, 100))
    trace = made.block(PERIOD - 1000, 2000) * INTAN.microvolts_per_bit
    for order in (1, 2):
        steps = np.diff(trace, order, axis=0)
        seam = steps[999 - order + 1 : 1000]
        assert np.abs(seam).max() < np.abs(np.delete(steps, range(999 - order + 1, 1000), axis=0)).max()
        assert seam.std() < 1.5 * steps.std()


def test_a_seam_would_be_seen():
    """The same test on noise that is cut off anywhere: slow noise jumps there."""
    slow = np.cumsum(np.random.Generator(np.random.Philox(0)).standard_normal((2000, 40)), axis=0)
    joined = np.concatenate([slow[-1000:], slow[:1000]])
    steps = np.diff(joined, axis=0)
    assert np.abs(steps[999]).max() > np.abs(np.delete(steps, 999, axis=0)).max()


def test_no_noise_is_silence():
    assert not noise(levels=SILENT).block(0, 1000).any()
