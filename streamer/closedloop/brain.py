"""The brain of a loop: a population that answers, bin by bin, to what its user intends."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.condition import limits_of
from spikeloop.streamer.session import Device
from spikeloop.streamer.source import open_source

__all__ = ["Brain", "BundleBrain", "Intention"]

Floats = NDArray[np.float64]

FASTEST_CM_S = 50.0  # what the full range of a velocity of unknown unit is taken for: a fast reach


class Brain(Protocol):
    """A population.

    Attributes
    ----------
    unit_names : one per unit
    bin_size_s : float > 0
    """

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def bin_size_s(self) -> float: ...

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[Any]:
        """Counts, (units,), of the next bin, in which this velocity, (2,), is intended with the cursor there, (2,)."""
        ...


class Intention:
    """What a user intends, as a bundle's conditions.

    `velocity x` and `velocity y` take the intended velocity, `position x` and `position y` where the cursor is, any
    other channel rests. Channels in cm and cm/s take values as they are. Others are scaled: positions so that the
    workspace just fits the recorded range, its centre in the middle; velocities, at the same scale where there are
    positions, else so that the recorded range is that of fast reaches, 50 cm/s either way. What is beyond a channel's
    range by more than half its width is clipped.

    Raises
    ------
    BadInputError
        If the bundle lacks a channel for the velocity, or gives no spikes.
    """

    def __init__(self, bundle: Bundle, extent_cm: float) -> None:
        if bundle.card.signal != "spikes":
            raise BadInputError(f"{bundle.card.name}: expected a bundle of spikes, found one of {bundle.card.signal}")
        channels = bundle.card.channels
        places = {each.name: place for place, each in enumerate(channels)}
        if "velocity x" not in places or "velocity y" not in places:
            found = ", ".join(repr(name) for name in places) or "nothing"
            raise BadInputError(
                f"{bundle.card.name}: expected a bundle driven by 'velocity x' and 'velocity y', found one driven by"
                f" {found}; take m1-sim or m1_jango, or train one with --condition recorded"
            )
        self._rest, (self._low, self._high) = rest_of(channels).astype(np.float64), limits_of(channels)
        self._from_velocity, self._from_position = np.zeros((2, len(channels), 2))
        width = [each.high - each.low for each in channels]
        positions = [places[name] for name in ("position x", "position y") if name in places]
        a_cm = min((width[place] for place in positions), default=0.0) / extent_cm
        for axis, side in enumerate("xy"):
            place = places[f"velocity {side}"]
            foreign = a_cm or width[place] / (2 * FASTEST_CM_S)
            self._rest[place] = 0.0
            self._from_velocity[place, axis] = 1.0 if channels[place].unit == "cm/s" else foreign
        for place in positions:
            known = channels[place].unit == "cm"
            self._rest[place] = 0.0 if known else channels[place].low + width[place] / 2
            self._from_position[place, "xy".index(channels[place].name[-1])] = 1.0 if known else a_cm

    def conditions(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[np.float32]:
        """Conditions, (channels,), of a velocity and a position, (2,) each."""
        wanted = self._rest + self._from_velocity @ velocity_cm_s + self._from_position @ position_cm
        return np.minimum(np.maximum(wanted, self._low), self._high).astype(np.float32)


class BundleBrain:
    """A bundle's population in this process, as fast as the machine allows.

    Parameters
    ----------
    extent_cm : side of the workspace
    seed : of its spikes

    Raises
    ------
    BadInputError, FailureError
        As of `Intention` and `open_source`.
    """

    def __init__(self, bundle: Bundle, extent_cm: float, seed: int, device: Device = "auto") -> None:
        self._intention = Intention(bundle, extent_cm)
        self._source = open_source(bundle, seed, device)
        self.unit_names, self.bin_size_s = self._source.unit_names, self._source.bin_size_s

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[Any]:
        """Counts, (units,), of the next bin."""
        return self._source.take(1, self._intention.conditions(velocity_cm_s, position_cm)[np.newaxis])[0]
