"""What is kept of a stream's bins, and what is said of those that are not."""

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.play import bin_log
from spikeloop.streamer.dashboard.play.bin_log import BinLog

REST = np.zeros(2, np.float32)
MOST = 8192


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(bin_log, "MOST_BINS", MOST)
    return BinLog(3, REST)


def add(log: BinLog, first: int, bins: int) -> None:
    """Bins whose counts and conditions say their number."""
    numbers = np.arange(first, first + bins)
    log.add_counts(first, np.repeat((numbers % 200).astype(np.uint8)[:, np.newaxis], 3, axis=1))
    log.add_conditions(first, np.repeat(numbers.astype(np.float32)[:, np.newaxis], 2, axis=1))


def test_bins_are_found_by_their_numbers_and_those_that_were_forgotten_are_refused(log):
    for first in range(100, 100 + 5 * MOST, 500):
        add(log, first, 500)
    newest = np.arange(first, first + 500)
    assert (log.counts_of(newest)[:, 0] == newest % 200).all()
    assert (log.conditions_of(newest)[:, 1] == newest).all()
    for read in (log.counts_of, log.conditions_of):
        with pytest.raises(BadInputError, match="too long ago to be saved"):
            read(np.arange(100, 200))


def test_a_stream_that_jumps_far_ahead_takes_no_memory_for_what_lies_between(log):
    add(log, 0, 500)
    add(log, 10**12, 500)
    newest = np.arange(10**12, 10**12 + 500)
    assert (log.counts_of(newest)[:, 2] == newest % 200).all()
    assert (log.conditions_of(newest)[:, 0] == newest.astype(np.float32)).all()
    with pytest.raises(BadInputError, match="too long ago to be saved"):
        log.counts_of(np.arange(500))


def test_of_an_empty_log_nothing_is_read(log):
    with pytest.raises(BadInputError, match="too long ago"):
        log.counts_of(np.arange(3))
