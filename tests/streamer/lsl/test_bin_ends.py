"""When bins ended, whatever their stamps say."""

import numpy as np
import pytest

from spikeloop.streamer.lsl.bin_ends import BinEnds

BIN_S = 0.02


def dated(stamps_s: np.ndarray, chunk: int = 10, stand: bool = False, bin_size_s: float = BIN_S) -> np.ndarray:
    """Each chunk comes when its last bin ended."""
    ends = BinEnds(bin_size_s)
    chunks = np.split(stamps_s, range(chunk, len(stamps_s), chunk))
    arrivals_s = 100 + chunk * BIN_S * np.arange(1, len(chunks) + 1)
    return np.concatenate([ends.date(part, now_s, stand) for part, now_s in zip(chunks, arrivals_s, strict=True)])


def true_ends(bins: int = 200) -> np.ndarray:
    return 100 + BIN_S * np.arange(1, bins + 1)


def test_stamps_of_the_present_remain_as_they_are():
    stamps_s = true_ends() + np.random.Generator(np.random.Philox(1)).normal(0, 0.5, 200)
    np.testing.assert_array_equal(dated(stamps_s), stamps_s)
    late_s = true_ends() - 60.0
    np.testing.assert_array_equal(dated(late_s), late_s)


@pytest.mark.parametrize("wrong_s", [np.nan, np.inf, -np.inf, 1e9, 0.0 - 1e9])
@pytest.mark.parametrize("where", [slice(None), slice(7, None, 20), slice(50, 150), slice(0, 3)])
def test_bins_without_a_true_stamp_are_dated_by_their_number(wrong_s, where):
    stamps_s = true_ends()
    stamps_s[where] = wrong_s
    np.testing.assert_allclose(dated(stamps_s), true_ends(), atol=1e-9)


def test_bins_whose_stamps_stand_still_are_dated_by_their_number():
    np.testing.assert_allclose(dated(np.full(200, 100.0), stand=True), true_ends(), atol=1e-9)


def test_without_stamps_a_wrong_rate_leads_nowhere_far_from_the_arrival():
    found_s = dated(np.full(5000, np.nan), bin_size_s=3 * BIN_S)
    assert np.abs(found_s - true_ends(5000)).max() < 10.0
    assert len(BinEnds(BIN_S).date(np.empty(0), 100.0, False)) == 0
