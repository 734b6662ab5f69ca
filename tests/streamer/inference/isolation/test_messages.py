import socket

import pytest

from spikeloop.streamer.inference.isolation.messages import LENGTH, Answer, AnswerKind, Channel


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_messages_arrive_whole_however_they_are_cut(ends):
    one, other = ends
    channel = Channel(other)
    messages = [b"", b"a", bytes(range(256)) * 5]
    sent = b"".join(LENGTH.pack(len(message)) + message for message in messages)
    received = []
    for place in range(0, len(sent), 7):
        one.sendall(sent[place : place + 7])
        try:
            while True:
                received.append(channel.receive(0.001))
        except TimeoutError:
            pass
    assert received == messages


def test_what_one_end_sends_the_other_receives(ends):
    one, other = map(Channel, ends)
    one.send(b"first")
    one.send(b"second")
    assert (other.receive(1.0), other.receive(1.0)) == (b"first", b"second")


def test_where_the_other_end_is_closed_nothing_is_received(ends):
    channel = Channel(ends[1])
    ends[0].sendall(LENGTH.pack(10) + b"half")
    ends[0].close()
    assert channel.receive(1.0) is None


def test_a_message_that_is_too_large_is_refused_before_it_is_there(ends):
    channel = Channel(ends[1], largest=100)
    ends[0].sendall(LENGTH.pack(101))
    with pytest.raises(ValueError, match="101 bytes"):
        channel.receive(1.0)


def test_an_answer_is_what_was_encoded():
    answer = Answer(AnswerKind.FAILURE, 2**32 - 1, "--decoder µ".encode())
    assert Answer.parse(answer.encoded()) == answer


@pytest.mark.parametrize("message", [b"", b"\0\0", b"\xff" * 20])
def test_what_is_no_answer_is_refused(message):
    with pytest.raises(ValueError):  # noqa: PT011
        Answer.parse(message)
