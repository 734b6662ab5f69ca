"""Start an MQTT broker on this machine, for demos and measurements."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from spikeloop.models.errors import FailureError

__all__ = ["BrokerKind", "local_broker"]

BrokerKind = Literal["any", "mosquitto", "amqtt"]

STARTS_WITHIN_S = 20.0
# Without nodelay mosquitto holds a small message back until the one before was acknowledged, for up to 40 ms.
MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
"""
AMQTT = """
import asyncio
from amqtt.broker import Broker
async def serve():
    await Broker({{
        "listeners": {{"default": {{"type": "tcp", "bind": "127.0.0.1:{port}"}}}},
        "plugins": {{"amqtt.plugins.authentication.AnonymousAuthPlugin": {{"allow_anonymous": True}}}},
    }}).start()
    await asyncio.Event().wait()
asyncio.run(serve())
"""


@contextmanager
def local_broker(kind: BrokerKind = "any", port: int | None = None) -> Iterator[str]:
    """Run a broker on the loopback interface, open to every program of this machine, in a process of its own.

    Parameters
    ----------
    kind : {"any", "mosquitto", "amqtt"}
        "any" is mosquitto where that is installed, else amqtt.
    port : int, optional
        By default one that is free.

    Yields
    ------
    str
        The broker's URL.

    Raises
    ------
    FailureError
        If no such broker is installed, or it doesn't start.
    """
    port = port or _free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            _command(kind, port, Path(folder)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_it_listens(process, port)
            yield f"mqtt://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _command(kind: BrokerKind, port: int, folder: Path) -> list[str]:
    program = None if kind == "amqtt" else shutil.which("mosquitto", path=_search_path())
    if program is not None:
        configuration = folder / "mosquitto.conf"
        configuration.write_text(MOSQUITTO.format(port=port))
        return [program, "-c", str(configuration)]
    if kind != "mosquitto" and find_spec("amqtt") is not None:
        return [sys.executable, "-c", AMQTT.format(port=port)]
    raise FailureError("no MQTT broker is installed; install mosquitto (apt, brew), or pip install amqtt")


def _search_path() -> str:
    """Debian puts mosquitto where only root's shell looks."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end_s = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < end_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise FailureError(f"the MQTT broker doesn't listen on port {port}; start one of your own, and pass its URL")
