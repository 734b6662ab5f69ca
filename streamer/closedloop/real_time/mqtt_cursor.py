"""What is on a session's screen, over MQTT: the topic `cursor`, from which devices such as an arm take the velocity."""

from collections.abc import Callable
from typing import Self

from spikeloop.streamer.closedloop.experiment.record import Moment
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.mqtt.bridge import MqttBridge

__all__ = ["MqttCursor"]


class MqttCursor:
    """A watcher that publishes each bin's cursor, and each event on `marker`, from entering to leaving the context.

    Parameters
    ----------
    address : MqttAddress
        Of the broker.
    name : str
        Of the stream whose topics these are.
    now : callable
        LSL's clock, s.

    Raises
    ------
    BadInputError, FailureError
        On entering, as `MqttBridge`.
    """

    def __init__(self, address: MqttAddress, name: str, now: Callable[[], float]) -> None:
        self._bridge, self._now = MqttBridge(address, name), now

    def __enter__(self) -> Self:
        self._bridge.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bridge.__exit__(*error)

    def show(self, moment: Moment) -> None:
        """Publish a bin; returns at once."""
        stamp_s, view = self._now(), moment.view
        for event in moment.events:
            self._bridge.mark(event.kind, stamp_s, trial=event.trial, block=moment.block)
        if not moment.passed:
            return
        target = view.target and {
            "x_cm": view.target.place_cm[0], "y_cm": view.target.place_cm[1], "width_cm": view.target.width_cm
        }  # fmt: skip
        cursor = {"position_cm": view.position_cm.tolist(), "velocity_cm_s": view.velocity_cm_s.tolist()}
        self._bridge.publish("cursor", {"stamp_s": stamp_s, **cursor, "target": target})
