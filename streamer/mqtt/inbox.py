"""Parse, check and dispatch messages to a stream; a bad one is answered and stops nothing."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from spikeloop.models.errors import SpikeloopError
from spikeloop.streamer.mqtt.echoes import Echoes
from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    EchoMessage,
    InboundMessage,
    PerturbMessage,
    StimulateMessage,
    encode_error,
    parse_inbound,
)

__all__ = ["Handlers", "Inbox"]

ANSWERS_A_SECOND = 10  # at most; devices that flood don't read them


class Handlers(Protocol):
    """What the stream does with messages to it, at once and on the bridge's thread; returns why not, or None."""

    def condition(self, message: ConditionMessage) -> str | None:
        """Drive the population with these values."""
        ...

    def control(self, message: ControlMessage) -> str | None:
        """Pause, resume, set the gain, or seek; a seed never comes here."""
        ...

    def stimulate(self, message: StimulateMessage) -> str | None:
        """Deliver a train of pulses."""
        ...

    def perturb(self, message: PerturbMessage) -> str | None:
        """Have something go wrong, or no longer."""
        ...


class Inbox:
    """Hands messages to their handlers.

    Parameters
    ----------
    handlers : Handlers
    echoes : Echoes
    answer : callable
        Sends the payload of an `error`.
    now : callable
        Returns seconds.

    Attributes
    ----------
    refused : int
        Messages that were not accepted.
    """

    def __init__(
        self, handlers: Handlers, echoes: Echoes, answer: Callable[[bytes], None], now: Callable[[], float]
    ) -> None:
        self._handlers, self._echoes, self._answer, self._now = handlers, echoes, answer, now
        self._answered_s: deque[float] = deque(maxlen=ANSWERS_A_SECOND)
        self.refused = 0

    def receive(self, topic: str, payload: bytes, retained: bool) -> None:
        """Receive a message; whatever its kind, this raises nothing.

        Parameters
        ----------
        topic : str
        payload : bytes
        retained : bool
            Whether the broker kept it, since nobody knows when.
        """
        reason = "retained messages are old; publish without retain" if retained else self._handle(topic, payload)
        if reason is None:
            return
        self.refused += 1
        now_s = self._now()
        if len(self._answered_s) < ANSWERS_A_SECOND or now_s - self._answered_s[0] >= 1:
            self._answered_s.append(now_s)
            self._answer(encode_error(topic, reason, payload))

    def _handle(self, topic: str, payload: bytes) -> str | None:
        try:
            return self._dispatch(parse_inbound(topic.rpartition("/")[2], payload))
        except SpikeloopError as error:
            return str(error)
        except Exception as error:  # of a handler; the messages after it are none the worse
            return f"it could not be handled ({type(error).__name__}: {error})"

    def _dispatch(self, message: InboundMessage) -> str | None:
        match message:
            case EchoMessage(sequence):
                return self._echoes.echoed(sequence)
            case ConditionMessage():
                return self._handlers.condition(message)
            case StimulateMessage():
                return self._handlers.stimulate(message)
            case PerturbMessage():
                return self._handlers.perturb(message)
            case ControlMessage(command="seed"):
                return "the seed can't change while a stream runs; start another with --seed"
            case ControlMessage():
                return self._handlers.control(message)
