"""A process of the user's own code, seen from here: asked, waited for as long as it may take, and ended."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.isolation.marked_processes import end_marked, mark_variable
from spikeloop.streamer.inference.isolation.messages import Answer, AnswerKind, Channel, decode_call
from spikeloop.streamer.inference.isolation.output import ProcessOutput

__all__ = ["OwnProcess"]

# Of modules, none but the standard library's can be found before the parent's path is known.
PROGRAM = """
import json, sys
start = json.loads(sys.stdin.buffer.readline())
sys.path[:] = start["path"]
from spikeloop.streamer.inference.isolation.child import serve
serve(start)
"""
MIB = 2**20
DECODERS = ("spikeloop.streamer.inference.isolation.child", "DecoderServer")
LARGEST_ANSWER = 2**20  # bytes
SLICE_S = 0.1  # between two looks at the memory of a process that is slow to answer
ENDS_WITHIN_S = 1.0


class OwnProcess:
    """A process that holds a decoder or a policy, until it is closed.

    The first failure ends it, and every later one is the same.

    Parameters
    ----------
    name : str
        Of the decoder or policy, for messages.
    limits : DecoderLimits
    option : str, default "--decoder"
        That it was given to, for messages.
    server : pair of str
        Module and name of the class that serves it there; by default a decoder's.
    largest : int, default 1 MiB
        Bytes of an answer.

    Attributes
    ----------
    failure : FailureError or None
        Why it was ended; None while it lives.
    """

    def __init__(
        self,
        name: str,
        limits: DecoderLimits,
        option: str = "--decoder",
        server: tuple[str, str] = DECODERS,
        largest: int = LARGEST_ANSWER,
    ) -> None:
        self.failure: FailureError | None = None
        self._option, self._server = option, server
        self._name, self._limits, self._answering, self._pid = name, limits, False, 0
        self._mark = uuid.uuid4().hex
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours, largest)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | {mark_variable(self._mark): "1"},
                start_new_session=True,  # the terminal's Ctrl-C doesn't reach it
                pass_fds=() if sys.platform == "win32" else (theirs.fileno(),),
            )
            assert self._process.stdout is not None
            self._output = ProcessOutput(name, self._process.stdout, limits.printed_mib * MIB, self._kill)
            self._start(theirs)
        self._memory = _MemoryInUse(self._process.pid)

    def ask(
        self, method: str, arguments: tuple[Any, ...], within_s: float, on_call: Callable[..., Any] | None = None
    ) -> Answer:
        """Have a method called, and wait for the answer.

        Parameters
        ----------
        method : str
            "open", or of the decoder.
        arguments : tuple
        within_s : float, s
            Without the time of calls.
        on_call : callable (method, *arrays) -> array or None, optional
            Called where it asks this process to call something before it answers.

        Raises
        ------
        FailureError
            If the process ends, doesn't answer in time, or exceeds a limit; with the reason.
        """
        if self.failure is not None:
            raise self.failure
        if self._answering:  # Ctrl-C came between request and answer
            raise self._fail("was interrupted before it had answered")
        self._answering = True
        ends_s = time.monotonic() + within_s
        try:
            self._channel.wire.settimeout(min(within_s, threading.TIMEOUT_MAX))
            self._channel.send(pickle.dumps((method, arguments), pickle.HIGHEST_PROTOCOL))
            answer = Answer.parse(self._receive(method, ends_s, within_s))
            while answer.kind is AnswerKind.CALL and on_call is not None:
                began_s = time.monotonic()
                self._channel.send(pickle.dumps(_called(on_call, answer.content), pickle.HIGHEST_PROTOCOL))
                ends_s += time.monotonic() - began_s
                answer = Answer.parse(self._receive(method, ends_s, within_s))
        except TimeoutError:
            raise self._hung(method, within_s) from None
        except ValueError:
            raise self._fail(
                "sent something else than an answer; leave the file descriptors of its process alone"
            ) from None
        except OSError:
            raise self._ended(method) from None
        self._pid = self._pid or answer.process
        if answer.process != self._pid:
            raise self._fail(f"forked its process in {method}; use threads, or run it with --in-process")
        if answer.kind is AnswerKind.OUT_OF_MEMORY:
            raise self._fail(f"out of memory in {method}")
        self._check_memory(method)
        self._answering = False
        return answer

    def slow(self, mean_s: float) -> FailureError:
        """End it because its steps take too long; return the error."""
        return self._fail(f"slow: steps took more than {mean_s:g} s on average")

    def close(self) -> None:
        """End it; what doesn't end by itself in a second is killed, with all that it started."""
        self._channel.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDS_WITHIN_S if self.failure is None and not self._answering else 0)
        self._kill()
        self._process.wait()
        end_marked(self._mark)
        self._output.join(ENDS_WITHIN_S)
        self._memory.close()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _start(self, theirs: socket.socket) -> None:
        """Say where it finds modules and its end of the channel; of one that is dead, the first request will tell."""
        if sys.platform == "win32":
            passed = b64encode(theirs.share(self._process.pid)).decode()
        else:
            passed = theirs.fileno()
        assert self._process.stdin is not None
        with suppress(OSError):
            start = {"path": [*map(str, sys.path)], "socket": passed, "mark": self._mark, "server": self._server}
            self._process.stdin.write(json.dumps(start).encode() + b"\n")
            self._process.stdin.flush()

    def _receive(self, method: str, ends_s: float, within_s: float) -> bytes:
        while True:
            try:
                message = self._channel.receive(min(SLICE_S, within_s))
            except TimeoutError:
                self._check_memory(method)
                if time.monotonic() >= ends_s:
                    raise
                continue
            if message is None:
                raise OSError
            return message

    def _check_memory(self, method: str) -> None:
        if self._memory.read() > self._limits.memory_mib * MIB:
            raise self._fail(f"out of memory in {method}: uses more than {self._limits.memory_mib:g} MiB")

    def _hung(self, method: str, within_s: float) -> FailureError:
        return self._fail(f"hung: {method} gave no answer within {within_s:g} s")

    def _ended(self, method: str) -> FailureError:
        """The process closed its end of the channel, or died."""
        try:
            code = self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return self._fail(f"closed its channel in {method}; leave the file descriptors of its process alone")
        self._output.join(ENDS_WITHIN_S)
        if self._output.flooded:
            return self._fail(f"flooded: printed more than {self._limits.printed_mib:g} MiB")
        if code < 0:
            return self._fail(f"crashed in {method}: killed by {_signal(-code)}{self._output.crashed_in}")
        return self._fail(f"ended its process in {method}, with exit code {code}")

    def _fail(self, reason: str) -> FailureError:
        self.failure = FailureError(f"{self._option} {self._name}: {reason}")
        self._kill()
        return self.failure

    def _kill(self) -> None:
        """Kill it and what it started."""
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)


def _called(on_call: Callable[..., Any], content: bytes) -> tuple[str, Any]:
    """Call what is asked for; ("gave", what it gave), or the kind of its error with the message."""
    method, arrays = decode_call(content)
    try:
        return "gave", on_call(method, *arrays)
    except SpikeloopError as error:
        return "bad input" if isinstance(error, BadInputError) else "failure", str(error)


class _MemoryInUse:
    """Bytes that a process has in use; 0 where that can't be seen from outside."""

    def __init__(self, process: int) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open(f"/proc/{process}/statm", os.O_RDONLY)

    def read(self) -> int:
        if self._file is None:
            return 0
        try:
            return int(os.pread(self._file, 128, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):  # it is over
            return 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
