"""A change of the rate, told from bins that are lost."""

import numpy as np
import pytest

from spikeloop.streamer.lsl.rate_change import KEPT, WATCH_S, RateWatch

BIN_S = 0.02
NOTHING = np.empty(0)


def watch_of(stamps_s: np.ndarray, losses: dict[int, int] | None = None, chunk: int = 8) -> RateWatch:
    """Add stamps in chunks; bins are counted as lost before the samples of these numbers."""
    watch = RateWatch(BIN_S)
    for first in range(0, len(stamps_s), chunk):
        if first in (losses or {}):
            watch.lose((losses or {})[first])
        watch.add(stamps_s[first : first + chunk])
    return watch


def bent(samples: int, at: int, slower: float) -> np.ndarray:
    return 100 + np.cumsum(np.where(np.arange(samples) < at, BIN_S, BIN_S * (1 + slower)))


def stepped(samples: int, *places: int) -> np.ndarray:
    return 100 + BIN_S * (np.arange(samples) + sum(np.arange(samples) >= place for place in places))


@pytest.mark.parametrize("slower", [0.01, -0.01, 0.5])
def test_a_bend_is_a_change_of_the_rate_with_its_new_bin_size_and_level(random, slower):
    stamps_s = bent(800, 600, slower)
    change = watch_of(stamps_s + random.normal(0, 0.002, 800)).change(NOTHING)
    assert change is not None
    assert change.bin_size_s == pytest.approx(BIN_S * (1 + slower), rel=1e-3)
    assert change.level_s == pytest.approx(stamps_s[-1], abs=0.002)
    assert change.not_lost == 0


@pytest.mark.parametrize("places", [(), (760,), (700, 740, 780), (400, 500, 600, 700)])
def test_steps_are_none_nor_is_a_line_without_any(random, places):
    assert watch_of(stepped(800, *places) + random.normal(0, 0.004, 800)).change(NOTHING) is None


def test_samples_that_wait_count_and_the_level_is_that_of_the_last_one_before_them():
    stamps_s = bent(800, 690, 0.02)
    stamps_s[700:800:3] = np.nan
    change = watch_of(stamps_s[:720]).change(stamps_s[720:])
    assert change is not None
    assert change.level_s == pytest.approx(bent(800, 690, 0.02)[719], abs=1e-4)


def test_bins_that_were_counted_as_lost_since_the_change_are_not_lost():
    change = watch_of(bent(800, 600, 0.02), {296: 5, 640: 1, 704: 2}).change(NOTHING)
    assert change is not None
    assert change.not_lost == 3


def test_a_few_samples_say_nothing():
    assert RateWatch(BIN_S).change(bent(18, 9, 0.5)) is None


def test_what_it_keeps_does_not_grow():
    watch = RateWatch(0.001)
    for part in np.array_split(100 + 0.001 * np.arange(200_000), 100):
        watch.add(np.asarray(part, np.float64))
        watch.lose(1)
    assert len(watch._numbers) <= KEPT
    assert watch._numbers[0] >= 200_000 - WATCH_S / 0.001
