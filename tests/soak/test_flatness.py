"""Memory, descriptors and threads of made-up processes."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tests.soak.flatness import Figures, flatness

HOUR = np.arange(0.0, 3600.0, 2.0)


def process(rss_bytes: ArrayLike, descriptors: ArrayLike = 20, threads: ArrayLike = 8) -> list[Figures]:
    values = np.broadcast_arrays(HOUR, rss_bytes, descriptors, threads)
    return [Figures(*each) for each in zip(*(value.tolist() for value in values), strict=True)]


def test_what_grows_only_while_it_warms_up_is_flat():
    found = flatness(process(100e6 + 20e6 * np.minimum(HOUR / 500, 1)))
    assert found is not None
    assert (found.growth_mb_h, found.descriptors, found.threads, found.judged, found.holds) == (0, 0, 0, True, True)


@pytest.mark.parametrize(("growth_mb_h", "holds"), [(0.5, True), (2.0, False)])
def test_the_slope_is_that_of_the_memory(growth_mb_h, holds):
    found = flatness(process(100e6 + growth_mb_h * 1e6 * HOUR / 3600))
    assert found is not None
    assert found.growth_mb_h == pytest.approx(growth_mb_h, rel=1e-6)
    assert found.holds == holds


def test_a_peak_that_passes_does_not_count():
    found = flatness(process(np.where((HOUR > 2000) & (HOUR < 2100), 300e6, 100e6), np.where(HOUR % 60 < 10, 40, 20)))
    assert found is not None
    assert found.holds


@pytest.mark.parametrize("leak", [{"descriptors": 20 + HOUR // 300}, {"threads": 8 + HOUR // 300}])
def test_descriptors_or_threads_that_are_left_behind_do(leak):
    found = flatness(process(100e6, **leak))
    assert found is not None
    assert not found.holds


def test_a_short_life_is_not_judged():
    short = flatness(process(100e6 + 1e6 * HOUR)[:300])
    assert short is not None
    assert (short.judged, short.holds) == (False, True)
    assert flatness(process(100e6)[:2]) is None
