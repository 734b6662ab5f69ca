import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.mqtt.payloads import (
    INBOUND,
    LARGEST_BYTES,
    ConditionMessage,
    ControlMessage,
    EchoMessage,
    PerturbMessage,
    StimulateMessage,
    decode_spikes,
    encode_document,
    encode_error,
    encode_spikes,
    encode_status,
    parse_inbound,
)
from spikeloop.streamer.mqtt.validation import SCHEMAS, schema_of, validator_of
from spikeloop.streamer.stream.step import Step
from tests.support.mqtt_stand_ins import BIN_S, STATUS, fake_step


@st.composite
def steps(draw: st.DrawFn) -> tuple[Step, float, np.ndarray]:
    """A step, its bin size, and the bin of each spike."""
    bin_size_s = draw(st.sampled_from([0.001, 0.01, 0.02, 1 / 30]))
    start_s, first_bin = draw(st.floats(0, 1e7)), draw(st.integers(0, 2**40))
    length = draw(st.integers(1, 100))
    places = np.sort(np.array(draw(st.lists(st.floats(0, length, exclude_max=True), max_size=50)), np.float64))
    units = np.array(draw(st.lists(st.integers(0, 10_000), min_size=len(places), max_size=len(places))), np.int32)
    start_s += bin_size_s
    step = Step(
        first_bin=first_bin,
        counts=np.zeros((length, 1), np.uint8),
        conditions=np.zeros((length, 0), np.float32),
        stamps_s=start_s + np.arange(1.0, length + 1) * bin_size_s,
        event_units=units,
        event_stamps_s=start_s + places * bin_size_s,
    )
    return step, bin_size_s, places


@given(steps(), st.integers(0, 2**32 - 1))
def test_spikes_come_back_to_the_microsecond(made, sequence):
    step, bin_size_s, places = made
    message = decode_spikes(encode_spikes(step, sequence, bin_size_s))
    assert (message.sequence, message.first_bin, message.bins) == (sequence, step.first_bin, len(step.stamps_s))
    assert message.bin_size_s == bin_size_s
    assert math.isclose(message.start_s, step.stamps_s[0] - bin_size_s, abs_tol=1e-9)
    np.testing.assert_array_equal(message.units, step.event_units)
    np.testing.assert_allclose(message.stamps_s, step.event_stamps_s, rtol=0, atol=1.1e-6)
    assert (np.diff(message.times_us.astype(np.int64)) >= 0).all()
    assert (message.times_us < len(step.stamps_s) * bin_size_s * 1e6 + 0.01).all()
    assert (np.abs(message.times_us / (bin_size_s * 1e6) - places) < 0.0012 + 1e-8 * message.start_s).all()


def test_the_layout_is_that_of_the_documentation():
    step = fake_step(3, spikes=2)
    payload = encode_spikes(step, 7, BIN_S)
    assert len(payload) == 40 + 2 * 8
    magic, sequence, first_bin, start_s, bin_size_s, bins, spikes = struct.unpack("<4sIQddII", payload[:40])
    assert (magic, sequence, first_bin, bins, spikes) == (b"SPK1", 7, 60, 20, 2)
    assert start_s == pytest.approx(1000.06, abs=1e-9)
    assert bin_size_s == BIN_S
    records = list(struct.iter_unpack("<II", payload[40:]))
    assert [unit for unit, _ in records] == step.event_units.tolist()
    exact_us = (step.event_stamps_s - 1000.06) * 1e6
    assert [time_us for _, time_us in records] == pytest.approx(exact_us.tolist(), abs=1.01)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_spikes(payload):
    with pytest.raises(BadInputError, match="expected"):
        decode_spikes(payload)


@given(st.integers(0, 79))
def test_a_cut_message_is_refused(length):
    payload = encode_spikes(fake_step(0, spikes=5), 0, BIN_S)
    assert len(payload) == 80
    with pytest.raises(BadInputError, match="expected"):
        decode_spikes(payload[:length])


@pytest.mark.parametrize("state", ["online", "paused", "offline"])
def test_status_fits_its_schema(state):
    document = json.loads(encode_status(state, STATUS))
    validator_of("status").validate(document)
    assert document["state"] == state
    assert ("sha256" in document) == (state != "offline")
    assert json.loads(encode_status("offline")) == {"state": "offline"}


