"""Sockets that listen, and what is said where they can't."""

import socket

import pytest

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.listening import listen
from tests.support.hosts import BAD_HOSTS


def test_it_listens_on_a_free_port_of_a_host_by_name_or_address():
    for host in ("127.0.0.1", "localhost"):
        with listen(host, 0, "--port") as listening:
            assert listening.family == socket.AF_INET
            socket.create_connection(("127.0.0.1", listening.getsockname()[1])).close()


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_is_none_of_this_machine_is_named_and_not_its_port(host):
    with pytest.raises(BadInputError) as refused:
        listen(host, 9001, "--port", "--host")
    message = str(refused.value)
    assert message.startswith("--host: expected the name or an address of this machine, found host ")
    assert repr(host)[:60] in message
    assert "9001" not in message


def test_a_port_that_is_taken_is_named_with_what_to_do():
    with listen("127.0.0.1", 0, "--port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FailureError, match=rf"^--port: can't listen on 127\.0\.0\.1:{port} \(.*stop what .*choose"):
            listen("127.0.0.1", port, "--port", "--host")


def test_of_one_option_for_both_that_one_is_named():
    with pytest.raises(BadInputError, match="^--synapse: expected the name or an address"):
        listen(BAD_HOSTS[0], 0, "--synapse")
