"""What drove a stream, from a real LSL outlet in another process."""

import subprocess
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.streamer.lsl.condition_tap import ConditionTap

BIN_SIZE_S = 0.01
WITHIN_S = 30.0

# Pushes BINS conditions (k, -k) with the end of bin k as stamp, prints the first bin's start, and goes on when told to.
SENDER = """
import sys, time, numpy as np, pylsl
name, channels, bins, bin_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
info = pylsl.StreamInfo(name, "Condition", channels, 1 / bin_s, "float32", "sender")
outlet = pylsl.StreamOutlet(info)
start_s = pylsl.local_clock()
print(start_s, flush=True)
outlet.wait_for_consumers(30)
time.sleep(0.2)
k = 0
while True:
    index = np.arange(k, k + bins)
    values = np.stack([index, -index, *[index] * (channels - 2)][:channels], axis=1).astype(np.float32)
    outlet.push_chunk(values, (start_s + (index + 1) * bin_s).tolist())
    k += bins
    sys.stdin.readline()
"""


def send(start, name: str, channels: int = 2, bins: int = 100) -> tuple[subprocess.Popen[str], float]:
    sender = start(f"{name}-Condition", channels, bins, BIN_SIZE_S, program=SENDER, stdin=subprocess.PIPE)
    return sender, float(sender.stdout.readline())


def more(sender: subprocess.Popen[str]) -> None:
    assert sender.stdin is not None
    sender.stdin.write("\n")
    sender.stdin.flush()


def ends_of(start_s: float, first: int, last: int) -> np.ndarray:
    return start_s + BIN_SIZE_S * np.arange(first + 1, last + 1, dtype=np.float64)


def until(tap: ConditionTap, met: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not met():
        assert time.monotonic() < end_s
        tap.pull()
        time.sleep(0.01)


def test_what_drove_a_bin_is_found_by_its_end(start, stream_name):
    sender, start_s = send(start, stream_name)
    with ConditionTap(stream_name, 2, BIN_SIZE_S) as tap:
        assert tap.at(ends_of(start_s, 0, 1)) is None
        until(tap, lambda: tap.at(ends_of(start_s, 0, 100)) is not None)
        found = tap.at(ends_of(start_s, 30, 62))
        np.testing.assert_array_equal(found, np.stack([np.arange(30, 62), -np.arange(30, 62)], axis=1))
        jitter_s = 0.2 * BIN_SIZE_S * (-1.0) ** np.arange(32, dtype=np.float64)
        np.testing.assert_array_equal(tap.at(ends_of(start_s, 30, 62) + jitter_s), found)
        assert tap.at(ends_of(start_s, 90, 101)) is None  # its last bin isn't there yet
        assert tap.at(ends_of(start_s, -1, 5)) is None
        more(sender)
        until(tap, lambda: tap.at(ends_of(start_s, 90, 110)) is not None)
    assert "spikeloop-condition-tap" not in [each.name for each in threading.enumerate()]


def test_the_next_run_is_found_after_the_first_is_killed_and_a_stream_of_fewer_channels_is_passed_over(
    start, stream_name
):
    other, _ = send(start, stream_name, channels=1)
    killed, first_s = send(start, stream_name)
    with ConditionTap(stream_name, 2, BIN_SIZE_S) as tap:
        until(tap, lambda: tap.at(ends_of(first_s, 0, 100)) is not None)
        killed.kill()
        other.kill()
        _, second_s = send(start, stream_name)
        until(tap, lambda: tap.at(ends_of(second_s, 0, 100)) is not None)
        assert tap.at(ends_of(first_s, 0, 100)) is not None  # what is known stays


def test_it_keeps_no_more_than_it_may(start, stream_name, monkeypatch):
    monkeypatch.setattr("spikeloop.streamer.lsl.condition_tap.KEPT_BINS", 150)
    sender, start_s = send(start, stream_name)
    with ConditionTap(stream_name, 2, BIN_SIZE_S) as tap:
        until(tap, lambda: tap.at(ends_of(start_s, 0, 100)) is not None)
        more(sender)
        until(tap, lambda: tap.at(ends_of(start_s, 50, 200)) is not None)
        assert tap.at(ends_of(start_s, 49, 100)) is None


def test_without_its_stream_nothing_is_known_and_leaving_is_quick(stream_name):
    with ConditionTap(stream_name, 2, BIN_SIZE_S) as tap:
        tap.pull()
        assert tap.at(np.array([1.0])) is None
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 30  # else it looked for ever


@pytest.mark.parametrize("channels", [1, 2])
def test_a_window_without_bins_needs_none(stream_name, channels):
    assert ConditionTap(stream_name, channels, BIN_SIZE_S).at(np.zeros(0)) is None


class Fed:
    """Stands in for the follower of a stream: each pull takes the next chunk."""

    def __init__(self, *of_a_follower: object) -> None:
        self.chunks: list[SimpleNamespace | None] = []

    def pull(self) -> SimpleNamespace | None:
        return self.chunks.pop(0)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), max_size=30), kept=st.integers(1, 40), looks=st.sets(st.integers(0, 30)))
def test_it_has_the_latest_bins_whatever_the_chunks_and_joins_them_only_when_asked(sizes, kept, looks):
    with pytest.MonkeyPatch.context() as patch:
        fed = Fed()
        patch.setattr("spikeloop.streamer.lsl.condition_tap.Follower", lambda *arguments: fed)
        tap = ConditionTap("x", 1, BIN_SIZE_S, kept)
        first = 0
        for number, size in enumerate(sizes):
            ends = np.arange(first, first + size, dtype=np.float64)
            fed.chunks.append(SimpleNamespace(local_s=ends, values=ends[:, None]) if size else None)
            first += size
            with pytest.MonkeyPatch.context() as no_copies:
                no_copies.setattr(np, "concatenate", None)
                tap.pull()
            if number in looks:
                assert tap.kept[0].tolist() == list(range(max(0, first - kept), first))
        ends_s, values = tap.kept
        assert ends_s.tolist() == values[:, 0].tolist() == list(range(max(0, first - kept), first))
        assert tap.latest_s == (first - 1 if first else -np.inf)
