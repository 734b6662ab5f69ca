"""A closed-loop stimulator, which answers a burst with pulses."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.device import Outgoing, document_of
from spikeloop.streamer.devices.sequence import SequenceCheck
from spikeloop.streamer.devices.trigger import BurstTrigger
from spikeloop.streamer.mqtt.payloads import decode_spikes, parse_inbound
from spikeloop.streamer.stream.health import Durations

__all__ = ["Pulses", "Stimulator"]

FORGOTTEN_AFTER_S = 5.0  # a stimulus that nobody confirmed


@dataclass(frozen=True)
class Pulses:
    """The stimulus, with the fields of the topic `stimulate`."""

    units: tuple[int, ...] | Literal["all"] = "all"
    amplitude_ua: float = 50.0
    pulses: int = 1
    rate_hz: float = 100.0
    pulse_width_us: float = 200.0


class Stimulator:
    """Sends `stimulate` when its trigger fires, at most once a message; `marker` and `error` report what came of it.

    Parameters
    ----------
    trigger : BurstTrigger
    pulses : Pulses
    identifier : str of 1 to 48 characters
        Of this device; the stimuli's ids are IDENTIFIER-1, IDENTIFIER-2, ...

    Raises
    ------
    BadInputError
        If no stream would accept such a stimulus.
    """

    topics = ("spikes", "marker", "error")
    tick_s = None

    def __init__(self, trigger: BurstTrigger, pulses: Pulses, identifier: str) -> None:
        if not 1 <= len(identifier) <= 48:
            raise BadInputError(f"stimulator: expected an identifier of 1 to 48 characters, found {identifier!r:.80}")
        self._trigger, self._pulses, self._identifier = trigger, pulses, identifier
        parse_inbound("stimulate", json.dumps(self._document(f"{identifier}-1")).encode())
        self._sequence = SequenceCheck()
        self._sent_s: dict[str, float] = {}  # of those that wait to be confirmed
        self._confirmation = Durations()
        self._spikes = self._stimuli = self._confirmed = self._refused = self._not_understood = 0
        self._reason = ""

    def receive(self, topic: str, payload: bytes, now_s: float) -> Sequence[Outgoing]:
        """Watch spikes for a burst; note whether a stimulus was confirmed or refused."""
        if topic == "spikes":
            return self._watch(payload, now_s)
        document = document_of(payload) or {}
        if topic == "marker" and document.get("event") == "stimulate":
            self._confirm(document.get("id"), now_s)
        elif topic == "error" and document.get("topic") == "stimulate":
            self._note_refusal(document)
        return ()

    def tick(self, now_s: float) -> Sequence[Outgoing]:  # noqa: ARG002
        """Send nothing."""
        return ()

    def _watch(self, payload: bytes, now_s: float) -> Sequence[Outgoing]:
        try:
            message = decode_spikes(payload)
        except BadInputError:
            self._not_understood += 1
            return ()
        self._sequence.add(message.sequence)
        self._spikes += len(message.units)
        if not len(self._trigger.feed(message.stamps_s, message.units)):
            return ()
        self._stimuli += 1
        stimulus = f"{self._identifier}-{self._stimuli}"
        self._sent_s = {id: sent_s for id, sent_s in self._sent_s.items() if now_s - sent_s < FORGOTTEN_AFTER_S}
        self._sent_s[stimulus] = now_s
        return (Outgoing("stimulate", self._document(stimulus)),)

    def _document(self, stimulus: str) -> dict[str, Any]:
        asked = dataclasses.asdict(self._pulses)
        return {"id": stimulus, **asked, "units": "all" if asked["units"] == "all" else list(asked["units"])}

    def _confirm(self, stimulus: object, now_s: float) -> None:
        sent_s = self._sent_s.pop(stimulus, None) if isinstance(stimulus, str) else None
        if sent_s is not None:
            self._confirmed += 1
            self._confirmation.add(now_s - sent_s)

    def _note_refusal(self, document: dict[str, Any]) -> None:
        if f"{self._identifier}-" in str(document.get("payload")):  # else another device's
            self._refused += 1
            self._reason = str(document.get("reason"))[:200]

    def report(self) -> dict[str, Any]:
        """Messages and spikes that came, stimuli that were sent, confirmed and refused, and how long that took."""
        quantiles = {f"p{100 * share:g}": self._confirmation.quantile_s(share) * 1000 for share in (0.5, 0.99)}
        return {
            "messages": self._sequence.messages,
            "lost": self._sequence.lost,
            "not_understood": self._not_understood,
            "spikes": self._spikes,
            "stimuli": self._stimuli,
            "confirmed": self._confirmed,
            "confirmation_ms": quantiles if self._confirmed else None,
            "refused": self._refused,
            "reason": self._reason,
        }
