"""A policy of the caller's own in a process of its own: what runs there, and how it is asked from here."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import missing_methods
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.scalars import is_whole, shown
from spikeloop.streamer.closedloop.experiment.record import Block
from spikeloop.streamer.inference.isolation.child import Server, answer_of
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.isolation.messages import Answer, AnswerKind, Channel, encode_call
from spikeloop.streamer.inference.isolation.process import OwnProcess
from spikeloop.streamer.inference.own_code import foreign_code, named_factory, velocity_from

__all__ = ["MOST_WARM_UP", "WARM_UP", "IsolatedPolicy", "OwnPolicy", "PolicyServer", "warm_up_of"]

WARM_UP, MOST_WARM_UP = 32, 10_000  # trials, from which a policy may learn each day
SERVER = (__name__, "PolicyServer")
LARGEST_CALL = 2**28  # bytes of counts and kinematics that a policy fits its decoder to


class OwnPolicy:
    """A policy of the caller's own, of which every method but `relearn` may be missing.

    Parameters
    ----------
    name : str
        For messages.
    factory : callable without arguments

    Raises
    ------
    BadInputError
        If it makes no policy.
    FailureError
        If it fails.
    """

    def __init__(self, name: str, factory: Callable[[], Any]) -> None:
        self._name = name
        with foreign_code(name, "--policy"):
            self.policy: Any = factory()
        if not callable(getattr(self.policy, "relearn", None)):
            raise BadInputError(
                f"--policy {name}: expected an object with relearn(decoder, block, gain), and wrap and calibrates where"
                f" it needs them; found {type(self.policy).__name__}"
            )

    def wrap(self, decoder: Decoder) -> Decoder:
        if not hasattr(self.policy, "wrap"):
            return decoder
        wrapped = self._call("wrap", decoder)
        if missing := missing_methods(wrapped):
            raise BadInputError(
                f"--policy {self._name}: expected wrap to give a decoder with fit and step, found"
                f" {type(wrapped).__name__} without {' and '.join(missing)}"
            )
        return wrapped

    def calibrates(self, day: int) -> bool:
        return bool(self._call("calibrates", day)) if hasattr(self.policy, "calibrates") else day == 0

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:
        self._call("relearn", decoder, block, gain)

    def close(self) -> None:
        """Do nothing: it lives in this process."""

    def _call(self, method: str, *given: Any) -> Any:
        with foreign_code(self._name, "--policy"):
            return getattr(self.policy, method)(*given)


def warm_up_of(name: str, factory: Any) -> int:
    """Return the trials that a policy of the caller's own learns from; BadInputError where that is no number of them.

    Parameters
    ----------
    name : str
        For messages.
    factory : callable
        Its class or function, of which the attribute `warm_up` says so.
    """
    found = getattr(getattr(factory, "func", factory), "warm_up", WARM_UP)
    if not (is_whole(found) and 0 <= int(found) <= MOST_WARM_UP):
        raise BadInputError(
            f"--policy {name}: expected warm_up, a whole number of trials from 0 to {MOST_WARM_UP}; found"
            f" {shown(found)}"
        )
    return int(found)


@dataclass(frozen=True)
class _Wanted:
    """A policy to make: by a text, or by what a pickle holds."""

    name: str
    factory: bytes | None

    def loaded(self) -> Any:
        if self.factory is not None:
            return pickle.loads(self.factory)
        kind, _, argument = self.name.partition(":")
        return named_factory(self.name, argument, kind, "--policy")


class PolicyServer(Server):
    """Runs in the policy's process."""

    def do(self, method: str, arguments: tuple[Any, ...]) -> tuple[AnswerKind, bytes]:
        if method == "open":
            (wanted,) = arguments
            self._name, factory = wanted.name, wanted.loaded()
            self._policy = OwnPolicy(wanted.name, factory)
            return AnswerKind.OPENED, json.dumps({"warm_up": warm_up_of(wanted.name, factory)}).encode()
        lent = _LentDecoder(self.channel)
        if method == "wrap":
            self._decoder = self._policy.wrap(lent)
            return AnswerKind.OPENED, json.dumps({"wrapped": self._decoder is not lent}).encode()
        if method == "calibrates":
            return answer_of([float(self._policy.calibrates(*arguments))])
        if method == "relearn":
            return answer_of(self._policy.relearn(self._decoder, *arguments))
        if method == "fit":
            with foreign_code(self._name, "--policy"):
                self._columns = arguments[1].shape[1]
                return answer_of(self._decoder.fit(*arguments))
        return answer_of(velocity_from("--policy", self._name, "step", self._columns, self._decoder.step, arguments[0]))


