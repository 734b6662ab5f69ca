"""What is asked of a voltage that goes out live, refused before anything is made where it can't be had."""

import socket
from typing import Any

import pytest

import spikeloop
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.launch import stream as launched
from spikeloop.streamer.launch.sent_voltage import SentVoltageOptions
from tests.support.command_line import fails
from tests.support.hosts import BAD_HOSTS
from tests.support.tiny import tiny_bundle

BRIDGES = {"ephys_socket": "--ephys-socket", "synapse": "--synapse"}


@pytest.fixture
def taken():
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def bundle(tmp_path):
    tiny_bundle(tmp_path / "tiny", units=4)
    return tmp_path / "tiny"


@pytest.fixture
def nothing_opens(monkeypatch):
    """Fail where a population or its voltage is made, which takes seconds for a large one."""

    def made(*arguments, **options):
        pytest.fail("something was made before the port was looked at")

    monkeypatch.setattr(launched, "open_broadband", made)
    monkeypatch.setattr(launched.PreparedStream, "_remote_control", made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--probe", "linear"], "--probe: expected a voltage to shape, found none; add --broadband"),
        (["--drift", "5", "--adaptation", "0.2"], "--drift: expected a voltage to shape, found none; add --broadband"),
        (["--broadband-as", "eeg"], "--broadband-as: expected a voltage to shape, found none; add --broadband"),
        (["--synapse", "0"], "--synapse: expected a voltage to send, found none; add --broadband"),
    ],
)
@pytest.mark.parametrize("command", ["stream", "replay"])
def test_commands_refuse_what_shapes_or_sends_a_voltage_that_is_not_there(
    command, options, message, bundle, capsys, stream_name
):
    what = bundle if command == "stream" else "m1-sim:2"
    code, said = fails(capsys, command, what, "--name", stream_name, *options)
    assert (code, message in said) == (2, True), said


@pytest.mark.parametrize(
    ("options", "option"),
    [(["--probe", "linear"], "--probe"), (["--far-units", "3"], "--far-units"), (["--lfp", "20"], "--lfp")],
)
def test_generate_refuses_it_where_it_writes_spikes(options, option, bundle, capsys, tmp_path):
    code, said = fails(capsys, "generate", bundle, "--duration", 1, "--out", tmp_path / "spikes.npz", *options)
    expected = f"{option}: expected a voltage to shape, found none; add --broadband FILE.raw"
    assert (code, expected in said) == (2, True), said
    assert not (tmp_path / "spikes.npz").exists()


def test_programs_are_refused_by_the_same_words(bundle, stream_name):
    recording = spikeloop.Recording.from_counts([[0, 1], [2, 0]], 0.02)
    for made in (
        spikeloop.stream(bundle, name=stream_name, far_units=10),
        spikeloop.replay(recording, name=stream_name, far_units=10),
    ):
        with pytest.raises(BadInputError, match="--far-units: expected a voltage to shape, found none"), made:
            pass


@pytest.mark.parametrize("name", BRIDGES)
def test_a_port_that_is_taken_is_found_before_anything_is_made(name, bundle, taken, stream_name, nothing_opens):
    options = {"broadband": True, name: taken}
    with (
        pytest.raises(FailureError, match=rf"{BRIDGES[name]}: can't listen on 127.0.0.1:{taken} "),
        spikeloop.stream(bundle, name=stream_name, **options),
    ):
        pass


@pytest.mark.parametrize("name", BRIDGES)
@pytest.mark.parametrize("host", [host for host in BAD_HOSTS if "\0" not in host])
def test_a_host_that_is_none_of_this_machine_is_named(name, host):
    given: dict[str, Any] = {name: f"{host}:9001"}
    asked = SentVoltageOptions(broadband=True, **given)
    with pytest.raises(BadInputError, match=rf"^{BRIDGES[name]}: expected .* found host '"):
        asked.check_ports()


def test_one_port_for_two_bridges_is_found_too(taken):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = SentVoltageOptions(broadband=True, ephys_socket=port, synapse=port)
    with pytest.raises(FailureError, match=rf"--synapse: can't listen on 127.0.0.1:{port}"):
        asked.check_ports()


def test_a_page_s_port_is_looked_at_before_its_file_is_read(taken, tmp_path):
    absent = tmp_path / "absent.npz"
    with pytest.raises(FailureError, match=rf"--port: can't listen on 127.0.0.1:{taken} "):
        spikeloop.web(replay=absent, port=taken)
