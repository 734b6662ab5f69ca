"""A latency probe: it answers every message at once, so that the stream can measure the round trip."""

from collections.abc import Sequence
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.device import Outgoing, document_of
from spikeloop.streamer.devices.sequence import SequenceCheck
from spikeloop.streamer.mqtt.payloads import decode_spikes

__all__ = ["Probe"]


class Probe:
    """Echoes the sequence of each `spikes` message on `echo`; the stream's `health` reports the round trip."""

    topics = ("spikes", "health")
    tick_s = None

    def __init__(self) -> None:
        self._sequence = SequenceCheck()
        self._refused = 0
        self._round_trip_ms: dict[str, float] | None = None

    def receive(self, topic: str, payload: bytes, now_s: float) -> Sequence[Outgoing]:  # noqa: ARG002
        """Echo a message of spikes; of the stream's health, keep the round trips."""
        if topic == "health":
            measured = (document_of(payload) or {}).get("round_trip_ms")
            self._round_trip_ms = measured if isinstance(measured, dict) else self._round_trip_ms
            return ()
        try:
            sequence = decode_spikes(payload).sequence
        except BadInputError:
            self._refused += 1
            return ()
        self._sequence.add(sequence)
        return (Outgoing("echo", {"sequence": sequence}),)

    def tick(self, now_s: float) -> Sequence[Outgoing]:  # noqa: ARG002
        """Send nothing."""
        return ()

    def report(self) -> dict[str, Any]:
        """Messages echoed, lost on the way here, and not understood; round trips as the stream measured them."""
        return {
            "echoed": self._sequence.messages,
            "lost": self._sequence.lost,
            "refused": self._refused,
            "stream_restarts": self._sequence.restarts,
            "round_trip_ms": self._round_trip_ms,
        }
