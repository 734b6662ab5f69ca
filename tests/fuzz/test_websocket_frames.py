"""What a hostile page sends: each frame is a request, or is refused in a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.dashboard.frames import HEADER, REQUESTS, parse_request
from spikeloop.streamer.dashboard.play.latency import StageTimes
from spikeloop.streamer.dashboard.play.setup import fields_of, parse_game, parse_velocity
from spikeloop.streamer.dashboard.stream_process import TOPICS
from spikeloop.streamer.mqtt.payloads import parse_inbound
from tests.support.fuzzing import NUMBERS, TEXTS, VALUES, corpus, fuzzed, refusal

KEYS = ("task", "select", "cells", "length_s", "seed", "velocity_cm_s", "samples", "values", "command", "units")
ENTRIES = st.one_of(VALUES, NUMBERS, st.lists(NUMBERS, max_size=3), st.sampled_from(["webgrid", "center-out", "click"]))
DOCUMENTS = st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXTS), ENTRIES, max_size=6)
PAYLOADS = st.one_of(
    DOCUMENTS.map(lambda document: json.dumps(document).encode("utf-8", "surrogatepass")), st.binary(max_size=100)
)


def check(message: bytes) -> None:
    """Read a frame, and whatever its payload may be of all that pages ask for."""
    found: list = []
    if refusal(lambda: found.append(parse_request(message))):
        return
    payload = found[0].payload
    if topic := TOPICS.get(found[0].kind):
        refusal(lambda: parse_inbound(topic, payload))
    refusal(lambda: parse_game(fields_of(payload, "task", "length_s", "seed")))
    refusal(lambda: parse_velocity(fields_of(payload, "velocity_cm_s")["velocity_cm_s"]))
    refusal(lambda: StageTimes().complete(1, fields_of(payload, "samples")["samples"]))


@fuzzed(120)
@given(st.sampled_from(sorted(REQUESTS)), st.binary(min_size=HEADER.size - 1, max_size=HEADER.size - 1), PAYLOADS)
def test_requests_of_every_kind(kind, rest, payload):
    check(bytes([kind]) + rest + payload)


@fuzzed(60)
@given(st.binary(max_size=60))
def test_what_is_no_request(message):
    check(message)


@pytest.mark.parametrize("path", corpus("mqtt_payloads"))
@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_payloads_that_once_failed(kind, path):
    check(bytes([kind]) + bytes(HEADER.size - 1) + path.read_bytes())
