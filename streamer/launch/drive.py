"""Open what drives a stream or what is generated, as a user asked for it, and put its figures into words."""

from typing import Any

from numpy.typing import ArrayLike

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import ConditionFeed, RestFeed
from spikeloop.streamer.conditions.opening import feed_of, is_live, live_name, open_feed
from spikeloop.streamer.conditions.steered import STEERED, SteeredDrive
from spikeloop.streamer.lsl.condition import LslCondition
from spikeloop.streamer.mqtt.condition import MQTT, MqttCondition

__all__ = ["drive_words", "open_drive", "open_offline_drive"]


def open_drive(
    asked: str | ArrayLike | None, channels: tuple[Condition, ...], hold_s: float = 0.5, decay_s: float = 0.5
) -> Drive:
    """Open what was asked for; by default the phase where the model has one, else rest.

    Parameters
    ----------
    asked : str, array of shape (channels,) or (bins, channels), or None
        Words as of the option `--condition`, or values.
    channels : tuple of Condition
        The model's channels.
    hold_s, decay_s : float from 0 to 3600, s
        Of a live drive: how long the last value holds, and in how long it then falls to rest.

    Raises
    ------
    BadInputError
        If there is no such drive, or it does not suit the model.
    """
    if isinstance(asked, str) and is_live(asked):
        if not live_name(asked):
            raise BadInputError("--condition: expected the name of a stream after lsl:, found none")
        return LslCondition(live_name(asked), channels, hold_s, decay_s)
    if isinstance(asked, str) and asked == MQTT:
        return MqttCondition(channels, hold_s, decay_s)
    if isinstance(asked, str) and asked == STEERED:
        return SteeredDrive(channels, open_offline_drive(None, channels))
    return open_offline_drive(asked, channels)


def open_offline_drive(asked: str | ArrayLike | None, channels: tuple[Condition, ...]) -> ConditionFeed:
    """Open what was asked for as `open_drive` does, where it is known ahead of time.

    Raises
    ------
    BadInputError
        If it is live, there is no such drive, or it does not suit the model.
    """
    if asked is None and not channels:
        return RestFeed(channels)
    if asked is None:
        asked = "phase" if len(channels) == 1 and channels[0].cyclic else "rest"
    if not isinstance(asked, str):
        return feed_of(asked, channels)
    if is_live(asked) or asked in (MQTT, STEERED):
        kind = "lsl:STREAM" if is_live(asked) else asked
        raise BadInputError(f"--condition: {kind} is live; expected one known ahead, such as file:PATH.npz")
    return open_feed(asked, channels)


def drive_words(described: dict[str, Any]) -> str:
    """Put into words what may have gone unnoticed: how a live condition arrived, or that an array ended.

    Parameters
    ----------
    described : dict
        What `Drive.describe` returned.

    Returns
    -------
    str
        One line; empty where there is nothing to say.
    """
    if "state" in described:
        return (
            "condition {asked}: {samples} samples, {invalid} invalid, {off_clock} off clock, {clipped} clipped,"
            " {gaps} gaps, {decaying_bins} bins decaying, {resting_bins} at rest".format_map(described)
            + (f"; refused {described['refused']}" if described["refused"] else "")
            + (f"; {described['notice']}" if described["notice"] else "")
        )
    if described.get("resting_bins"):
        return "condition {asked} ran out: {resting_bins} bins at rest after its end".format_map(described)
    return ""
