"""What a page follows of a stream, and what is said where that fails."""

import threading

import pytest

import spikeloop
from spikeloop.streamer.dashboard.feed import Feed
from spikeloop.streamer.dashboard.hub import Hub
from tests.support.tiny import tiny_bundle

WITHIN_S = 240.0  # a busy machine takes long
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


class Failing:
    def begin_run(self, description):
        raise RuntimeError("no listener today")


def test_an_error_while_a_stream_is_followed_is_kept_and_told(tmp_path, stream_name):
    bundle, failed = tiny_bundle(tmp_path / "tiny", units=3, bin_size_s=0.01), threading.Event()
    feed = Feed(stream_name, Hub(), lambda *_: {}, listener=Failing(), failed=failed.set)  # type: ignore[arg-type]
    with spikeloop.stream(bundle, stream_name), feed:
        assert failed.wait(WITHIN_S)
    assert "no listener today" in str(feed.failure)
