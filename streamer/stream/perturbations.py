"""What may go wrong with a stream while it runs: units fall silent, rates drift, noise joins, steps come later."""

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_choice, checked_number, checked_whole
from spikeloop.streamer.stream.step import Step, event_bins, multiplied, times_in_bins, with_events

__all__ = ["LIMITS", "OF_SPIKES", "Perturbations", "drift_factors", "lost_units"]

HIGHEST_DRIFT = 10.0  # times a unit's rate; there it stays
LIMITS = {"drop": (0.0, 1.0), "drift": (0.0, 100.0), "noise": (0.0, 1000.0), "latency": (0.0, 10_000.0)}
OF_SPIKES = ("drift", "noise")  # kinds that make no sense of fluorescence
UNITS_OF = {"drift": "", "noise": "Hz", "latency": "ms"}


def lost_units(share: float, units: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Choose which units fall silent; of the same random numbers, a larger share has those of a smaller one too."""
    return random.permutation(units)[: round(share * units)]


def drift_factors(slopes: Floats, bins: NDArray[np.integer] | int) -> Floats:
    """Return by how much rates have changed after some bins, where their logarithms change by `slopes` in a bin."""
    return np.exp(np.minimum(slopes * bins, math.log(HIGHEST_DRIFT)))


class Perturbations:
    """What goes wrong with a stream, changed from any thread and in force from the next step on; a `Transform`.

    A perturbation takes the place of the one of its kind before it. The same seed gives the same, whatever the step
    size.

    Parameters
    ----------
    units : int
        Of the population.
    start_s : float, s
        When bin 0 begins.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Used by these perturbations alone.
    """

    def __init__(self, units: int, start_s: float, bin_size_s: float, random: np.random.Generator) -> None:
        self._units, self._bin_size_s, self._next_s = units, bin_size_s, start_s
        # numbers of each purpose are drawn apart, so that step sizes change nothing
        chosen, slopes, self._kept, self._copies, self._noise, self._noise_times = random.spawn(6)
        self._order = lost_units(1.0, units, chosen)
        self._slopes = slopes.standard_normal(units) * bin_size_s / 60
        self._lock = threading.Lock()
        self._lost = np.zeros(units, bool)
        self._amounts = {"drift": 0.0, "noise": 0.0, "latency": 0.0}
        self._drifted_bins = 0

    def set(self, kind: str, value: float | None = None, units: Sequence[int] | None = None) -> float:
        """Have something go wrong, or, with a value of 0, no longer.

        Parameters
        ----------
        kind : {"drop", "drift", "noise", "latency"}
        value : float
            Of `drop`, the share of the units that fall silent, which the seed chooses; of `drift`, the standard
            deviation of the change of log rates in a minute; of `noise`, the rate, Hz, of independent Poisson spikes
            that join every unit's; of `latency`, by how much later steps go out, ms.
        units : sequence of int, optional
            Of `drop`, instead of a share, the units that fall silent.

        Returns
        -------
        float, s
            When the first bin begins that this applies to.

        Raises
        ------
        BadInputError
            If there is no such kind, its value is out of range, or there is no such unit.
        """
        checked_choice("perturbation", kind, tuple(LIMITS))
        if kind == "drop":
            lost = self._chosen(value, units)
            with self._lock:
                self._lost = lost
                return self._next_s
        if units is not None:
            raise BadInputError(f"{kind}: expected a value, found units; only drop takes them")
        amount = checked_number(kind, value, *LIMITS[kind], UNITS_OF[kind])
        with self._lock:
            self._amounts[kind] = amount
            self._drifted_bins = 0 if kind == "drift" else self._drifted_bins
            return self._next_s

    def _chosen(self, share: float | None, units: Sequence[int] | None) -> NDArray[np.bool_]:
        """Return which units fall silent, (units,)."""
        if (share is None) == (units is None):
            raise BadInputError("drop: expected a share of the units or a list of them; give one of both")
        if units is None:
            chosen = self._order[: round(checked_number("drop", share, *LIMITS["drop"]) * self._units)]
        else:
            chosen = [checked_whole("drop: unit", unit, 0, self._units - 1) for unit in units]
        return np.isin(np.arange(self._units), chosen)

    @property
    def latency_ms(self) -> float:
        """By how much later steps go out, ms."""
        return self._amounts["latency"]

    @property
    def in_force(self) -> dict[str, Any]:
        """Values by kind, without those of 0; and as `units` those that are silent."""
        with self._lock:
            lost = np.flatnonzero(self._lost).tolist()
            found: dict[str, Any] = {kind: amount for kind, amount in self._amounts.items() if amount}
        return found | ({"drop": len(lost) / self._units, "units": lost} if lost else {})

    def apply(self, step: Step) -> Step:
        """Return the step as it is after all that goes wrong."""
        with self._lock:
            begin_s, self._next_s = self._next_s, float(step.stamps_s[-1])
            since, lost = self._drifted_bins, self._lost
            drift, noise_hz = self._amounts["drift"], self._amounts["noise"]
            self._drifted_bins += len(step.counts)
        if drift:
            step = self._with_drift(step, drift, since, begin_s)
        if noise_hz:
            step = self._with_noise(step, noise_hz, begin_s)
        return _without(step, lost) if lost.any() else step

    def _with_drift(self, step: Step, drift: float, since: int, begin_s: float) -> Step:
        """Each spike becomes as many as its unit's factor says on average."""
        passed = since + 1 + event_bins(step)
        factors = drift_factors(drift * self._slopes[step.event_units], passed)
        numbers = np.floor(factors + self._kept.random(len(factors))).astype(np.intp)
        return multiplied(step, numbers, begin_s, self._copies)

    def _with_noise(self, step: Step, rate_hz: float, begin_s: float) -> Step:
        drawn = self._noise.poisson(rate_hz * self._bin_size_s, step.counts.shape)
        bins, units = (index.repeat(drawn[drawn > 0]) for index in drawn.nonzero())
        times_s = times_in_bins(step, bins, begin_s, self._noise_times)
        return with_events(
            step,
            np.concatenate([event_bins(step), bins]),
            np.concatenate([step.event_units, units]),
            np.concatenate([step.event_stamps_s, times_s]),
        )


def _without(step: Step, lost: NDArray[np.bool_]) -> Step:
    left = ~lost[step.event_units]
    counts = step.counts * (~lost).astype(step.counts.dtype)
    return replace(step, counts=counts, event_units=step.event_units[left], event_stamps_s=step.event_stamps_s[left])
