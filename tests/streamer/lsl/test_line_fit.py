"""The line through stamps, beside NumPy's weighted least squares."""

import math

import numpy as np
import pytest

from spikeloop.streamer.lsl.line_fit import LineFit

BIN_S = 0.02


def fitted(stamps_s: np.ndarray, chunks: int, forget_s: float) -> LineFit:
    line = LineFit(BIN_S, float(stamps_s[0]) - BIN_S, forget_s)
    for part in np.array_split(stamps_s, chunks):
        line.add(part)
    return line


@pytest.mark.parametrize("chunks", [1, 40, 2000])
@pytest.mark.parametrize("forget_s", [2.0, 600.0])
def test_it_is_the_weighted_least_squares_line_however_samples_come(random, chunks, forget_s):
    stamps_s = 1000 + 0.0206 * np.arange(2000) + random.normal(0, 0.005, 2000)
    line = fitted(stamps_s, chunks, forget_s)
    numbers = np.arange(-1999, 1)
    weights = np.exp(numbers * BIN_S / forget_s)
    slope_s, level_s = np.polyfit(numbers, stamps_s, 1, w=np.sqrt(weights))
    assert line.level_s == pytest.approx(level_s, abs=5e-4)
    assert line.bin_size_s == pytest.approx(slope_s, rel=2e-4)  # the declared bin size counts a little
    np.testing.assert_allclose(line.predict(2), line.level_s + line.bin_size_s * np.array([1, 2]))


def test_bins_that_are_skipped_or_have_no_stamp_keep_their_numbers(random):
    stamps_s = 1000 + BIN_S * np.arange(1000, dtype=np.float64)
    line = fitted(stamps_s[:400], 1, 600.0)
    line.skip(100)
    line.add(np.where(np.arange(100) % 3 == 0, np.nan, stamps_s[500:600]))
    line.add(stamps_s[600:])
    assert line.level_s == pytest.approx(stamps_s[-1], abs=1e-9)
    assert line.bin_size_s == pytest.approx(BIN_S, abs=1e-12)
    line.skip(-50)
    assert line.level_s == pytest.approx(stamps_s[-51], abs=1e-9)


def test_its_interval_holds_the_true_bin_size_about_as_often_as_it_says(random):
    held = 0
    for _ in range(200):
        stamps_s = 1000 + 0.0203 * np.arange(500) + random.normal(0, 0.01, 500)
        low_s, high_s = fitted(stamps_s, 5, 600.0).interval_s()
        held += low_s <= 0.0203 <= high_s
    assert 180 <= held <= 199


def test_before_it_knows_its_interval_is_without_end():
    line = LineFit(BIN_S, 0.0, 20.0)
    assert line.interval_s() == (0.0, math.inf)
    line.add(np.array([np.nan, np.nan]))
    assert line.samples == 0
    assert line.bin_size_s == BIN_S
