"""Words and numbers for people, which the monitor's page and its terminal view share."""

import math
from collections.abc import Sequence

from spikeloop.exporters.documents import printable
from spikeloop.models.measures.similarity import Similarity, verdict
from spikeloop.models.significant import significant
from spikeloop.streamer.lsl.reception import Reception
from spikeloop.streamer.monitor.reference import Deviation
from spikeloop.streamer.monitor.state import State, TimedAlarm

__all__ = [
    "describe_alarm",
    "describe_duration",
    "describe_raised_alarm",
    "describe_true_rate",
    "format_number",
    "nearest_alarm",
    "verdicts",
    "worst",
]


MINUTE_S, HOUR_S = 60.0, 3600.0
LONG_MINUTES, LONG_HOURS = 10, 48  # up to which the smaller unit is shown
SMALL = 1e-3


def verdicts(deviations: Sequence[Deviation]) -> dict[str, tuple[float, str]]:
    """E/F of each statistic with its verdict, by key.

    Parameters
    ----------
    deviations : sequence of Deviation

    Returns
    -------
    dict of str to (float, str)
        Verdicts are those of an evaluation, such as "at the floor".
    """
    return {deviation.statistic: (deviation.ratio, verdict(_as_similarity(deviation))) for deviation in deviations}


def worst(deviations: Sequence[Deviation]) -> Deviation | None:
    """Find the deviation with the largest E/F; None where no E/F is known."""
    known = (deviation for deviation in deviations if not math.isnan(deviation.ratio))
    return max(known, key=lambda deviation: deviation.ratio, default=None)


def _as_similarity(deviation: Deviation) -> Similarity:
    return Similarity(deviation.statistic, deviation.error, deviation.floor, ceiling=math.nan)


def nearest_alarm(state: State, unit_names: Sequence[str]) -> tuple[float, str] | None:
    """Find the alarm that is nearest to being raised.

    Parameters
    ----------
    state : State
    unit_names : sequence of str

    Returns
    -------
    (float, str) or None
        Its score, 0 to 1, and its kind with the unit's name; None where no alarm is set.
    """
    best = None
    for kind, scores in state.alarm_scores.items():
        if len(scores) and (best is None or scores.max() > best[0]):
            unit = f": {unit_names[int(scores.argmax())]}" if len(scores) == len(unit_names) > 1 else ""
            best = float(scores.max()), printable(f"{kind}{unit}")
    return best


def describe_raised_alarm(alarm: TimedAlarm, now_s: float | None) -> str:
    """Describe an alarm, when it was raised, and how long before that the drift began.

    Parameters
    ----------
    alarm : TimedAlarm
    now_s : float or None, s
        The present time on LSL's clock, for "12 s ago"; None gives the time on LSL's clock at which it was raised.
    """
    return f"{describe_alarm(alarm, now_s)}, began about {describe_duration(alarm.at_s - alarm.since_s)} before"


def describe_alarm(alarm: TimedAlarm, now_s: float | None) -> str:
    """Describe an alarm and when it was raised; parameters as of `describe_raised_alarm`."""
    at = f"at {alarm.at_s:.1f} s on LSL's clock"
    when = at if now_s is None else f"{describe_duration(max(0.0, now_s - alarm.at_s))} ago"
    return f"{printable(str(alarm))}, {when}"


def describe_duration(seconds: float) -> str:
    """Format a duration: 12.3 s, 2 min 5 s, 12 min, 2.5 h, 3.1 days."""
    seconds = round(seconds, 1)
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < LONG_MINUTES * MINUTE_S:
        return f"{seconds // MINUTE_S:.0f} min {seconds % MINUTE_S // 1:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h" if seconds < LONG_HOURS * HOUR_S else f"{seconds / 24 / HOUR_S:.1f} days"


def describe_true_rate(reception: Reception) -> str:
    """Format the estimated rate of a foreign stream with half its 95 % interval; empty where it is not known."""
    if reception.true_rate_hz is None or reception.true_rate_interval_hz is None:
        return ""
    low_hz, high_hz = reception.true_rate_interval_hz
    half_hz = max((high_hz - low_hz) / 2, 1e-6)
    places = min(6, max(0, 1 - math.floor(math.log10(half_hz))))
    return f"{reception.true_rate_hz:.{places}f} +- {half_hz:.{places}f} Hz"


def format_number(value: float) -> str:
    """Format a number with three digits, or two where it is below 0.001; "-" for NaN."""
    return significant(value, 3 if abs(value) >= SMALL else 2)
