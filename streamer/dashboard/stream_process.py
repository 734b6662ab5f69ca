"""A stream in a process of its own, which nothing that pages do can delay; its controls are asked for from there."""

import os
import pickle
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Self

from spikeloop.exporters.documents import json_values
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.streamer.dashboard.frames import Kind, Request
from spikeloop.streamer.launch.background import BackgroundStream
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    PerturbMessage,
    StimulateMessage,
    parse_inbound,
)

__all__ = ["StreamProcess", "work"]

PROGRAM = "from spikeloop.streamer.dashboard.stream_process import work; work()"
LOOPBACK = "127.0.0.1"
HEALTH_EVERY_S, LOOK_EVERY_S = 0.5, 0.05
ENDS_WITHIN_S = 10.0
TOPICS = {
    Kind.CONDITION: "condition", Kind.CONTROL: "control", Kind.STIMULATE: "stimulate", Kind.PERTURB: "perturb",
}  # fmt: skip

Message = ConditionMessage | ControlMessage | StimulateMessage | PerturbMessage | None
Answer = Callable[[int, str], None]  # gets the number of who asked, and why it was refused


class StreamProcess:
    """A stream with controls, from entering to leaving the context.

    Parameters
    ----------
    bundle : str
        A shipped bundle's name, or a path.
    options : StreamOptions
    on_refusal : callable
        Gets the number of who asked for something that the stream refuses, and why; in a thread of its own.

    Attributes
    ----------
    health : dict or None
        The latest figures of the stream, whether it is paused, its gain, and what goes wrong with it; None before the
        first.
    report : dict or None
        How the stream ran; None before its end.
    failure : SpikeloopError or None
        Why the stream ended by itself.

    Raises
    ------
    FailureError
        On entering, if the process can't be started.
    """

    def __init__(self, bundle: str, options: StreamOptions, on_refusal: Answer) -> None:
        self.health: dict[str, Any] | None = None
        self.report: dict[str, Any] | None = None
        self.failure: SpikeloopError | None = None
        self._asked, self._on_refusal = (bundle, options), on_refusal
        self._sending, self._leaving = threading.Lock(), False
        self._reader = threading.Thread(target=self._read, name="spikeloop-stream-reader", daemon=True)

    def __enter__(self) -> Self:
        key = secrets.token_bytes(32)
        with Listener((LOOPBACK, 0), authkey=key) as listener:
            # a program of its own: multiprocessing would run the caller's script once more
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, start_new_session=True, env=_environment()
            )
            assert self._process.stdin is not None
            with self._process.stdin as pipe:
                pickle.dump((listener.address, key, *self._asked), pipe)
            self._pipe = self._accepted(listener)
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._leaving = True
        with suppress(OSError), self._sending:
            self._pipe.send(None)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._pipe.close()

    def _accepted(self, listener: Listener) -> "Connection[Any, Any]":
        """Wait until the program has connected, or ended before."""
        found: Future[Connection[Any, Any]] = Future()

        def accept() -> None:
            try:
                found.set_result(listener.accept())
            except Exception as error:  # handed on to who waits
                found.set_exception(error)

        threading.Thread(target=accept, name="spikeloop-stream-start", daemon=True).start()
        while True:
            with suppress(TimeoutError):
                return found.result(LOOK_EVERY_S)
            if self._process.poll() is not None:
                raise FailureError(f"the stream's process ended at once, with code {self._process.returncode}")

    def ask(self, request: Request, number: int) -> None:
        """Pass on what somebody asks for; what the stream itself refuses is answered later.

        Raises
        ------
        BadInputError
            If it is not what the topic's schema asks for, or the stream has ended.
        """
        topic = TOPICS.get(request.kind)
        message = parse_inbound(topic, request.payload) if topic is not None else None
        try:
            with self._sending:
                self._pipe.send((number, message))
        except OSError as error:
            raise BadInputError("the stream has ended; start spikeloop web again") from error

    def _read(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                word, *content = self._pipe.recv()
                if word == "refused":
                    self._on_refusal(*content)
                else:
                    setattr(self, word, content[0])
        if not self._leaving and self.report is None and self.failure is None:
            self.failure = FailureError(f"the stream's process ended, with code {self._process.wait()}")


def work() -> None:
    """Stream until None comes or the connection closes; the program of the process."""
    for name in ("SIGINT", "SIGHUP"):  # a terminal's signals are for the process that started this one
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    address, key, bundle, options = pickle.load(sys.stdin.buffer)
    with suppress(OSError, EOFError), Client(address, authkey=key) as pipe:
        try:
            with BackgroundStream(bundle, options) as running:
                _obey(running, pipe)
            pipe.send(("report", running.report.to_dict()))
        except SpikeloopError as error:
            kind = BadInputError if isinstance(error, BadInputError) else FailureError
            pipe.send(("failure", kind(str(error))))


def _environment() -> dict[str, str]:
    """Return this process's environment, with the places that it imports from."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _obey(running: BackgroundStream, pipe: "Connection[Any, Any]") -> None:
    due_s = time.monotonic()
    while running.running:
        if time.monotonic() >= due_s:
            pipe.send(("health", _health(running)))
            due_s = time.monotonic() + HEALTH_EVERY_S
        if not pipe.poll(max(0.0, due_s - time.monotonic())):
            continue
        asked = pipe.recv()
        if asked is None:
            return
        number, message = asked
        try:
            _act(running, message)
        except BadInputError as error:
            pipe.send(("refused", number, str(error)))


def _health(running: BackgroundStream) -> dict[str, Any]:
    prepared = running.prepared
    steering = None if prepared is None else prepared.steering
    return json_values(asdict(running.health)) | {
        "has_consumers": prepared is not None and prepared.has_consumers(),
        "paused": steering is not None and steering.paused,
        "gain": 1.0 if steering is None else steering.gain,
        "perturbations": {} if steering is None else steering.perturbations,
    }


def _act(running: BackgroundStream, message: Message) -> None:
    """Do what a message asks for, by the same controls as any program's."""
    match message:
        case ConditionMessage():
            running.set_condition(message.values)
        case ControlMessage(command="gain", value=float(gain)):
            running.set_gain(gain)
        case ControlMessage(command="pause"):
            running.pause()
        case ControlMessage(command="resume"):
            running.resume()
        case ControlMessage():
            raise BadInputError(f"control: {message.command} can't be changed while the stream runs")
        case StimulateMessage():
            train = message.amplitude_ua, message.pulses, message.rate_hz, message.pulse_width_us
            running.stimulate(message.units, *train)
        case PerturbMessage():
            running.perturb(message.kind, message.value, units=message.units)
        case None:
            running.set_condition(None)
