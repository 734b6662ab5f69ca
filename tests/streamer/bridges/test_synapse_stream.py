"""`stream --broadband --synapse` with Science's own client, science-synapse, in processes of its own."""

import contextlib
import json
import socket
import subprocess
import time

import numpy as np
import pylsl
import pytest

from spikeloop.models import packages
from tests.support.command_line import fails
from tests.support.places import SUPPORT
from tests.support.tiny import tiny_bundle

CLIENT, CONSUMER = SUPPORT / "synapse_client.py", SUPPORT / "lsl_consumer.py"
OUTFLOW = SUPPORT / "synapse_outflow.py"
CHANNELS, RATE_HZ = 8, 30_000
LISTENS = (
    "import sys; from spikeloop.streamer.bridges.synapse.control_plane import ControlPlane;"
    " ControlPlane(None, '127.0.0.1', int(sys.argv[1])).__enter__()"
)
ELECTRODES = (5, 0, 7, 2)  # of the client, in its order


@pytest.fixture
def bundle(tmp_path):
    tiny_bundle(tmp_path / "tiny", units=6)
    return tmp_path / "tiny"


@pytest.fixture
def config(tmp_path):
    """Broadband of some electrodes, spikes and stimulation of all; for the latter, this client can name none."""
    every = [{"id": place, "electrode_id": place} for place in range(CHANNELS)]
    some = [{"id": 10 + row, "electrode_id": place} for row, place in enumerate(ELECTRODES)]
    nodes = {
        "broadband_source": {
            "peripheral_id": 100,
            "sample_rate_hz": RATE_HZ,
            "signal": {"electrode": {"channels": some}},
        },
        "spike_source": {"peripheral_id": 101, "spike_window_ms": 15, "electrodes": {"channels": every}},
        "electrical_stimulation": {"peripheral_id": 102, "sample_rate": 20_000, "lsb": 1000},
    }
    types = ("kBroadbandSource", "kSpikeSource", "kElectricalStimulation")
    listed = [
        {"type": kind, "id": 1 + row, name: node}
        for row, (kind, (name, node)) in enumerate(zip(types, nodes.items(), strict=True))
    ]
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"nodes": listed}))
    return path


