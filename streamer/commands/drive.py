"""`--condition`: what drives a stream or what is generated, opened, described, and reported on."""

import dataclasses
from dataclasses import dataclass

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.condition import ArrayFeed, ConditionFeed, RestFeed, is_live, live_name, open_feed
from spikeloop.streamer.hardware import MqttCondition
from spikeloop.streamer.lsl_condition import LslCondition

__all__ = ["MQTT", "Drive", "describe_drive", "drive_line", "open_drive", "open_offline_drive"]

LONGEST_WAIT_S = 3600.0
MQTT = "mqtt"  # for values that come on the topic `condition`


@dataclass(frozen=True, eq=False)
class Drive:
    """What drives a population, and the same in the user's words."""

    asked: str
    condition: ConditionFeed | LslCondition | MqttCondition


def open_drive(asked: str | None, channels: tuple[Condition, ...], hold_s: float, decay_s: float) -> Drive:
    """What was asked for, else the phase where the model has one, else rest.

    Raises
    ------
    BadInputError
        If it can't be had, or does not suit the model.
    """
    for option, seconds in (("hold", hold_s), ("decay", decay_s)):
        if not 0 <= seconds <= LONGEST_WAIT_S:
            raise BadInputError(f"--condition-{option}: expected 0 to {LONGEST_WAIT_S:g} s, found {seconds:g}")
    if asked is not None and is_live(asked):
        if not live_name(asked):
            raise BadInputError("--condition: expected the name of a stream after lsl:, found none")
        return Drive(asked, LslCondition(live_name(asked), channels, hold_s, decay_s))
    if asked == MQTT:
        return Drive(asked, MqttCondition(channels, hold_s, decay_s))
    asked, feed = open_offline_drive(asked, channels)
    return Drive(asked, feed)


def open_offline_drive(asked: str | None, channels: tuple[Condition, ...]) -> tuple[str, ConditionFeed]:
    """The same of what is known ahead of time.

    Raises
    ------
    BadInputError
        If it is live, can't be had, or does not suit the model.
    """
    if asked is not None and (is_live(asked) or asked == MQTT):
        which = MQTT if asked == MQTT else "lsl:STREAM"
        raise BadInputError(f"--condition: {which} is live; expected one known ahead, such as file:PATH.npz")
    if asked is None and not channels:
        return "", RestFeed(channels)
    if asked is None:
        asked = "phase" if len(channels) == 1 and channels[0].cyclic else "rest"
    return asked, open_feed(asked, channels)


def describe_drive(drive: Drive, bins: int) -> dict[str, object]:
    """For JSON: what drove so many bins."""
    described: dict[str, object] = {"asked": drive.asked}
    if isinstance(drive.condition, LslCondition | MqttCondition):
        described |= dataclasses.asdict(drive.condition.report())
    elif isinstance(drive.condition, ArrayFeed):
        described["resting_bins"] = _bins_after(drive.condition, bins)
    return described


def drive_line(drive: Drive, bins: int) -> str:
    """What may have gone unnoticed: how a live condition did, or that a file ran out."""
    if isinstance(drive.condition, ArrayFeed):
        resting = _bins_after(drive.condition, bins)
        return f"\ncondition {drive.asked} ran out: {resting} bins at rest after its end" if resting else ""
    if not isinstance(drive.condition, LslCondition | MqttCondition):
        return ""
    report = drive.condition.report()
    return (
        f"\ncondition {drive.asked}: {report.samples} samples, {report.invalid} invalid, {report.off_clock} off clock,"
        f" {report.clipped} clipped, {report.gaps} gaps, {report.decaying_bins} bins decaying,"
        f" {report.resting_bins} at rest{f'; refused {report.refused}' if report.refused else ''}"
    )


def _bins_after(feed: ArrayFeed, bins: int) -> int:
    """Bins that went out after the end of a file; more than that were taken from it ahead."""
    return max(0, bins - len(feed.values))
