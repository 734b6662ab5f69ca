"""The fast mode of the suite: what it leaves out can't happen by accident."""

import socket
import sys

__all__ = ["forbid_heavy_imports", "forbid_sockets_and_programs"]

ABSENT = ("torch", "pylsl")  # an import of these fails


def forbid_heavy_imports() -> None:
    """From now on, torch and pylsl can't be imported in this process."""
    sys.meta_path.insert(0, _Refusal())


def forbid_sockets_and_programs() -> None:
    """From now on, this process can neither open a network socket nor start a program.

    The pair of local sockets by which an asyncio event loop wakes itself up is allowed.
    """
    sys.addaudithook(_refuse)


class _Refusal:
    """A finder of modules that finds some of them missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"a fast test imported {name}; mark it torch or lsl", name=name)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6):
        raise AssertionError("a fast test opened a network socket; mark it lsl or mqtt")
    if event == "subprocess.Popen":
        raise AssertionError(f"a fast test started {arguments[0]}; mark it realtime")
