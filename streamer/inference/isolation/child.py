"""What runs in a decoder's process: it makes the decoder that is named, and answers one request after another."""

import faulthandler
import importlib
import json
import os
import pickle
import signal
import socket
import sys
import threading
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikeloop.models.decoders.decoder import Decoder, status_of
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.streamer.inference.isolation.marked_processes import end_marked
from spikeloop.streamer.inference.isolation.messages import Answer, AnswerKind, Channel
from spikeloop.streamer.inference.open_decoder import open_decoder

__all__ = ["DecoderServer", "Server", "answer_of", "serve"]


def serve(start: Mapping[str, Any]) -> None:
    """Answer until the other end of the channel is closed.

    Parameters
    ----------
    start : mapping
        `socket`: the number of the descriptor, or on Windows what its `share` gave, in Base64; `mark`: of this process
        and of what it starts; `server`: module and name of the `Server`.
    """
    channel = Channel(_socket(start["socket"]))
    _end_with_parent(start["mark"])
    faulthandler.enable()
    sys.addaudithook(_refuse_fork)
    module, name = start["server"]
    served: Server = getattr(importlib.import_module(module), name)(channel)
    while (request := channel.receive()) is not None:
        method, arguments = pickle.loads(request)
        channel.send(served.answer(method, arguments).encoded())
    end_marked(start["mark"])  # what it started, before it ends itself


class Server:
    """Code of the caller's own in this process; the base of what serves it.

    Parameters
    ----------
    channel : Channel
        Over which it is asked.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def do(self, method: str, arguments: tuple[Any, ...]) -> tuple[AnswerKind, bytes]:
        """Do what is asked for, and return the kind and the content of the answer."""
        raise NotImplementedError

    def answer(self, method: str, arguments: tuple[Any, ...]) -> Answer:
        """Do what is asked for; what goes wrong is said in the answer."""
        content = b""
        try:
            kind, content = self.do(method, arguments)
        except SpikeloopError as error:
            kind = AnswerKind.BAD_INPUT if isinstance(error, BadInputError) else AnswerKind.FAILURE
            kind = AnswerKind.OUT_OF_MEMORY if isinstance(error.__cause__, MemoryError) else kind
            content = str(error).encode(errors="backslashreplace")  # a path may be no text
        except MemoryError:
            kind = AnswerKind.OUT_OF_MEMORY
        return Answer(kind, os.getpid(), content)


def answer_of(found: Any) -> tuple[AnswerKind, bytes]:
    """Return the answer that numbers are, or nothing."""
    return (AnswerKind.DONE, b"") if found is None else (AnswerKind.NUMBERS, np.asarray(found, "<f8").tobytes())


class DecoderServer(Server):
    """The decoder, once it is opened."""

    _decoder: Decoder | None = None

    def do(self, method: str, arguments: tuple[Any, ...]) -> tuple[AnswerKind, bytes]:
        if method == "open":
            return self._open(*arguments)
        return answer_of(getattr(self._decoder, method)(*arguments))

    def _open(self, spec: bytes, units: int, bin_size_s: float, seed: int) -> tuple[AnswerKind, bytes]:
        try:
            loaded: DecoderSpec = pickle.loads(spec)
        except Exception as error:  # whatever the import of the caller's module raises
            return AnswerKind.NOT_LOADED, f"{type(error).__name__}: {error}".encode()
        self._decoder = None  # the memory of the one before
        self._decoder = open_decoder(loaded, units=units, bin_size_s=bin_size_s, seed=seed)
        return AnswerKind.OPENED, json.dumps(vars(status_of(self._decoder))).encode()


def _socket(passed: Any) -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(b64decode(passed))
    return socket.socket(fileno=passed)


def _end_with_parent(mark: str) -> None:
    """End, at once, when the parent closes its end of this process's input, or dies, whatever the decoder does then."""
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a decoder that reads the terminal finds nothing there
    os.close(nothing)

    def wait() -> None:
        os.read(lifeline, 1)
        end_marked(mark)  # what the decoder started
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="spikeloop-lifeline", daemon=True).start()


def _refuse_fork(event: str, arguments: tuple[Any, ...]) -> None:  # noqa: ARG001
    if event in ("os.fork", "os.forkpty"):
        raise RuntimeError("a decoder may not fork its process; use threads, or run it with --in-process")
