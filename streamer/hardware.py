"""Hardware around a stream: what devices ask for over MQTT reaches the population, and is marked."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.condition import require_channels
from spikeloop.streamer.controls import Controls, Gate
from spikeloop.streamer.health import HealthReport
from spikeloop.streamer.held_condition import FURTHEST_S, ConditionReport, HeldCondition
from spikeloop.streamer.loop import SpikeSink, Transform
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge
from spikeloop.streamer.mqtt.payloads import (
    ConditionMessage,
    ControlMessage,
    StimulateMessage,
    StreamStatus,
    encode_document,
)
from spikeloop.streamer.source import seeded
from spikeloop.streamer.stimulation import STIMULUS, Stimulator, Stimulus

__all__ = ["Hardware", "MqttCondition"]

STIMULATION, GAIN = 10, 11  # what random numbers are for, beside those of the source
LONGEST_QUEUE = 4096  # messages that came since the last step
NOT_YET = "the stream has not begun; wait until its status tells start_s"


class MqttCondition:
    """What messages on the topic `condition` say, as a `LiveCondition`; held and let go as `HeldCondition` does.

    Parameters
    ----------
    channels : of the model
    hold_s, decay_s : float >= 0

    Raises
    ------
    BadInputError
        If the model has no channels.
    """

    def __init__(self, channels: Sequence[Condition], hold_s: float = 0.5, decay_s: float = 0.5) -> None:
        require_channels(channels)
        self._channels = tuple(channels)
        self._held = HeldCondition(channels, hold_s, decay_s)
        self._arrived: deque[tuple[float, tuple[float, ...], float]] = deque(maxlen=LONGEST_QUEUE)

    def offer(self, message: ConditionMessage, now_s: float) -> str | None:
        """A message came, now, on LSL's clock; from one thread, any. A text says why it is not taken."""
        if len(message.values) != len(self._channels):
            names = ", ".join(each.name for each in self._channels)
            return f"values: expected {len(self._channels)} ({names}), found {len(message.values)}"
        stamp_s = now_s if message.stamp_s is None else message.stamp_s
        self._arrived.append((stamp_s, message.values, now_s))
        if abs(stamp_s - now_s) > FURTHEST_S:
            return (
                f"stamp_s: expected a time within {FURTHEST_S:g} s of LSL's clock, which tells {now_s:.3f}, found"
                f" {stamp_s:.3f}; leave it out to have the time of arrival"
            )
        return None

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The conditions of bins by their ends on LSL's clock, (bins,), ascending also from call to call."""
        while self._arrived:
            stamp_s, values, now_s = self._arrived.popleft()
            self._held.offer(np.array([stamp_s]), np.array([values]), now_s)
        return self._held.at(ends_s)

    def report(self) -> ConditionReport:
        """The figures so far."""
        return self._held.report()


