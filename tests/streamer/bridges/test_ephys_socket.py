"""The server of Ephys Socket packets, with clients that come, go, stall and send garbage."""

import contextlib
import socket
import threading

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.bridges import ephys_socket
from spikeloop.streamer.bridges.ephys_socket import EphysSocketServer, ephys_socket_words
from spikeloop.streamer.bridges.ephys_socket_client import MOST_FRAMES
from spikeloop.streamer.bridges.ephys_socket_packets import packet
from spikeloop.streamer.bridges.listening_address import ListeningAddress
from spikeloop.streamer.broadband.step_traces import Trace
from tests.support.hosts import BAD_HOSTS
from tests.support.mqtt_stand_ins import wait_until

CHANNELS, RATE_HZ, FRAME = 4, 30_000, 300
PACKET_BYTES = 22 + 2 * CHANNELS * FRAME


def trace_of(first_frame: int, frames: int = 1, channels: int = CHANNELS) -> Trace:
    numbers = np.arange(first_frame * FRAME, (first_frame + frames) * FRAME)
    return Trace(int(numbers[0]), (numbers[:, np.newaxis] * 7 + np.arange(channels)).astype(np.int16))


@pytest.fixture
def marks():
    return []


@pytest.fixture
def server(marks):
    with EphysSocketServer(ListeningAddress("127.0.0.1", 0), RATE_HZ) as opened:
        opened.begin(1000.0, lambda event, stamp_s, **details: marks.append((event, stamp_s, details)))
        yield opened


def connected(server: EphysSocketServer, clients: int = 1) -> socket.socket:
    """A connection, once the server knows of so many."""
    connection = socket.create_connection(("127.0.0.1", server.address.port))
    connection.settimeout(60)
    wait_until(lambda: sum(each.connected for each in server.report().clients) == clients)
    return connection


def amount_received(connection: socket.socket, size: int) -> int:
    amount = 0
    while amount < size and (part := connection.recv(2**20)):
        amount += len(part)
    return amount


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(size - len(data))):
        data += part
    return data


def test_a_client_gets_every_packet_from_when_it_connected(server, marks):
    server.push(trace_of(0, 2))  # nobody is there
    with connected(server) as client:
        server.push(trace_of(2))
        server.push(trace_of(3, 4))
        expected = b"".join(packet(trace_of(frame).values) for frame in range(2, 7))
        assert received(client, 5 * PACKET_BYTES) == expected
        wait_until(lambda: server.report().clients[0].samples == 5 * FRAME)
        report = server.report().clients[0]
    assert (report.first_sample, report.dropped) == (2 * FRAME, 0)
    assert report.first_sample_s == pytest.approx(1000 + 2 * FRAME / RATE_HZ, abs=1e-9)
    ((event, stamp_s, details),) = marks
    assert (event, stamp_s) == ("ephys_socket", report.first_sample_s)
    assert details == {"client": report.address, "first_sample": 2 * FRAME}


def test_a_second_client_gets_the_same_from_when_it_connected(server):
    with connected(server) as first:
        server.push(trace_of(0))
        with connected(server, 2) as second:
            server.push(trace_of(1))
            assert received(first, 2 * PACKET_BYTES)[PACKET_BYTES:] == received(second, PACKET_BYTES)
    assert [each.first_sample for each in server.report().clients] == [0, FRAME]


def test_1024_channels_arrive_bit_for_bit(server, random):
    values = random.integers(-32768, 32768, (2 * FRAME, 1024)).astype(np.int16)
    with connected(server) as client:
        server.push(Trace(0, values))
        size = 2 * 1024 * FRAME
        for half in np.split(values, 2):
            got = received(client, 22 + size)
            np.testing.assert_array_equal(np.frombuffer(got, "<i2", offset=22).reshape(1024, FRAME).T, half)


@pytest.mark.parametrize("error", [OSError("it was gone at once"), RuntimeError("can't start new thread")])
def test_after_a_client_that_could_not_be_served_others_are(server, monkeypatch, error):
    errors, make_client = [error], ephys_socket.Client

    def client(*given):
        if errors:
            raise errors.pop()
        return make_client(*given)

    monkeypatch.setattr(ephys_socket, "Client", client)
    with socket.create_connection(("127.0.0.1", server.address.port)) as first:
        first.settimeout(60)
        assert first.recv(1) == b""  # closed
    with connected(server) as second:
        server.push(trace_of(0))
        assert received(second, PACKET_BYTES) == packet(trace_of(0).values)
    assert len(server.report().clients) == 1


