"""Payloads from a hostile broker or device: each is accepted, or answered with a sentence; none stops the stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.mqtt.echoes import Echoes
from spikeloop.streamer.mqtt.inbox import Inbox
from spikeloop.streamer.mqtt.payloads import INBOUND, decode_spikes, encode_spikes, parse_inbound
from spikeloop.streamer.mqtt.validation import validator_of
from tests.support.fuzzing import NUMBERS, TEXTS, VALUES, corpus, fuzzed, refusal
from tests.support.mqtt_stand_ins import BIN_S, Recorder, fake_step

KEYS = ("values", "stamp_s", "command", "value", "units", "amplitude_ua", "pulses", "frequency_hz", "sequence", "kind")
DOCUMENTS = st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXTS), st.one_of(VALUES, NUMBERS), max_size=5)
PAYLOADS = st.one_of(
    DOCUMENTS.map(lambda document: json.dumps(document).encode("utf-8", "surrogatepass")),
    st.binary(max_size=100),
    st.text(max_size=50).map(lambda text: text.encode("utf-8")),
)


@fuzzed(120)
@given(st.sampled_from(INBOUND), PAYLOADS)
def test_messages_to_a_stream(topic, payload):
    refusal(lambda: parse_inbound(topic, payload))


@fuzzed(60)
@given(
    st.lists(st.tuples(st.one_of(st.sampled_from(INBOUND), st.text(max_size=20)), PAYLOADS, st.booleans()), max_size=20)
)
def test_each_message_is_handled_or_answered(messages):
    answers: list[bytes] = []
    inbox = Inbox(Recorder(), Echoes(lambda: 0.0), answers.append, lambda: 0.0)
    for topic, payload, retained in messages:
        inbox.receive(f"spikeloop/test/{topic}", payload, retained)
    assert len(answers) == min(inbox.refused, 10)
    for answer in answers:
        validator_of("error").validate(json.loads(answer))


@fuzzed(100)
@given(st.integers(0, 60), st.binary(max_size=30), st.integers(0, 60))
def test_spikes_with_bytes_changed(start, bytes_, keep):
    whole = encode_spikes(fake_step(3), 3, BIN_S)
    changed = whole[:start] + bytes_ + whole[start + keep :]
    refusal(lambda: decode_spikes(changed))


@pytest.mark.parametrize("path", corpus("mqtt_payloads"))
@pytest.mark.parametrize("topic", INBOUND)
def test_what_once_failed(path, topic):
    refusal(lambda: parse_inbound(topic, path.read_bytes()))