@pytest.fixture
def device(start_vendors, bundle, stream_name):
    """A stream, and the address of its device."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"127.0.0.1:{free.getsockname()[1]}"
    sender = start_vendors(
        "-m", "spikeloop", "stream", bundle, "--name", stream_name, "--seed", 4, "--json",
        "--broadband", "--channels", CHANNELS, "--synapse", uri,
    )  # fmt: skip
    assert pylsl.resolve_byprop("name", f"{stream_name}-Broadband", timeout=120), sender.communicate()[1]
    return sender, uri


def stopped(sender: subprocess.Popen[str]) -> dict:
    """What a stream reports that is ended by Ctrl-C."""
    sender.send_signal(2)
    printed, errors = sender.communicate(timeout=280)
    assert sender.returncode == 130, errors
    assert "Traceback" not in errors
    return json.loads(printed)


def ended(client: subprocess.Popen[str]) -> str:
    printed, errors = client.communicate(timeout=280)
    assert client.returncode == 0, errors
    return printed


def test_clients_get_the_bits_of_the_trace_with_lsl_times_whoever_comes_stalls_is_killed_or_sends_garbage(
    start, start_vendors, device, config, stream_name, tmp_path
):
    sender, uri = device
    consumer = start(f"{stream_name}-Broadband", 240, tmp_path / "lsl.npz", script=CONSUMER)
    assert consumer.stdout.readline() == "connected\n"
    steady = start_vendors(CLIENT, uri, "read", config, 4 * RATE_HZ, tmp_path / "steady.npz")
    assert steady.stdout.readline() == "connected\n"
    stalled = start_vendors(CLIENT, uri, "read", config, 100 * RATE_HZ, tmp_path / "stalled.npz", 600)
    killed = start_vendors(CLIENT, uri, "read", config, 100 * RATE_HZ, tmp_path / "killed.npz")
    for client in (stalled, killed):
        assert client.stdout.readline() == "connected\n"
    killed.kill()
    told = json.loads(ended(start_vendors(CLIENT, uri, "facts")))
    assert len(told["ports"]) == 3
    for port in (int(uri.rpartition(":")[2]), *told["ports"]):
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 400):
            with socket.create_connection(("127.0.0.1", port)) as noisy, contextlib.suppress(ConnectionError):
                noisy.sendall(garbage)
    back = start_vendors(CLIENT, uri, "read", config, RATE_HZ, tmp_path / "back.npz")
    for client in (steady, back):
        ended(client)
    report = stopped(sender)["synapse"]
    ended(consumer)
    with np.load(tmp_path / "lsl.npz") as lsl:
        stamps, streamed = lsl["stamps"], lsl["samples"]
    for name, frames in (("steady", 4 * RATE_HZ), ("back", RATE_HZ)):
        with np.load(tmp_path / f"{name}.npz") as got:
            samples, numbers, times_ns, unix_ns = (got[key] for key in ("samples", "numbers", "times_ns", "unix_ns"))
            assert got["rates_hz"].tolist() == [RATE_HZ]
        assert len(samples) == frames
        lost = np.diff(numbers) - 1
        assert lost.min() == 0
        assert lost.sum() <= report["left_out"]  # by a machine that is too busy; else none
        np.testing.assert_array_equal(np.rint((times_ns - times_ns[0]) / 1e9 * RATE_HZ), numbers - numbers[0])
        rows = np.searchsorted(stamps, times_ns / 1e9 - 0.5 / RATE_HZ)
        assert np.abs(stamps[rows] - times_ns / 1e9).max() < 1e-6
        np.testing.assert_array_equal(samples, streamed[rows][:, ELECTRODES])
        assert np.ptp(unix_ns - times_ns) == 0
        assert abs(time.time() - (pylsl.local_clock() + float(unix_ns[0] - times_ns[0]) / 1e9)) < 1
        assert report["first_sample_s"] == pytest.approx(times_ns[0] / 1e9 - numbers[0] / RATE_HZ, abs=1e-6)
    assert abs(told["device_s"] - told["lsl_s"]) < 1  # asked one after the other
    assert report["samples"] >= 4 * RATE_HZ  # all that the steady one read


def test_currents_evoke_spikes_where_they_flow_and_spikes_are_counted_in_windows(
    start, start_vendors, device, config, stream_name, tmp_path
):
    sender, uri = device
    events = start(f"{stream_name}-Events", 120, tmp_path / "events.npz", script=CONSUMER)
    assert events.stdout.readline() == "connected\n"
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{stream_name}-Markers", timeout=60)[0])
    inlet.open_stream()
    ended(start_vendors(CLIENT, uri, "read", config, 10, tmp_path / "read.npz"))
    currents = np.zeros((400, CHANNELS), np.int16)  # 20 ms
    currents[100:104] = -150  # 150 uA for 200 us at every electrode, 5 ms after it arrives
    currents[104:108] = 150
    np.save(tmp_path / "currents.npy", currents)
    counting = start_vendors(CLIENT, uri, "spikes", 200, tmp_path / "spikes.npz")
    client = start_vendors(CLIENT, uri, "stimulate", tmp_path / "currents.npy")
    assert client.stdout.readline() == "connected\n"
    while not (markers := inlet.pull_chunk(timeout=0.1)[0]) or '"stimulate"' not in markers[-1][0]:
        print("now", file=client.stdin, flush=True)  # a subscription takes a while to arrive
    for other in ("unknown", "garbage"):  # a kind of tensor that no protocol has, and what is no tensor
        print(other, file=client.stdin, flush=True)
    client.communicate(timeout=280)
    ended(counting)
    report = stopped(sender)["synapse"]
    ended(events)
    assert report["pulses"] >= CHANNELS
    assert report["refused"] == 2
    marker = json.loads(markers[-1][0])
    assert marker["units"] == list(range(6))
    assert (marker["amplitude_ua"], marker["pulse_width_us"]) == (150, 200)
    with np.load(tmp_path / "events.npz") as got:
        units, stamps = got["samples"], got["stamps"]
    evoked = (stamps >= marker["stamp_s"] + 0.001) & (stamps <= marker["stamp_s"] + 0.004)
    assert set(units[evoked, 0]) == set(range(6))
    with np.load(tmp_path / "spikes.npz") as got:
        np.testing.assert_array_equal(np.diff(got["times_ns"]), 15_000_000)
        np.testing.assert_array_equal(np.diff(got["numbers"]), 1)
        assert got["ids"].tolist() == [list(range(CHANNELS))] * 200
        assert got["windows_ms"].tolist() == [15]
        begins_s = got["times_ns"] / 1e9
        expected = np.histogram(stamps, np.append(begins_s, begins_s[-1] + 0.015))[0]
        np.testing.assert_array_equal(got["counts"].sum(axis=1), expected)


def test_taps_that_stand_still_hold_nobody_up_and_what_is_lost_is_counted(start_vendors):
    told = json.loads(ended(start_vendors(OUTFLOW, 1000)))
    assert told["pushed"] == 1000
    assert told["left_out"] > 0
    assert told["samples"] + told["left_out"] == 10_000


def test_the_command_prints_where_the_device_is_and_how_to_look_at_it(start_vendors, bundle, stream_name):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sender = start_vendors(
        "-m", "spikeloop", "stream", bundle, "--name", stream_name, "--duration", 1, "--json",
        "--broadband", "--channels", CHANNELS, "--synapse", f"0.0.0.0:{port}",
    )  # fmt: skip
    printed, errors = sender.communicate(timeout=280)
    assert sender.returncode == 0, errors
    assert f"Synapse: device {stream_name} on 0.0.0.0:{port}, utah, {CHANNELS} electrodes, {RATE_HZ} Hz" in errors
    assert f"`synapsectl discover`, look at it with `synapsectl --uri 127.0.0.1:{port} info`" in errors
    assert json.loads(printed)["synapse"]["address"] == f"0.0.0.0:{port}"


def test_without_a_voltage_or_its_packages_or_with_a_port_in_use_it_says_what_to_do(
    capsys, monkeypatch, bundle, start_vendors, stream_name
):
    code, message = fails(capsys, "stream", bundle, "--name", stream_name, "--synapse", 647)
    assert (code, "--synapse: expected a voltage to send, found none; add --broadband" in message) == (2, True)
    code, message = fails(capsys, "stream", bundle, "--broadband", "--synapse", "rig", "--name", stream_name)
    assert (code, "--synapse: expected [HOST:]PORT" in message) == (2, True)
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    code, message = fails(capsys, "stream", bundle, "--broadband", "--synapse", 647, "--name", stream_name)
    assert (code, packages.install_command("bridges") in message) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _, errors = start_vendors("-c", LISTENS, port).communicate(timeout=280)
    assert f"can't listen on 127.0.0.1:{port}; stop what listens there" in errors
