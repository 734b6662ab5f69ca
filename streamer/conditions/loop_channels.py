"""Which conditions a closed loop drives, how it scales those of other units, and how to name those that it can't."""

import re
from collections.abc import Sequence

from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.physical_units import factor_between

__all__ = ["VELOCITY", "describe_scaling", "loop_scales", "loop_warning"]

VELOCITY, POSITION = ("velocity x", "velocity y"), ("position x", "position y")
UNITS = dict.fromkeys(VELOCITY, "cm/s") | dict.fromkeys(POSITION, "cm")
FASTEST_CM_S = 50.0  # what the full range of a velocity of unknown unit is taken for: a fast reach
SPELLED = (
    r"v(el(ocity)?)?[ _.-]*{axis}",
    r"vel.*[ _.-]{axis}",
    r"{axis}[ _.-]*v(el(ocity)?)?",
    r"d{axis}([ _]?/?[ _]?dt)?",
)  # how velocities are called elsewhere: vx, hand_vel_x, x velocity, dx/dt


def loop_scales(channels: Sequence[Condition]) -> dict[str, float]:
    """Return how much of each velocity and position, in its own unit, the loop takes for one cm/s or cm.

    Values in cm and cm/s stay as they are; those in m, mm, m/s and the like are converted. Velocities of another unit
    are scaled so that the recorded range is that of fast reaches, -50 to 50 cm/s. Positions of another unit are left
    out: they rest, as a hand does that only intends to move. They may be a force, and spikes that follow it, driven by
    the place of the cursor, are taken for a velocity.

    Parameters
    ----------
    channels : sequence of Condition

    Returns
    -------
    dict of str to float
        By name of the channel; without those that are left out.
    """
    scales = {}
    for channel in channels:
        known = factor_between(UNITS.get(channel.name, ""), channel.unit)
        if known is not None:
            scales[channel.name] = known
        elif channel.name in VELOCITY:
            scales[channel.name] = (channel.high - channel.low) / (2 * FASTEST_CM_S)
    return scales


def describe_scaling(channels: Sequence[Condition]) -> str:
    """Say in a sentence how the loop scales conditions that are no lengths or speeds; "" where all are."""
    scales = loop_scales(channels)
    foreign = [
        channel
        for channel in channels
        if channel.name in UNITS and not factor_between(UNITS[channel.name], channel.unit)
    ]
    if not foreign:
        return ""
    factors = ", ".join(
        f"{scales[channel.name]:.3g} {channel.unit or 'of its numbers'} of {channel.name} for 1 {UNITS[channel.name]}"
        for channel in foreign
        if channel.name in scales
    )
    resting = [channel.name for channel in foreign if channel.name not in scales]
    said = ["not in cm and cm/s"]
    if factors:
        said[0] += f", so the loop scales: {factors}"
        said += [f"the recorded range is taken for that of fast reaches, {-FASTEST_CM_S:g} to {FASTEST_CM_S:g} cm/s"]
    if resting:
        said += [f"{' and '.join(resting)} rest{'s' if len(resting) == 1 else ''}"]
    return "; ".join(said)


def loop_warning(channels: Sequence[Condition]) -> str:
    """Say what keeps conditions from driving a closed loop, or how it will scale them; "" where all is well.

    Parameters
    ----------
    channels : sequence of Condition
        Recorded conditions of a recording or bundle; not a phase.
    """
    units = {channel.name: channel.unit for channel in channels}
    lacking = [name for name in VELOCITY if name not in units]
    if lacking:
        pairs = " ".join(f'"{_alike(name, list(units)) or "NAME"}={name} [cm/s]"' for name in lacking)
        return (
            f"a closed loop can't drive these conditions ({', '.join(units) or 'none'}): it needs"
            f" {' and '.join(VELOCITY)}, in cm/s; if they are there under other names, give --rename {pairs}"
        )
    scaling = describe_scaling(channels)
    if not scaling:
        return ""
    pairs = " ".join(
        f'"{name}={name} [{unit}]"' for name, unit in UNITS.items() if not factor_between(unit, units.get(name, unit))
    )
    return f"in a closed loop, {scaling}; if the values are in these units, say so with --rename {pairs}"


def _alike(wanted: str, names: Sequence[str]) -> str | None:
    """Find the condition that is most likely a velocity of that axis."""
    axis = wanted[-1]
    letters = f"[{axis}{'xy'.index(axis)}]"
    for spelled in SPELLED:
        pattern = re.compile(rf"(^|.*[^a-z]){spelled.format(axis=letters)}", re.IGNORECASE)
        for name in names:
            if pattern.fullmatch(name):
                return name
    return None