class _LentDecoder:
    """The course's decoder, which stays where it is and is asked from the policy's process."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        self._ask("fit", np.asarray(counts), np.asarray(kinematics))

    def step(self, counts: Counts) -> Floats:
        return self._ask("step", np.asarray(counts))

    def _ask(self, method: str, *arrays: NDArray[Any]) -> Any:
        if any(array.dtype.hasobject for array in arrays):
            raise BadInputError(f"expected numbers in {method} of the decoder, found objects")
        self._channel.send(Answer(AnswerKind.CALL, os.getpid(), encode_call(method, arrays)).encoded())
        reply = self._channel.receive()
        if reply is None:
            raise FailureError("whoever runs the policy is gone")
        kind, found = pickle.loads(reply)
        if kind == "gave":
            return found
        raise (BadInputError if kind == "bad input" else FailureError)(found)


class IsolatedPolicy:
    """A policy of the caller's own in a process of its own, seen from here.

    Parameters
    ----------
    name : str
    factory : bytes or None
        The pickle of what makes it; None where its name, python:FILE.py:NAME, says so.
    limits : DecoderLimits

    Attributes
    ----------
    warm_up : int >= 0
        Trials that it learns from.

    Raises
    ------
    BadInputError, FailureError
        As of `OwnPolicy`; FailureError also if its process fails, or takes too long to load it.
    """

    def __init__(self, name: str, factory: bytes | None, limits: DecoderLimits) -> None:
        self._name, self._limits = name, limits
        self._process = OwnProcess(name, limits, "--policy", SERVER, LARGEST_CALL)
        try:
            self.warm_up = int(self._opened("open", (_Wanted(name, factory),), limits.open_s).get("warm_up", WARM_UP))
        except BaseException:
            self.close()
            raise

    def wrap(self, decoder: Decoder) -> Decoder:
        self._decoder = decoder
        wrapped = self._opened("wrap", (), self._limits.open_s).get("wrapped")
        return _WrappedDecoder(self._ask, self._limits) if wrapped else decoder

    def calibrates(self, day: int) -> bool:
        answer = self._ask("calibrates", (day,), self._limits.open_s)
        return bool(np.frombuffer(answer.content, "<f8").any())

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:  # noqa: ARG002
        self._ask("relearn", (block, gain), self._limits.fit_s)

    def close(self) -> None:
        """End its process."""
        self._process.close()

    def _opened(self, method: str, arguments: tuple[Any, ...], within_s: float) -> dict[str, Any]:
        try:
            found = json.loads(self._ask(method, arguments, within_s).content)
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}

    def _ask(self, method: str, arguments: tuple[Any, ...], within_s: float) -> Answer:
        answer = self._process.ask(method, arguments, within_s, self._on_call)
        message = answer.content.decode(errors="replace")
        if answer.kind is AnswerKind.BAD_INPUT:
            raise BadInputError(message)
        if answer.kind is AnswerKind.FAILURE:
            raise FailureError(message)
        return answer

    def _on_call(self, method: str, *arrays: NDArray[Any]) -> Any:
        """What the policy asks of the course's decoder."""
        if method not in ("fit", "step"):
            raise BadInputError(f"expected fit or step of the decoder, found {method!r:.40}")
        return getattr(self._decoder, method)(*arrays)


class _WrappedDecoder:
    """What the policy put around the decoder, in its process."""

    def __init__(self, ask: Callable[[str, tuple[Any, ...], float], Answer], limits: DecoderLimits) -> None:
        self._ask, self._limits = ask, limits

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        self._ask("fit", (counts, kinematics), self._limits.fit_s)

    def step(self, counts: Counts) -> Floats:
        return np.frombuffer(self._ask("step", (counts,), self._limits.step_s).content, "<f8").astype(np.float64)
