"""Real brokers on free ports of this machine: mosquitto as a process, amqtt as another."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

__all__ = ["BROKERS", "Amqtt", "Authority", "Broker", "Mosquitto", "find_program", "free_port", "require"]

STARTS_WITHIN_S = 20.0
TRIES = 3  # another program may take a free port first


def require(*programs: str) -> None:
    """Skip the test where a program is missing; in CI it fails instead."""
    for program in programs:
        if find_program(program) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {program}; install it")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A broker in a process of its own, from entering to leaving the context.

    Attributes
    ----------
    port : that it listens on, also after a restart
    address : that it listens on
    """

    scheme, host, address = "mqtt", "127.0.0.1", "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        for attempt in range(TRIES):
            self.port = free_port()
            try:
                self.start()
            except RuntimeError:
                if attempt + 1 == TRIES:
                    raise
            else:
                return self
        raise AssertionError

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; again, after `kill`."""
        with open(self.folder / "broker.log", "ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the broker did not start:\n{(self.folder / 'broker.log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, without a farewell to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stall(self, stalled: bool) -> None:
        """Have it stand still, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if stalled else signal.SIGCONT)

    def command(self) -> list[str]:
        raise NotImplementedError


class Mosquitto(Broker):
    """mosquitto, on this machine alone.

    Parameters
    ----------
    lines : of its configuration, after its listener's; anonymous users are welcome without any
    """

    name = "mosquitto"

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> None:
        require("mosquitto")
        super().__init__(folder)
        self._lines = lines

    def command(self) -> list[str]:
        listener = [f"listener {self.port} {self.address}", *self._lines, "persistence false"]
        if os.geteuid() == 0:
            listener.append("user root")  # else it could not read the files of a test
        (self.folder / "mosquitto.conf").write_text("\n".join(listener) + "\n")
        return [find_program("mosquitto") or "", "-c", str(self.folder / "mosquitto.conf")]

    @classmethod
    def with_password(cls, folder: Path, user: str, password: str, more: Sequence[str] = ()) -> Self:
        """One that lets only this user in."""
        require("mosquitto", "mosquitto_passwd")
        path = folder / "passwords"
        subprocess.run([find_program("mosquitto_passwd") or "", "-b", "-c", path, user, password], check=True)
        path.chmod(0o600)
        return cls(folder, ["allow_anonymous false", f"password_file {path}", *more])

    @classmethod
    def with_tls(cls, folder: Path, authority: "Authority", host: str = "localhost", more: Sequence[str] = ()) -> Self:
        """One that has a certificate for this host."""
        certificate, key = authority.issue(host)
        files = [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}"]
        broker = cls(folder, ["allow_anonymous true", *files, *more])
        broker.scheme, broker.host = "mqtts", "localhost"
        return broker


class Amqtt(Broker):
    """amqtt, on this machine alone; anonymous users are welcome.

    Parameters
    ----------
    readable : topics that may be subscribed to; empty for all
    """

    name = "amqtt"

    def __init__(self, folder: Path, readable: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._readable = readable

    def command(self) -> list[str]:
        return [sys.executable, "-c", AMQTT, self.address, str(self.port), *self._readable]


BROKERS: dict[str, type[Mosquitto | Amqtt]] = {each.name: each for each in (Mosquitto, Amqtt)}

AMQTT = """
import asyncio, sys
from amqtt.broker import Broker

async def serve(address, port, *readable):
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    if readable:
        acl = {"acl": {"anonymous": list(readable)}}
        plugins["amqtt.plugins.topic_checking.TopicAccessControlListPlugin"] = acl
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"{address}:{port}"}}, "plugins": plugins
    })
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(serve(*sys.argv[1:]))
"""


class Authority:
    """A certificate authority that nobody knows, and what it issues, in a folder."""

    def __init__(self, folder: Path) -> None:
        require("openssl")
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=test authority", "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def issue(self, host: str) -> tuple[Path, Path]:
        """A certificate for a host (or a person), and its key."""
        certificate, key, request = (self._folder / f"{host}.{kind}" for kind in ("pem", "key", "csr"))
        extension = self._folder / f"{host}.ext"
        extension.write_text(f"subjectAltName=DNS:{host}\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={host}", "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extension, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def find_program(program: str) -> str | None:
    """Where a program is; Debian keeps daemons off the path of ordinary users."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
