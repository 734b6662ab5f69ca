"""Streams as labs have them, each from a bare outlet in another process."""

import subprocess
import time
from collections.abc import Callable

import numpy as np
import pylsl
import pytest

from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import LslSpikes, Reception
from tests.support.foreign_sender import CHANNELS, KINDS, RATES_HZ
from tests.support.places import SUPPORT

WITHIN_S = 250.0
SENDER = SUPPORT / "foreign_sender.py"
Send = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def send(start, stream_name) -> Send:
    def sender(kind: str, *options: object) -> subprocess.Popen[str]:
        process = start(stream_name, kind, *options, script=SENDER)
        assert process.stdout.readline() == "up\n"
        return process

    return sender


def pull_until(spikes: LslSpikes, met: Callable[[Reception], bool]) -> list[Segment]:
    """Pull five times a second, as the monitor does, until the report is as wanted."""
    end_s = time.monotonic() + WITHIN_S
    segments: list[Segment] = []
    while not met(spikes.report()):
        assert time.monotonic() < end_s, spikes.report()
        segments += spikes.pull()
        time.sleep(0.2)
    return segments


def sent(kind: str, bins: int) -> np.ndarray:
    """The counts that a sender draws first."""
    random = np.random.Generator(np.random.Philox(7))
    return np.stack([random.poisson(RATES_HZ / KINDS[kind][1]) for _ in range(bins)])


@pytest.mark.parametrize("kind", ["clean", "bursts", "fast", "late"])
def test_jitter_loses_nothing_and_the_true_rate_is_found(send, stream_name, kind):
    send(kind)
    with LslSpikes(stream_name) as spikes:
        segments = pull_until(spikes, lambda report: report.bins > 250 and report.true_rate_hz is not None)
        report = spikes.report()
    counts = np.concatenate([segment.counts for segment in segments])
    np.testing.assert_array_equal(counts, sent(kind, len(counts)))
    assert [segment.follows for segment in segments] == [False] + [True] * (len(segments) - 1)
    assert (report.gaps, report.lost_bins, report.invalid_bins, report.clock_resets) == (0, 0, 0, 0)
    assert (report.other_clock, report.warnings) == (False, ())
    assert report.true_rate_hz == pytest.approx(KINDS[kind][1], rel=0.01)
    assert report.true_rate_interval_hz is not None
    low_hz, high_hz = report.true_rate_interval_hz
    assert low_hz < KINDS[kind][1] < high_hz
    assert counts.shape[1] == CHANNELS


def test_stamps_of_the_time_of_day_are_told_once_and_delays_left_out(send, stream_name):
    send("time-of-day")
    with LslSpikes(stream_name) as spikes:
        segments = pull_until(spikes, lambda report: report.bins > 100)
        report, now_s = spikes.report(), time.monotonic()
    (warning,) = report.warnings
    assert warning.startswith("another clock: its stamps are ")
    assert "years ahead of LSL's clock; delays are left out" in warning
    assert (report.other_clock, report.delay_ms, report.longest_delay_ms) == (True, None, None)
    assert (report.gaps, report.lost_bins) == (0, 0)
    assert abs(segments[-1].ends_s[-1] - now_s) < 60  # brought to this machine's clock, so that alarms can be dated


def test_a_jump_for_good_is_a_clock_reset_and_no_loss(send, stream_name):
    send("reset")
    with LslSpikes(stream_name) as spikes:
        segments = pull_until(spikes, lambda report: report.clock_resets == 1)
        segments += pull_until(spikes, lambda report: report.bins > 300)
        report = spikes.report()
    assert (report.gaps, report.lost_bins, report.clock_resets) == (1, 0, 1)
    assert any("clock reset: its stamps jumped once for good" in warning for warning in report.warnings)
    counts = np.concatenate([segment.counts for segment in segments])
    np.testing.assert_array_equal(counts, sent("reset", len(counts)))
    assert sum(not segment.follows for segment in segments) == 2


def test_a_voltage_is_told_after_two_seconds(send, stream_name):
    send("voltage")
    with LslSpikes(stream_name) as spikes:
        pull_until(spikes, lambda report: report.invalid_bins > 0)
        assert spikes.report().warnings == ()
        pull_until(spikes, lambda report: bool(report.warnings))
        (warning,) = spikes.report().warnings
        assert spikes.report().bins == 0
    assert warning.startswith("no whole counts: values from -")
    assert "at 250 Hz look like a voltage; detect its spikes and send their number" in warning


def test_of_two_namesakes_the_one_that_sends_is_followed(send, stream_name):
    send("silent", 120, "first")
    with LslSpikes(stream_name) as spikes:
        assert spikes.report().state == "silent"
        send("clean", 120, "second")
        pull_until(spikes, lambda report: report.bins > 50 and bool(report.warnings))
        report = spikes.report()
    assert (report.restarts, report.state) == (0, "live")
    (warning,) = report.warnings
    assert warning.startswith(f"2 streams are named '{stream_name}', the one from host ")
    assert "source_id 'second' is followed: also there is one from host " in warning
    assert warning.endswith("source_id 'first'; choose with --source-id or --host")


def test_a_namesake_is_chosen_by_its_source_id(send, stream_name):
    send("clean", 120, "first")
    send("clean", 120, "second")
    for source_id in ("first", "second"):
        with LslSpikes(stream_name, 30.0, source_id=source_id) as spikes:
            pull_until(spikes, lambda report: report.bins > 0)
            assert spikes.report().warnings == ()
            assert source_id_of(spikes) == source_id


def source_id_of(spikes: LslSpikes) -> str:
    """The source id of the stream that is followed, as LSL knows it by its uid."""
    assert spikes.description is not None
    found = pylsl.resolve_byprop("uid", spikes.description.uid, timeout=30)
    return found[0].source_id()
