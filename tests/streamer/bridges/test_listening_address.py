import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.listening_address import ipv4_of, parse_listening_address
from tests.support.hosts import BAD_HOSTS


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


def test_a_host_has_an_address_of_ipv4():
    assert ipv4_of("--synapse", "localhost") == ipv4_of("--synapse", "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("host", [host for host in BAD_HOSTS if host != "192.0.2.1"] + ["::1"])
def test_a_host_without_one_is_named(host):
    with pytest.raises(BadInputError, match=r"^--synapse: expected a host with an IPv4 address, found host '"):
        ipv4_of("--synapse", host)
