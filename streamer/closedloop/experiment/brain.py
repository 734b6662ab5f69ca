"""The simulated population of a loop, which answers, bin by bin, to the velocity that its user intends."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import rest_of
from spikeloop.models.recordings.timed_spikes import SpikeTimes, of_units
from spikeloop.streamer.closedloop.experiment.generated import GeneratedLog
from spikeloop.streamer.conditions.feeds import limits_of
from spikeloop.streamer.conditions.loop_channels import loop_scales
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.step import timed_spikes

__all__ = ["BundlePopulation", "SimulatedPopulation", "SubsampledPopulation", "TimedPopulation", "VelocityEncoding"]


class SimulatedPopulation(Protocol):
    """A population that answers to an intended velocity.

    Attributes
    ----------
    unit_names : tuple of str
    bin_size_s : float > 0, s
    """

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def bin_size_s(self) -> float: ...

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> Counts:
        """Give the counts of the next bin.

        Parameters
        ----------
        velocity_cm_s : array of shape (2,), cm/s
            Intended in this bin.
        position_cm : array of shape (2,), cm
            Of the cursor.

        Returns
        -------
        array of shape (units,)
        """
        ...


@runtime_checkable
class TimedPopulation(Protocol):
    """A population that may know when each of its spikes was.

    Attributes
    ----------
    latest_spikes : SpikeTimes or None
        Of the latest bin, s from the first bin's beginning; None where it doesn't know.
    """

    @property
    def latest_spikes(self) -> SpikeTimes | None: ...

    def time_spikes(self) -> None:
        """Keep the times from now on; called before the first bin, where somebody wants them."""
        ...


class VelocityEncoding:
    """How an intended velocity drives a bundle: as values of its conditions.

    `velocity x` and `velocity y` receive the intended velocity, `position x` and `position y` the cursor's position
    where their unit is a length, and any other channel rests; scaled as by `loop_scales`. Positions in another unit
    than cm have the centre of the workspace in the middle of the recorded range. What lies beyond a channel's range by
    more than half its width is clipped.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    BadInputError
        If the bundle lacks a channel for the velocity, or gives no spikes.
    """

    def __init__(self, bundle: Bundle) -> None:
        if bundle.card.signal != "spikes":
            raise BadInputError(f"{bundle.card.name}: expected a bundle of spikes, found one of {bundle.card.signal}")
        channels = bundle.card.channels
        places = {channel.name: place for place, channel in enumerate(channels)}
        if "velocity x" not in places or "velocity y" not in places:
            found = ", ".join(repr(name) for name in places) or "nothing"
            raise BadInputError(
                f"{bundle.card.name}: expected a bundle driven by 'velocity x' and 'velocity y', found one driven by"
                f" {found}; choose m1-sim or m1_jango, train one with --condition recorded, or give the conditions of"
                " this one these names with `spikeloop export --rename`"
            )
        self._rest, (self._low, self._high) = rest_of(channels).astype(np.float64), limits_of(channels)
        self._from_velocity, self._from_position = np.zeros((2, len(channels), 2))
        for name, scale in loop_scales(channels).items():
            place, axis = places[name], "xy".index(name[-1])
            channel = channels[place]
            is_velocity = name.startswith("velocity")
            known = is_velocity or channel.unit == "cm"
            self._rest[place] = 0.0 if known else channel.low + (channel.high - channel.low) / 2
            (self._from_velocity if is_velocity else self._from_position)[place, axis] = scale

    def conditions(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[np.float32]:
        """Conditions (channels,) of a velocity (2,), cm/s, and a position (2,), cm."""
        wanted = self._rest + self._from_velocity @ velocity_cm_s + self._from_position @ position_cm
        return np.minimum(np.maximum(wanted, self._low), self._high).astype(np.float32)

    def velocity(self, conditions: NDArray[np.floating]) -> Floats:
        """Velocity (bins, 2), cm/s, of which these conditions (bins, channels) came; what was clipped comes out so."""
        return (conditions - self._rest) @ np.linalg.pinv(self._from_velocity).T


class BundlePopulation:
    """A bundle's population in this process, as fast as the machine allows.

    Parameters
    ----------
    bundle : Bundle
    seed : int
        Of its spikes.
    device : {"auto", "cpu", "cuda"}
    log : GeneratedLog, optional
        Gets every bin.

    Raises
    ------
    BadInputError, FailureError
        As of `VelocityEncoding` and `open_source`.
    """

    def __init__(self, bundle: Bundle, seed: int, device: Device = "auto", log: GeneratedLog | None = None) -> None:
        self._log = log
        self._encoding = VelocityEncoding(bundle)
        self._source = open_source(bundle, seed, device)
        self.unit_names, self.bin_size_s = self._source.unit_names, self._source.bin_size_s
        self.latest_spikes: SpikeTimes | None = None
        self._times, self._timed_bins = random_stream(seed, Purpose.EVENT_TIMES), None

    def time_spikes(self) -> None:
        self._timed_bins = 0

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> Counts:
        """Counts (units,) of the next bin."""
        conditions = self._encoding.conditions(velocity_cm_s, position_cm)
        counts = self._source.next(1, conditions[np.newaxis])[0]
        if self._log is not None:
            self._log.add(counts, conditions)
        if self._timed_bins is not None:
            self.latest_spikes = timed_spikes(counts[np.newaxis], self._timed_bins, 0.0, self.bin_size_s, self._times)
            self._timed_bins += 1
        return counts


class SubsampledPopulation:
    """A population of which only some units are recorded; with one seed, a smaller choice is part of a larger one.

    Parameters
    ----------
    population : SimulatedPopulation
    units : int
        At most as many as it has.
    random : numpy.random.Generator
        Of the choice.
    """

    def __init__(self, population: SimulatedPopulation, units: int, random: np.random.Generator) -> None:
        self._population = population
        self._chosen = np.sort(random.permutation(len(population.unit_names))[:units])
        self.unit_names = tuple(population.unit_names[place] for place in self._chosen)
        self.bin_size_s = population.bin_size_s

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> Counts:
        """Counts (units,) of the next bin."""
        return self._population.respond(velocity_cm_s, position_cm)[self._chosen]

    @property
    def latest_spikes(self) -> SpikeTimes | None:
        """Those of the units that are left."""
        inside = self._population
        found = inside.latest_spikes if isinstance(inside, TimedPopulation) else None
        return None if found is None else of_units(found, self._chosen, len(inside.unit_names))

    def time_spikes(self) -> None:
        if isinstance(self._population, TimedPopulation):
            self._population.time_spikes()
