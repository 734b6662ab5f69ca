import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.listening_address import parse_listening_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("9001", "127.0.0.1", 9001),
        (9001, "127.0.0.1", 9001),
        ("0.0.0.0:9001", "0.0.0.0", 9001),
        ("rig.lab:0", "rig.lab", 0),
        ("[::1]:9001", "::1", 9001),
    ],
)
def test_an_address_is_a_port_with_or_without_a_host(text, host, port):
    address = parse_listening_address("--ephys-socket", text)
    assert (address.host, address.port) == (host, port)
    assert parse_listening_address("--ephys-socket", str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "rig", "rig:", "9001:rig", "65536", "-1", "a b:9001", True, None, 9001.5, "９００１", "9" * 5000]
)
def test_anything_else_is_refused(text):
    with pytest.raises(BadInputError, match=r"--ephys-socket: expected \[HOST:\]PORT with a port from 0 to 65535"):
        parse_listening_address("--ephys-socket", text)
