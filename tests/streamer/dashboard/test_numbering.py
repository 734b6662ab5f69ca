import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.dashboard.numbering import BinNumbers
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment

BIN_S, START_S = 0.02, 1234.5


def described(start_s: float | None = START_S, hostname: str | None = None):
    return StreamDescription("lab", "Spikes", ("a",), BIN_S, hostname or socket.gethostname(), "uid", start_s=start_s)


def segment(first, bins, follows=True, start_s=START_S):
    ends_s = start_s + (np.arange(first, first + bins) + 1) * BIN_S
    return Segment(np.zeros((bins, 1), np.uint8), ends_s, follows)


@given(first=st.integers(0, 10**7), jitter_s=st.floats(-0.4 * BIN_S, 0.4 * BIN_S))
def test_bins_of_a_stream_of_this_machine_have_its_own_numbers(first, jitter_s):
    numbers = BinNumbers(described())
    assert numbers.first_of(segment(first, 3, follows=False, start_s=START_S + jitter_s)) == first
    assert numbers.first_of(segment(first + 3, 5)) == first + 3


@pytest.mark.parametrize("description", [described(start_s=None), described(hostname="elsewhere")])
def test_others_are_counted_from_the_first_that_came(description):
    numbers = BinNumbers(description)
    assert [numbers.first_of(segment(100, 3, follows=False)), numbers.first_of(segment(103, 2))] == [0, 3]


def test_bins_that_were_lost_have_numbers_too():
    numbers = BinNumbers(described())
    assert [numbers.first_of(segment(first, 2, follows=first == 0)) for first in (0, 10, 20)] == [0, 10, 20]


def test_numbers_never_go_back():
    numbers = BinNumbers(described())
    assert [numbers.first_of(segment(first, 4, follows=False)) for first in (8, 2)] == [8, 12]


def test_times_have_bins():
    numbers = BinNumbers(described())
    assert (numbers.ending_at(START_S), numbers.bin_of(START_S)) == (None, None)
    numbers.first_of(segment(10, 4, follows=False))
    assert [numbers.ending_at(START_S + (bin_ + 1) * BIN_S) for bin_ in (5, 13, 20)] == [5, 13, 20]
    assert numbers.bin_of(START_S + 12.25 * BIN_S) == pytest.approx(12.25, abs=1e-3)