class Hardware:
    """Devices on MQTT around a stream, from entering to leaving the context.

    A stimulus acts on the population from its arrival on, gain and pause from the next step on; each is marked, on
    the topic `marker` and where `begin` says, with the time from which it acts.

    Parameters
    ----------
    address, name : of the broker and of the stream
    health : its report goes out once a second
    now : LSL's clock
    condition : takes the messages on `condition`, where they drive the stream

    Attributes
    ----------
    bridge : to the broker
    channels : of NAME-Condition, with the stimulus after those of the model

    Raises
    ------
    BadInputError, FailureError
        On entering, as `MqttBridge`.
    """

    def __init__(
        self,
        address: MqttAddress,
        name: str,
        bundle: Bundle,
        seed: int,
        step_bins: int,
        health: Callable[[], HealthReport],
        now: Callable[[], float],
        condition: MqttCondition | None = None,
    ) -> None:
        card = bundle.card
        self._seed, self._units, self._spiking = seed, len(card.unit_names), card.signal == "spikes"
        self._now, self._condition = now, condition
        self._stimulator: Stimulator | None = None
        self._controls: Controls | None = None
        self._mark_besides: Callable[[str, float], None] = lambda text, stamp_s: None
        self.channels = (*card.channels, STIMULUS) if self._spiking else card.channels
        status = StreamStatus(card.name, bundle.sha256, seed, self._units, card.bin_size_s, step_bins)
        self.bridge = MqttBridge(address, name, status, self, health)

    def __enter__(self) -> Self:
        self.bridge.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.bridge.__exit__(*error)

    def begin(
        self,
        start_s: float,
        sinks: Sequence[SpikeSink],
        mark: Callable[[str, float], None],
        on_pulse: Callable[[float, float], None] = lambda at_s, amplitude_ua: None,
    ) -> tuple[tuple[SpikeSink, ...], tuple[Transform, ...]]:
        """The stream's bin 0 begins at `start_s`.

        Parameters
        ----------
        sinks : that get the steps besides the bridge
        mark : told markers, as JSON, with their time
        on_pulse : told each pulse's time and amplitude, uA, in the step that it falls into

        Returns
        -------
        The sinks and transforms of the stream.
        """
        self._mark_besides = mark
        controls = Controls(start_s, seeded(self._seed, GAIN))
        transforms: tuple[Transform, ...] = (controls,)
        if self._spiking:
            self._stimulator = Stimulator(self._units, start_s, seeded(self._seed, STIMULATION), on_pulse)
            transforms = (self._stimulator, controls)
        self._controls = controls
        self.bridge.set_state("online", start_s)
        return (Gate(controls, (*sinks, self.bridge)),), transforms

    def condition(self, message: ConditionMessage) -> str | None:
        """Drive the population."""
        if self._condition is None:
            return "this stream is not driven over MQTT; start it with --condition mqtt"
        return self._condition.offer(message, self._now())

    def control(self, message: ControlMessage) -> str | None:
        """Change the gain, pause, or resume."""
        if self._controls is None:
            return NOT_YET
        if message.command == "gain" and message.value is not None:
            try:
                self._mark("gain", self._controls.set_gain(message.value), value=message.value)
            except BadInputError as error:
                return str(error)
        elif message.command in ("pause", "resume") and self._controls.paused != (message.command == "pause"):
            paused = message.command == "pause"
            self._mark(message.command, self._controls.set_paused(paused))
            self.bridge.set_state("paused" if paused else "online")
        return None

    def stimulate(self, message: StimulateMessage) -> str | None:
        """Stimulate units."""
        if not self._spiking:
            return "expected a stream of spikes, this one is of fluorescence; stream another bundle"
        if self._stimulator is None:
            return NOT_YET
        units = tuple(range(self._units)) if message.units == "all" else message.units
        pulse = message.amplitude_ua, message.pulses, message.rate_hz, message.pulse_width_us
        try:
            begin_s = self._stimulator.stimulate(Stimulus(units, *pulse, message.id), self._now())
        except BadInputError as error:
            return str(error)
        told = {"amplitude_ua": message.amplitude_ua, "pulses": message.pulses, "rate_hz": message.rate_hz}
        told |= {"pulse_width_us": message.pulse_width_us}
        self._mark("stimulate", begin_s, id=message.id, units=message.units, **told)
        return None

    def remark(self) -> str:
        """How it goes, in a few words."""
        report = self.bridge.report()
        paused = "paused, " if self._controls is not None and self._controls.paused else ""
        away = "" if self.bridge.connected else ", broker away"
        return f"mqtt: {paused}{report.published} published, {report.dropped} dropped{away}"

    def summary(self) -> str:
        """How it went."""
        report = self.bridge.report()
        trips = report.round_trip_ms
        return (
            f"mqtt: {report.published} published, {report.dropped} dropped, {report.reconnects} reconnects,"
            f" {report.refused} refused"
            + (f"; round trip p50 {trips['p50']:.2f}, p99 {trips['p99']:.2f} ms" if trips is not None else "")
        )

    def _mark(self, event: str, stamp_s: float, **more: Any) -> None:
        self.bridge.mark(event, stamp_s, **more)
        self._mark_besides(encode_document({"event": event, "stamp_s": stamp_s} | more).decode(), stamp_s)
