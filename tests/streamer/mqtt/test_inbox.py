import json

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.mqtt.echoes import Echoes
from spikeloop.streamer.mqtt.inbox import Inbox
from spikeloop.streamer.mqtt.payloads import ConditionMessage, ControlMessage, PerturbMessage, StimulateMessage
from tests.support.mqtt_stand_ins import Recorder


class Table:
    """An inbox with a clock set by hand."""

    def __init__(self, handlers: Recorder | None = None) -> None:
        self.now_s = 0.0
        self.handlers = handlers or Recorder()
        self.echoes = Echoes(lambda: self.now_s)
        self.answers: list[bytes] = []
        self.inbox = Inbox(self.handlers, self.echoes, self.answers.append, lambda: self.now_s)

    def receive(self, topic: str, payload: str, retained: bool = False) -> str | None:
        """The reason for a refusal."""
        before = len(self.answers)
        self.inbox.receive(f"spikeloop/test/{topic}", payload.encode(), retained)
        return json.loads(self.answers[-1])["reason"] if len(self.answers) > before else None


def test_messages_reach_their_handlers():
    table = Table()
    assert table.receive("condition", '{"values": [1]}') is None
    assert table.receive("control", '{"command": "pause"}') is None
    assert table.receive("stimulate", '{"units": [0], "amplitude_ua": 3}') is None
    assert table.receive("perturb", '{"kind": "drop", "units": [4]}') is None
    assert table.handlers.messages == [
        ConditionMessage((1.0,)), ControlMessage("pause"), StimulateMessage((0,), 3.0),
        PerturbMessage("drop", None, (4,)),
    ]  # fmt: skip
    assert table.inbox.refused == 0


def test_a_refusal_is_answered():
    table = Table(Recorder(refusal="no unit 7"))
    assert table.receive("stimulate", '{"units": [7], "amplitude_ua": 3}') == "no unit 7"
    document = json.loads(table.answers[-1])
    assert document["topic"] == "spikeloop/test/stimulate"
    assert document["payload"].startswith('{"units": [7]')
    assert table.inbox.refused == 1


def test_the_seed_is_refused_whatever_handlers_do():
    table = Table()
    assert "can't change while a stream runs" in str(table.receive("control", '{"command": "seed", "value": 4}'))
    assert not table.handlers.messages


def test_a_retained_message_is_refused():
    table = Table()
    assert "without retain" in str(table.receive("stimulate", '{"units": [0], "amplitude_ua": 3}', retained=True))
    assert not table.handlers.messages


@pytest.mark.parametrize("error", [ValueError("broken"), BadInputError("not now")])
def test_a_handler_that_breaks_stops_nothing(error):
    class Broken(Recorder):
        def stimulate(self, message: StimulateMessage) -> str | None:
            raise error

    table = Table(Broken())
    assert str(error) in str(table.receive("stimulate", '{"units": [0], "amplitude_ua": 3}'))
    assert table.receive("control", '{"command": "pause"}') is None


def test_ten_answers_a_second_and_all_counted():
    table = Table()
    for number in range(1000):
        table.now_s = number / 100
        table.receive("echo", "nonsense")
    assert table.inbox.refused == 1000
    assert len(table.answers) == 100


def test_round_trips_are_from_message_to_echo():
    table = Table()
    assert table.echoes.quantiles_ms() is None
    for sequence in range(100):
        table.now_s = float(sequence)
        table.echoes.sent(sequence)
        table.now_s += 0.001 * (sequence + 1)
        assert table.receive("echo", f'{{"sequence": {sequence}}}') is None
    assert table.echoes.quantiles_ms() == {"p50": pytest.approx(50, rel=0.02), "p99": pytest.approx(99, rel=0.02)}


def test_an_echo_of_nothing_is_refused():
    table = Table()
    assert "one of the last" in str(table.receive("echo", '{"sequence": 0}'))
    for sequence in range(2**32 - 5000, 2**32 + 10):
        table.echoes.sent(sequence)
    assert table.receive("echo", '{"sequence": 9}') is None
    assert table.receive("echo", f'{{"sequence": {2**32 - 100}}}') is None
    assert "one of the last" in str(table.receive("echo", '{"sequence": 10}'))
    assert "one of the last" in str(table.receive("echo", f'{{"sequence": {2**32 - 4999}}}'))