def test_an_error_quotes_the_beginning_of_what_it_answers():
    document = json.loads(encode_error("spikeloop/x/echo", "why", "é".encode() * 300))
    validator_of("error").validate(document)
    assert document["payload"] == "é" * 200
    assert json.loads(encode_error("t", "r", b"\xff\x00"))["payload"] == "\ufffd\x00"


def test_what_is_not_finite_becomes_null_and_arrays_become_lists():
    document = {"a": math.nan, "b": [np.float32(1.5), math.inf], "c": np.arange(2), "d": np.int64(3), "e": None}
    assert json.loads(encode_document(document)) == {"a": None, "b": [1.5, None], "c": [0, 1], "d": 3, "e": None}


def test_good_messages():
    assert parse_inbound("condition", b'{"values": [1, -2.5]}') == ConditionMessage((1.0, -2.5), None)
    assert parse_inbound("condition", b'{"values": [0], "stamp_s": 12.5}') == ConditionMessage((0.0,), 12.5)
    assert parse_inbound("control", b'{"command": "pause"}') == ControlMessage("pause")
    assert parse_inbound("control", b'{"command": "gain", "value": 2}') == ControlMessage("gain", 2.0)
    assert parse_inbound("control", b'{"command": "seed", "value": 3}') == ControlMessage("seed", 3.0)
    assert parse_inbound("echo", b'{"sequence": 4294967295}') == EchoMessage(2**32 - 1)
    assert parse_inbound("perturb", b'{"kind": "noise", "value": 5}') == PerturbMessage("noise", 5.0)
    assert parse_inbound("perturb", b'{"kind": "drop", "units": [3, 1.0]}') == PerturbMessage("drop", None, (3, 1))
    stimulus = parse_inbound("stimulate", b'{"units": "all", "amplitude_ua": 20}')
    assert stimulus == StimulateMessage("all", 20.0, 1, 100.0, 200.0, "")
    whole = {"units": [3, 1.0], "amplitude_ua": 5, "pulses": 9, "rate_hz": 50, "pulse_width_us": 100, "id": "é"}
    stimulus = parse_inbound("stimulate", json.dumps(whole).encode())
    assert stimulus == StimulateMessage((3, 1), 5.0, 9, 50.0, 100.0, "é")


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("condition", "{}", "condition: expected values, found {}"),
        ("condition", "[1]", "condition: expected object, found [1]"),
        ("condition", '{"values": []}', "condition.values: expected at least 1 of them, found []"),
        ("condition", '{"values": [1, "2"]}', "condition.values[1]: expected number, found '2'"),
        ("condition", '{"values": [true]}', "condition.values[0]: expected number, found True"),
        ("condition", '{"values": [NaN]}', "NaN is no JSON"),
        ("condition", '{"values": [-Infinity]}', "-Infinity is no JSON"),
        ("condition", '{"values": [1e999]}', "expected at most 1e+38, found inf"),
        ("condition", f'{{"values": [1{"0" * 400}]}}', "expected at most 1e+38"),
        ("condition", f'{{"values": [1{"0" * 5000}]}}', "expected JSON in UTF-8"),
        ("condition", '{"values": [1], "more": 2}', "condition: expected only values, stamp_s, found"),
        ("control", '{"command": "gain"}', "control: expected value, found"),
        ("control", '{"command": "gain", "value": 10.5}', "control.value: expected at most 10, found 10.5"),
        ("control", '{"command": "gain", "value": -1}', "control.value: expected at least 0, found -1"),
        (
            "control",
            '{"command": "seek", "value": 1e999}',
            "control.value: expected at most 1000000000000.0, found inf",
        ),
        ("control", f'{{"command": "seek", "value": 1{"0" * 400}}}', "control.value: expected at most 1000000000000.0"),
        ("control", f'{{"command": "gain", "value": 1{"0" * 400}}}', "control.value: expected at most 10, found 1000"),
        ("control", f'{{"command": "seed", "value": 1{"0" * 400}}}', "expected at most 9223372036854775808"),
        ("control", '{"command": "pause", "value": 1}', "control: expected nothing, found 1"),
        ("control", '{"command": "stop"}', "control.command: expected one of ['pause', "),
        ("stimulate", '{"units": "some", "amplitude_ua": 1}', "stimulate.units: expected 'all', found 'some'"),
        ("stimulate", '{"units": [-1], "amplitude_ua": 1}', "stimulate.units[0]: expected at least 0, found -1"),
        ("stimulate", '{"units": [1, 1], "amplitude_ua": 1}', "stimulate.units: expected each only once"),
        ("stimulate", '{"units": [0.5], "amplitude_ua": 1}', "stimulate.units[0]: expected integer, found 0.5"),
        ("stimulate", '{"units": "all"}', "stimulate: expected amplitude_ua, found"),
        ("stimulate", '{"units": "all", "amplitude_ua": 201}', "expected at most 200, found 201"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulses": 1001}', "expected at most 1000"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulses": 1.5}', "expected integer"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulses": true}', "expected integer, found True"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulses": NaN}', "NaN is no JSON"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulses": null}', "expected integer, found None"),
        ("stimulate", '{"units": [true], "amplitude_ua": 1}', "stimulate.units[0]: expected integer, found True"),
        ("stimulate", '{"units": [NaN], "amplitude_ua": 1}', "NaN is no JSON"),
        ("stimulate", '{"units": "all", "amplitude_ua": true}', "expected number, found True"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "rate_hz": 0}', "expected at least 1"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "pulse_width_us": 10}', "expected at least 50"),
        ("stimulate", f'{{"units": "all", "amplitude_ua": 1, "id": "{"x" * 65}"}}', "expected at most 64 characters"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "id": "a\\nb"}', "expected no control characters"),
        ("stimulate", '{"units": "all", "amplitude_ua": 1, "id": "\\ud800"}', "expected no control characters"),
        ("perturb", '{"kind": "loss", "value": 1}', "perturb.kind: expected one of ['drop', "),
        ("perturb", '{"value": 1}', "perturb: expected kind, found"),
        ("perturb", '{"kind": "noise", "value": true}', "perturb.value: expected number, found True"),
        ("perturb", '{"kind": "noise", "value": 1e999}', "perturb.value: expected at most 10000, found inf"),
        ("perturb", '{"kind": "drop", "units": "all"}', "perturb.units: expected array, found 'all'"),
        ("perturb", '{"kind": "drop", "units": [2, 2]}', "perturb.units: expected each only once"),
        ("echo", '{"sequence": -1}', "expected at least 0"),
        ("echo", '{"sequence": 4294967296}', "expected at most 4294967295"),
        ("echo", "", "expected JSON in UTF-8"),
        ("echo", "[" * 60_000, "nested too deeply"),
        ("echo", " " * (LARGEST_BYTES + 1), "expected at most 65536 bytes, found 65537"),
        ("status", "{}", "expected the topic condition, control, stimulate, perturb, echo, found 'status'"),
    ],
)
def test_bad_messages_are_told_what_was_expected(topic, payload, told):
    with pytest.raises(BadInputError) as raised:
        parse_inbound(topic, payload.encode())
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
KEYS = st.sampled_from(
    ["values", "stamp_s", "command", "kind", "value", "units", "amplitude_ua", "pulses", "rate_hz", "id", "sequence"]
)
VALUES = JSON | st.sampled_from(["pause", "gain", "all", [1], 1, [0.5]])


@given(
    st.sampled_from(INBOUND),
    st.binary(max_size=100) | st.dictionaries(KEYS, VALUES, max_size=5).map(lambda d: json.dumps(d).encode()),
)
def test_whatever_comes_is_taken_or_refused_in_a_line(topic, payload):
    reasons: list[str] = []
    try:
        parse_inbound(topic, payload)
    except BadInputError as error:
        reasons.append(str(error))
    assert reasons or validator_of(topic).is_valid(json.loads(payload))
    assert not any("\n" in reason for reason in reasons)


@pytest.mark.parametrize("topic", SCHEMAS)
def test_schemas_are_schemas(topic):
    schema = schema_of(topic)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == topic
    type(validator_of(topic)).check_schema(schema)
    assert not validator_of(topic).is_valid([])
