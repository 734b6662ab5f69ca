"""Two computers and a cable between them: network namespaces of this machine; or the machine alone."""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

__all__ = ["FIRST_PORT", "PORTS", "Host", "Network"]

FIRST_PORT, PORTS = 26_600, 64  # of LSL
ADDRESSES = {"near": "10.77.31.1", "far": "10.77.31.2"}
CONFIGURATION = """[lab]
SessionID = {session}
KnownPeers = {{{peers}}}
[ports]
MulticastPort = {multicast_port}
BasePort = {base_port}
PortRange = {ports}
IPv6 = disable
[multicast]
ResolveScope = machine
[log]
level = -3
"""


@dataclass(frozen=True)
class Host:
    """Where programs run.

    Attributes
    ----------
    name : str
    address : str
        At which others reach it.
    prefix : tuple of str
        Before the command of a program that shall run there.
    environment : dict of str
        Of its programs.
    """

    name: str
    address: str
    prefix: tuple[str, ...]
    environment: dict[str, str]


class Network:
    """Two hosts, near and far, from entering to leaving the context; without the right to, both are this machine.

    Parameters
    ----------
    folder : pathlib.Path
        For the configurations of liblsl.

    Attributes
    ----------
    near, far : Host
    why_no_cable : str
        Why the network can't be cut here; empty where it can.
    cut_by : str
        How it is cut: "tc netem", or where the kernel has no such thing "ip link".
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._session = folder, uuid4().hex[:12]
        self._names: dict[str, str] = {}
        self.why_no_cable = self.cut_by = ""

    def __enter__(self) -> Self:
        try:
            self._lay_cable()
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            self.why_no_cable = f"no network namespaces here ({_reason(error)})"
        self.near, self.far = self._host("near"), self._host("far")
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def set_cut(self, cut: bool) -> None:
        """Cut the cable, or mend it."""
        if self.cut_by == "tc netem":
            verb = ("add", "dev", "cable", "root", "netem", "loss", "100%") if cut else ("del", "dev", "cable", "root")
            self._inside("near", "tc", "qdisc", *verb)
        else:
            self._inside("near", "ip", "link", "set", "cable", "down" if cut else "up")

    def _lay_cable(self) -> None:
        if shutil.which("ip") is None:
            raise OSError("ip of iproute2 is not installed")
        for place in ADDRESSES:
            name = f"soak-{os.getpid()}-{place}"
            _run("ip", "netns", "add", name)
            self._names[place] = name
        ends = [("peer", "name", "cable", "netns", self._names["far"])]
        _run("ip", "link", "add", "cable", "netns", self._names["near"], "type", "veth", *ends[0])
        for place, address in ADDRESSES.items():
            self._inside(place, "ip", "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                self._inside(place, "ip", "link", "set", device, "up")
        self.cut_by = "tc netem"
        try:
            self.set_cut(True)
            self.set_cut(False)
        except (OSError, subprocess.CalledProcessError):  # the kernel may lack it
            self.cut_by = "ip link"

    def _inside(self, place: str, *command: str) -> None:
        _run("ip", "netns", "exec", self._names[place], *command)

    def _host(self, place: str) -> Host:
        address = ADDRESSES[place] if self._names else "127.0.0.1"
        peers = ", ".join(ADDRESSES.values()) if self._names else ""
        file = self._folder / f"lsl_{place}.cfg"
        configuration = {"session": self._session, "peers": peers, "ports": PORTS}
        file.write_text(CONFIGURATION.format(**configuration, multicast_port=FIRST_PORT, base_port=FIRST_PORT + 1))
        prefix = ("ip", "netns", "exec", self._names[place]) if self._names else ()
        return Host(place, address, prefix, {"LSLAPICFG": str(file)})

    def _remove(self) -> None:
        for name in self._names.values():
            with suppress(OSError, subprocess.CalledProcessError):
                _run("ip", "netns", "del", name)
        self._names = {}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", "") or str(error)
    return " ".join(said.split())[:100]
