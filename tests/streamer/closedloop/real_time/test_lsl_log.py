"""What is kept of a population over LSL, of a stream that says all, or not all, of what made it."""

from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.closedloop.real_time.lsl_log import LslLog
from spikeloop.streamer.lsl.description import StreamDescription
from tests.support.tiny import tiny_stream_bundle

SIZE_S, BINS = 0.02, 5
MADE = Provenance("tiny", "a" * 64, 3, SIZE_S, 2, 100.0, "lsl:hand", 1, version="0.0.9")


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    channels = (Condition("x", "cm/s", -1.0, 1.0),)
    return tiny_stream_bundle(tmp_path_factory.mktemp("log") / "tiny", channels=channels, bin_size_s=SIZE_S).card


def generated(card, monkeypatch, **facts) -> Any:
    ends_s = MADE.start_s + SIZE_S * np.arange(1, BINS + 1, dtype=np.float64)
    chunks = [SimpleNamespace(local_s=ends_s, values=np.ones((BINS, 1)))]
    follower = SimpleNamespace(pull=lambda: chunks.pop() if chunks else None)
    monkeypatch.setattr("spikeloop.streamer.lsl.condition_tap.Follower", lambda *arguments: follower)
    log = LslLog("lab", card)
    log.received(np.full((BINS, len(card.unit_names)), 300), ends_s)
    for end_s in ends_s:
        log.handed_out(end_s)
    said: dict[str, Any] = {
        key: value for key, value in asdict(MADE).items() if key not in ("bin_size_s", "signal")
    } | facts
    log.finish(StreamDescription("lab", "Spikes", card.unit_names, SIZE_S, "host", "uid", **said))
    return log.generated()


def test_what_the_stream_says_is_kept_as_it_says_it(card, monkeypatch):
    kept = generated(card, monkeypatch)
    assert kept.provenance == MADE
    assert kept.bins.tolist() == kept.session_bins.tolist() == list(range(BINS))
    assert (kept.counts == 255).all()
    assert generated(card, monkeypatch, seed=0).provenance == replace(MADE, seed=0)


@pytest.mark.parametrize("fact", ["seed", "sha256", "start_s", "step_bins"])
def test_a_stream_that_does_not_say_what_made_it_is_given_no_invented_seed(card, monkeypatch, fact):
    assert generated(card, monkeypatch, **{fact: None}) is None