def test_a_client_that_leaves_may_come_back(server):
    connected(server).close()

    def pushed_until_gone() -> bool:
        server.push(trace_of(0))  # a sender learns of it when it sends
        return not any(each.connected for each in server.report().clients)

    wait_until(pushed_until_gone)
    with connected(server) as client:
        server.push(trace_of(9))
        assert received(client, PACKET_BYTES) == packet(trace_of(9).values)
    assert [each.first_sample for each in server.report().clients] == [0, 9 * FRAME]


def test_a_client_that_does_not_read_loses_the_oldest_and_delays_nobody(server):
    """What is pushed is more than the queue and the system keep for a connection."""
    frames, wide = 300, 256
    size, got = 22 + 2 * wide * FRAME, []
    with connected(server) as slow, connected(server, 2) as quick:
        reader = threading.Thread(target=lambda: got.append(amount_received(quick, frames * size)))
        reader.start()
        for frame in range(frames):
            server.push(trace_of(frame, channels=wide))
            wait_until(lambda frame=frame: server.report().clients[1].samples >= (frame + 1) * FRAME)
        reader.join()
        stalled, served = server.report().clients
        assert got == [frames * size]
        assert (served.samples, served.dropped) == (frames * FRAME, 0)
        assert stalled.dropped > 0
        kept = frames * FRAME - stalled.samples - stalled.dropped
        assert kept <= (MOST_FRAMES + 1) * FRAME
        slow.close()


def test_what_waited_for_a_client_that_left_counts_as_dropped(server):
    wide = 4096
    slow = connected(server)
    for frame in range(60):
        server.push(trace_of(frame, channels=wide))
    slow.close()

    def gone() -> bool:
        return not server.report().clients[0].connected

    wait_until(gone)
    report = server.report().clients[0]
    assert report.samples + report.dropped == 60 * FRAME
    assert report.dropped > 0


def send_until_closed(noisy, garbage):
    with contextlib.suppress(OSError):
        noisy.send(garbage)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 4000])
def test_garbage_on_the_port_changes_nothing(server, garbage):
    with connected(server) as client:
        noisy = socket.create_connection(("127.0.0.1", server.address.port))
        noisy.settimeout(60)
        threading.Thread(target=send_until_closed, args=(noisy, garbage), daemon=True).start()
        server.push(trace_of(0))
        assert received(client, PACKET_BYTES) == packet(trace_of(0).values)
        noisy.close()
        server.push(trace_of(1))
        assert received(client, PACKET_BYTES) == packet(trace_of(1).values)


def test_the_ninth_client_is_refused(server):
    clients = [connected(server, number + 1) for number in range(8)]
    with socket.create_connection(("127.0.0.1", server.address.port)) as ninth:
        ninth.settimeout(60)
        assert ninth.recv(1) == b""
    assert (server.report().refused, len(server.report().clients)) == (1, 8)
    for client in clients:
        client.close()


def test_what_waits_is_sent_at_the_end_and_the_connection_closed(marks):
    with EphysSocketServer(ListeningAddress("127.0.0.1", 0), RATE_HZ) as server:
        client = connected(server)
        server.push(trace_of(0, 50))
    with client:
        assert len(received(client, 100 * PACKET_BYTES)) == 50 * PACKET_BYTES
    assert server.report().clients[0].samples == 50 * FRAME


def test_a_client_that_stalls_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr(ephys_socket, "FLUSH_S", 0.1)
    with EphysSocketServer(ListeningAddress("127.0.0.1", 0), RATE_HZ) as server:
        client = connected(server)
        for frame in range(100):
            server.push(trace_of(frame, channels=4096))
    client.close()
    assert not server.report().clients[0].connected


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_is_none_of_this_machine_is_named(host):
    with (
        pytest.raises(BadInputError, match=r"--ephys-socket: expected the name or an address .* found host '"),
        EphysSocketServer(ListeningAddress(host, 9001), RATE_HZ),
    ):
        pass


def test_a_port_that_is_taken_is_named(server):
    with (
        pytest.raises(
            FailureError, match=rf"--ephys-socket: can't listen on 127.0.0.1:{server.address.port} \(.*choose"
        ),
        EphysSocketServer(server.address, RATE_HZ),
    ):
        pass


def test_the_figures_in_words_name_each_client(server):
    with connected(server) as client:
        server.push(trace_of(3))
        received(client, PACKET_BYTES)
        wait_until(lambda: server.report().clients[0].samples == FRAME)
        words, remark = ephys_socket_words(server.report()), server.remark()
    assert f"Ephys Socket 127.0.0.1:{server.address.port}: 1 client, 0 refused, 0 samples left out" in words
    assert "from sample 900, at LSL time 1000.030000 s, 300 samples sent, 0 dropped" in words
    assert "1 client, from sample 900, 0 samples dropped" in remark
    assert "30000 Hz, scale 0.195, offset 0; 4 channels" in server.invitation(4, 0.195)
