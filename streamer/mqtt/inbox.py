"""Messages to a stream: read, checked and handed on; a bad one is answered and stops nothing."""

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
    StimulateMessage,
    encode_error,
    parse_inbound,
)

__all__ = ["Handlers", "Inbox"]

ANSWERS_A_SECOND = 10  # at most; devices that flood don't read them


class Handlers(Protocol):
    """What the stream does with messages to it, at once and on the bridge's thread; a text says why it does not."""

    def condition(self, message: ConditionMessage) -> str | None:
        """Values to be driven by."""
        ...

    def control(self, message: ControlMessage) -> str | None:
        """Pause, resume or gain; a seed never comes here."""
        ...

    def stimulate(self, message: StimulateMessage) -> str | None:
        """A train of pulses."""
        ...


class Inbox:
    """Hands messages to their handlers.

    Parameters
    ----------
    answer : sends an `error`
    now : in seconds

    Attributes
    ----------
    refused : messages that were not taken
    """

    def __init__(
        self, handlers: Handlers, echoes: Echoes, answer: Callable[[bytes], None], now: Callable[[], float]
    ) -> None:
        self._handlers, self._echoes, self._answer, self._now = handlers, echoes, answer, now
        self._answered_s: deque[float] = deque(maxlen=ANSWERS_A_SECOND)
        self.refused = 0

    def receive(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message came; of whatever kind, this raises nothing.

        Parameters
        ----------
        retained : by the broker, since nobody knows when
        """
        reason = "retained messages are old; publish without retain" if retained else self._take(topic, payload)
        if reason is None:
            return
        self.refused += 1
        now_s = self._now()
        if len(self._answered_s) < ANSWERS_A_SECOND or now_s - self._answered_s[0] >= 1:
            self._answered_s.append(now_s)
            self._answer(encode_error(topic, reason, payload))

    def _take(self, topic: str, payload: bytes) -> str | None:
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
            case ControlMessage(command="seed"):
                return "the seed can't change while a stream runs; start another with --seed"
            case ControlMessage():
                return self._handlers.control(message)
