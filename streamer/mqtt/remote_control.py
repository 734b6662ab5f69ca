"""What devices ask for over MQTT reaches the stream."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, Self, SupportsIndex

from spikeloop.models.errors import BadInputError
from spikeloop.models.significant import significant
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import BridgeReport, MqttBridge
from spikeloop.streamer.mqtt.condition import MqttCondition
from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    PerturbMessage,
    StimulateMessage,
    StreamStatus,
)
from spikeloop.streamer.stream.health import HealthReport
from spikeloop.streamer.stream.steering import MarkListener

__all__ = ["RemoteControl", "Steered", "bridge_words"]


class Steered(Protocol):
    """What messages act through: the `Steering` of a stream, or of what a replay sends."""

    @property
    def paused(self) -> bool: ...

    def listen(self, listener: MarkListener) -> None: ...

    def set_gain(self, gain: float) -> None: ...

    def set_paused(self, paused: bool) -> None: ...

    def stimulate(self, units: Sequence[SupportsIndex] | Literal["all"], *train: Any, **more: Any) -> object: ...

    def perturb(
        self, kind: str, value: float | None = None, units: Sequence[SupportsIndex] | None = None
    ) -> object: ...


class RemoteControl:
    """Devices on MQTT around a stream, connected from entering to leaving the context.

    Messages on `control`, `stimulate` and `perturb` act through what steers the stream; its markers go out on the topic
    `marker`.

    Parameters
    ----------
    address : MqttAddress
        Of the broker.
    name : str
        Of the stream.
    status : StreamStatus or None
        Published on the topic `status`, if any.
    steering : Steered
        Acts on the stream.
    health : callable or None
        Its report is published once a second.
    now : callable
        LSL's clock, s.
    condition : MqttCondition or None
        Gets the messages on `condition`, where they drive the stream.
    seek : callable or None
        Goes to another time of a replayed file, s; None where the stream is no replay.

    Attributes
    ----------
    bridge : MqttBridge
        To the broker; a sink of the stream.

    Raises
    ------
    BadInputError, FailureError
        On entering, as by `MqttBridge`.
    """

    def __init__(
        self,
        address: MqttAddress,
        name: str,
        status: StreamStatus | None,
        steering: Steered,
        health: Callable[[], HealthReport] | None,
        now: Callable[[], float],
        condition: MqttCondition | None = None,
        seek: Callable[[float], None] | None = None,
    ) -> None:
        self._steering, self._now, self._condition, self._seek = steering, now, condition, seek
        self.bridge = MqttBridge(address, name, status, self, health)
        steering.listen(self._mark)

    def __enter__(self) -> Self:
        self.bridge.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.bridge.__exit__(*error)

    def begin(self, start_s: float) -> None:
        """Publish that the stream is online, and that its bin 0 begins at `start_s`."""
        self.bridge.set_state("online", start_s)

    def condition(self, message: ConditionMessage) -> str | None:
        """Drive the population; returns why that is refused, None where it is not."""
        if self._condition is None and self._seek is not None:
            return "a replay is not driven; what drove its population is in the file"
        if self._condition is None:
            return "this stream is not driven over MQTT; start it with --condition mqtt"
        return self._condition.offer(message, self._now())

    def control(self, message: ControlMessage) -> str | None:
        """Change the gain, pause, resume, or go to another time; returns why that is refused, None where it is not."""
        try:
            if message.command == "gain" and message.value is not None:
                self._steering.set_gain(message.value)
            elif message.command in ("pause", "resume"):
                self._steering.set_paused(message.command == "pause")
            elif message.command == "seek" and message.value is not None:
                if self._seek is None:
                    return "only a replay can seek; this stream generates its spikes"
                self._seek(message.value)
        except BadInputError as error:
            return str(error)
        return None

    def stimulate(self, message: StimulateMessage) -> str | None:
        """Stimulate units; returns why that is refused, None where it is not."""
        train = message.amplitude_ua, message.pulses, message.rate_hz, message.pulse_width_us
        try:
            self._steering.stimulate(message.units, *train, message.id, at_s=self._now())
        except BadInputError as error:
            return str(error)
        return None

    def perturb(self, message: PerturbMessage) -> str | None:
        """Have something go wrong, or no longer; returns why that is refused, None where it is not."""
        try:
            self._steering.perturb(message.kind, message.value, message.units)
        except BadInputError as error:
            return str(error)
        return None

    def remark(self) -> str:
        """Describe in a few words how the connection is."""
        report = self.bridge.report()
        paused = "paused, " if self._steering.paused else ""
        away = "" if self.bridge.connected else ", broker away"
        return f"mqtt: {paused}{report.published} published, {report.dropped} dropped{away}"

    def _mark(self, event: str, stamp_s: float, **details: Any) -> None:
        self.bridge.mark(event, stamp_s, **details)
        if event in ("pause", "resume"):
            self.bridge.set_state("paused" if event == "pause" else "online")


def bridge_words(report: BridgeReport) -> str:
    """Put into words how the connection with a broker was."""
    trips = {name: significant(value) for name, value in (report.round_trip_ms or {}).items()}
    return (
        f"mqtt: {report.published} published, {report.dropped} dropped, {report.unconfirmed} unconfirmed,"
        f" {report.reconnects} reconnects, {report.refused} refused"
        + (f"; {report.namesakes} other streams of this name" if report.namesakes else "")
        + (f"; round trip p50 {trips['p50']}, p99 {trips['p99']} ms" if trips else "")
    )
