import numpy as np
import pytest

from spikeloop.models.measures.bursts import burst_share, burst_size_distribution


def bursts_of(train, longest):
    """Spikes of each burst of one unit in one window, spike by spike."""
    times = np.repeat(np.arange(len(train)), train)
    sizes = [1]
    for interval in np.diff(times):
        sizes = [*sizes[:-1], sizes[-1] + 1] if interval <= longest else [*sizes, 1]
    return [size for size in sizes if size >= 3] if len(times) else []


def test_bursts_are_what_a_loop_over_spikes_finds(random):
    windows = random.poisson(0.4 * random.gamma(0.2, 1.0, (50, 40, 3))).astype(np.uint8)
    sizes = [
        [size for window in windows for size in bursts_of(window[:, unit], 0.25 / windows[:, :, unit].mean())]
        for unit in range(3)
    ]
    share = [sum(found) / windows[:, :, unit].sum() for unit, found in enumerate(sizes)]
    np.testing.assert_allclose(burst_share(windows), share)
    pooled = np.concatenate(sizes).astype(int)
    assert len(pooled) > 20
    np.testing.assert_allclose(burst_size_distribution(windows), np.bincount(pooled) / len(pooled))


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_spikes_of_a_bernoulli_process_are_in_bursts_as_often_as_chance_has_it(random, rate):
    """A spike is alone, or one of two, with chances that follow from that of a short interval, p."""
    windows = (random.random((1, 1_000_000, 3)) < rate).astype(np.uint8)
    p = 1 - (1 - rate) ** np.floor(0.25 / windows.mean(axis=(0, 1)))
    expected = 1 - (1 - p) ** 2 - 2 * p * (1 - p) ** 2
    np.testing.assert_allclose(burst_share(windows).mean(), expected.mean(), rtol=0.1)
    sizes = burst_size_distribution(windows)
    chance = float(p.mean())
    np.testing.assert_allclose(sizes[3:6], (1 - chance) * chance ** np.arange(3), atol=0.04)


def test_a_unit_without_bursts_has_none():
    windows = np.zeros((3, 40, 2), np.uint8)
    windows[:, ::10, 0] = 1
    np.testing.assert_array_equal(burst_share(windows), 0)
    np.testing.assert_array_equal(burst_size_distribution(windows), [0])
