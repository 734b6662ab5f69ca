import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from spikeloop.models.errors import BadInputError
from spikeloop.models.sorting.clock_offset import find_offset


def spikes(seed: int, many: int = 3000, seconds: float = 60.0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).uniform(0, seconds, many))


@settings(deadline=None, max_examples=20)
@given(some.floats(-1e5, 1e5), some.integers(0, 100))
def test_any_offset_is_found_though_spikes_were_lost_added_and_jittered(offset_s, seed):
    random, true_s = np.random.default_rng(seed), spikes(seed)
    kept = true_s[random.random(len(true_s)) < 0.6]
    found_s = np.concatenate([kept + 1e-4 * random.standard_normal(len(kept)), random.uniform(0, 60, 800)])
    assert find_offset(true_s, np.sort(found_s) - offset_s) == pytest.approx(offset_s, abs=5e-5)


def test_a_part_is_found_in_the_whole():
    true_s = spikes(1)
    part_s = true_s[(true_s > 30) & (true_s < 45)]
    assert find_offset(true_s, part_s - part_s[0]) == pytest.approx(part_s[0], abs=1e-6)


def test_rates_that_swing_together_are_no_coincidence():
    """Bursts of half a second, once a second, at times of their own."""
    seconds = (np.floor(60 * np.random.default_rng(seed).random(4000)) for seed in (1, 2))
    first, second = (np.sort(each + spikes(seed, 4000, 0.5)) for seed, each in enumerate(seconds))
    with pytest.raises(BadInputError, match="found none that stands out"):
        find_offset(first, second)


def test_too_few_or_too_long_is_refused():
    with pytest.raises(BadInputError, match="expected at least 20 spikes in both, found 3000 and 5"):
        find_offset(spikes(0), spikes(0)[:5])
    with pytest.raises(BadInputError, match="expected at most 6 hours, found 27.8"):
        find_offset(spikes(0, seconds=100_000), spikes(0))
