"""`stream --broadband --ephys-socket` with readers in processes of their own."""

import json
import socket
from functools import partial

import numpy as np
import pylsl
import pytest

import spikeloop
from spikeloop.streamer.bridges import ephys_socket
from spikeloop.streamer.bridges.ephys_socket import EphysSocketReport
from spikeloop.streamer.broadband import sink as broadband_sink
from tests.support.command_line import fails, run
from tests.support.mqtt_stand_ins import wait_until
from tests.support.places import SUPPORT
from tests.support.tiny import tiny_bundle

READER, CONSUMER = SUPPORT / "ephys_socket_reader.py", SUPPORT / "lsl_consumer.py"
RATE_HZ = 20_000


@pytest.fixture
def bundle(tmp_path):
    tiny_bundle(tmp_path / "tiny", units=6)
    return tmp_path / "tiny"


@pytest.fixture
def roomy(monkeypatch):
    """Room for whatever a test sends, however busy the machine."""
    monkeypatch.setattr(broadband_sink, "QUEUE_S", 600.0)
    monkeypatch.setattr(ephys_socket, "Client", partial(ephys_socket.Client, most_frames=10**6))


def test_a_reader_gets_the_bits_of_the_trace_with_its_first_sample_in_lsl_time(
    start, bundle, stream_name, tmp_path, roomy
):
    """As the trace is in a file of the same seed, and in NAME-Broadband with its stamps."""
    options = {"broadband": True, "channels": 8, "sampling_rate_hz": RATE_HZ, "seed": 4, "ephys_socket": 0}
    with spikeloop.stream(bundle, name=stream_name, **options) as stream:
        port = int(reported(stream).address.rpartition(":")[2])
        readers = [
            start(f"{stream_name}-Broadband", 600, tmp_path / "lsl.npz", script=CONSUMER),
            start(port, 600, tmp_path / "socket.npz", script=READER),
        ]
        assert [reader.stdout.readline() for reader in readers] == ["connected\n"] * 2
        enough = stream.health.bins + 1000
        assert wait_until(lambda: stream.health.bins > enough)
    for reader in readers:
        _, told = reader.communicate(timeout=280)
        assert reader.returncode == 0, told
    with np.load(tmp_path / "socket.npz") as got, np.load(tmp_path / "lsl.npz") as lsl:
        samples, packet_samples = got["samples"], int(got["packet_samples"])
        stamps, streamed = lsl["stamps"], lsl["samples"]
    report = reported(stream)
    client = report.clients[-1]
    seconds, path = stream.report.health.bins / 1000, tmp_path / "trace.raw"
    asked = ("--channels", 8, "--sampling-rate", RATE_HZ, "--seed", 4)
    run("generate", bundle, "--duration", seconds, "--broadband", path, *asked)
    trace = np.fromfile(path, "<i2").reshape(-1, 8)

    assert packet_samples == 200
    assert client.first_sample is not None
    assert client.first_sample_s is not None
    first = client.first_sample + packet_samples  # the reader passes over a packet, as the GUI does
    assert len(samples) > 0.9 * RATE_HZ
    np.testing.assert_array_equal(samples, trace[first : first + len(samples)])
    assert client.samples == len(samples) + packet_samples
    assert (client.dropped, report.left_out, report.refused) == (0, 0, 0)
    numbers = np.rint((stamps - client.first_sample_s) * RATE_HZ).astype(int) + client.first_sample
    np.testing.assert_array_equal(streamed, trace[numbers])
    assert np.abs(client.first_sample_s + (numbers - client.first_sample) / RATE_HZ - stamps).max() < 1e-6


def test_the_command_prints_what_to_enter_and_reports_who_came(start, bundle, stream_name):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = ("--broadband", "--channels", 8, "--ephys-socket", port, "--duration", 1, "--json")
    sender = start("stream", bundle, "--name", stream_name, *asked)
    printed, errors = sender.communicate(timeout=280)
    assert sender.returncode == 0, errors
    assert f"Ephys Socket, port {port} of 127.0.0.1, 30000 Hz, scale 0.195, offset 0; 8 channels" in errors
    expected = {"address": f"127.0.0.1:{port}", "clients": [], "refused": 0, "left_out": 0}
    assert json.loads(printed)["ephys_socket"] == expected


def reported(stream) -> EphysSocketReport:
    report = stream.report.ephys_socket
    assert report is not None
    return report


def test_a_client_killed_and_back_again_is_in_the_report_and_the_markers(start, bundle, stream_name, tmp_path):
    options = {"broadband": True, "channels": 8, "ephys_socket": 0, "controls": False}
    with spikeloop.stream(bundle, name=stream_name, **options) as stream:
        markers = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{stream_name}-Markers", timeout=60)[0])
        markers.open_stream()
        port = int(reported(stream).address.rpartition(":")[2])
        for number in range(2):
            reader = start(port, 60, tmp_path / f"{number}.npz", script=READER)
            assert reader.stdout.readline() == "connected\n"
            reader.kill()
            assert wait_until(lambda: not any(each.connected for each in reported(stream).clients))
        pulled = [markers.pull_sample(timeout=60) for _ in range(2)]
        marked = [json.loads(sample[0]) for sample, _ in pulled if sample is not None]
        provenance_s = marked[0]["stamp_s"] - marked[0]["first_sample"] / 30_000
    clients = reported(stream).clients
    assert [each.connected for each in clients] == [False, False]
    for marker, client in zip(marked, clients, strict=True):
        assert marker["event"] == "ephys_socket"
        assert (marker["client"], marker["first_sample"]) == (client.address, client.first_sample)
        assert marker["stamp_s"] == client.first_sample_s
        assert marker["stamp_s"] - marker["first_sample"] / 30_000 == pytest.approx(provenance_s, abs=1e-6)
    assert "Ephys Socket 127.0.0.1:" in str(stream.report)
    assert stream.report.to_dict()["ephys_socket"]["clients"][0]["connected"] is False


def test_without_a_voltage_or_with_a_port_in_use_it_says_what_to_do(capsys, bundle, stream_name):
    code, message = fails(capsys, "stream", bundle, "--name", stream_name, "--ephys-socket", 9001)
    assert (code, "expected a voltage to send, found none; add --broadband" in message) == (2, True)
    code, message = fails(capsys, "stream", bundle, "--broadband", "--ephys-socket", "rig", "--name", stream_name)
    assert (code, "--ephys-socket: expected [HOST:]PORT" in message) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, message = fails(capsys, "stream", bundle, "--broadband", "--ephys-socket", port, "--name", stream_name)
    assert (code, f"can't listen on 127.0.0.1:{port}" in message) == (1, True)
