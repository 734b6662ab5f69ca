"""What electrical stimulation does to a population: evoked spikes, then suppression.

Each pulse may evoke one spike in each stimulated unit, some milliseconds later, and suppresses the unit's own spikes
from its onset on, with an exponential recovery. Evoked spikes are not suppressed, so that those of a train stand out
against a background of inhibition, as at 20 and 40 Hz in Butovas & Schwarz (2003).

From the literature:

- the threshold of 15 µA at 200 µs, 3 nC, lies among the near-threshold charges of 0.8 to 4.8 nC in cortex (Butovas &
  Schwarz 2003) and the currents that reach cells at some 0.1 mm (Stoney, Thompson & Asanuma 1968; Tehovnik 1996);
- how it depends on the pulse's width is Weiss's law (1901), threshold charge = rheobase x (width + chronaxie), with a
  chronaxie within the 0.1 to 0.4 ms of cortical neurons (Tehovnik et al. 2006);
- excitation is followed by inhibition of more than 100 ms, and no intensity gives one without the other, so one
  probability rules both; inhibition by several pulses adds up far less than linearly (Butovas & Schwarz 2003), here
  the stronger one holds.

Ours: the slope of the probability, the latency and its spread, the exponential recovery, the refractory period, and
that a stimulus reaches the units it names and no others: a bundle has no geometry, and the cells that a current
excites lie scattered around the electrode anyway (Histed, Bonin & Reid 2009).

References
----------
Butovas & Schwarz 2003, J Neurophysiol 90:3024. Histed, Bonin & Reid 2009, Neuron 63:508. Stoney, Thompson & Asanuma
1968, J Neurophysiol 31:659. Tehovnik 1996, J Neurosci Methods 65:1. Tehovnik et al. 2006, J Neurophysiol 96:512.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.scalars import checked_number, checked_whole, is_whole
from spikeloop.streamer.stream.step import Step, event_bins, with_events

__all__ = ["STIMULUS", "Stimulator", "Stimulus", "evoked_probability", "suppression"]


STIMULUS = Condition("stimulus", "uA", 0.0, 200.0)  # the channel of NAME-Condition

THRESHOLD_UA = 15.0  # at 200 µs; evokes a spike every other time
CHRONAXIE_S = 200e-6
RHEOBASE_UA = THRESHOLD_UA / (1 + CHRONAXIE_S / 200e-6)
SLOPE = 4  # of the probability over the logarithm of charge
LATENCY_S, LATENCY_SPREAD_S = 2.5e-3, 0.5e-3  # normally distributed,
FURTHEST_LATENCY = 3  # but no further than so many standard deviations
REFRACTORY_S = 2e-3  # between evoked spikes of a unit
RECOVERY_S = 0.05  # in which suppression falls to 1/e
LEAST_SUPPRESSION = 0.01  # what is less is over
MOST_PULSES = 2000  # in the coming second, of all stimuli


@dataclass(frozen=True)
class Stimulus:
    """A pulse, or a regular train of them.

    Attributes
    ----------
    units : tuple of int >= 0
        Each is stimulated by every pulse.
    amplitude_ua : float from 0 to 200, uA
    pulses : int from 1 to 1000
    rate_hz : float from 1 to 1000, Hz
        Of the pulses.
    pulse_width_us : float from 50 to 1000, us
        Of a pulse's leading phase.
    id : str
        The sender's name for it.

    Raises
    ------
    BadInputError
        If a number lies outside its range or is not whole where it must be, or no unit is named.
    """

    units: tuple[int, ...]
    amplitude_ua: float
    pulses: int = 1
    rate_hz: float = 100.0
    pulse_width_us: float = 200.0
    id: str = ""

    def __post_init__(self) -> None:
        for name, (low, high) in {"amplitude_ua": (0, 200), "rate_hz": (1, 1000), "pulse_width_us": (50, 1000)}.items():
            object.__setattr__(self, name, checked_number(name, getattr(self, name), low, high))
        object.__setattr__(self, "pulses", checked_whole("pulses", self.pulses, 1, 1000))
        if not (len(self.units) and all(is_whole(unit) and unit >= 0 for unit in self.units)):
            raise BadInputError(f"units: expected one or more whole numbers from 0, found {list(self.units)!r:.80}")


def evoked_probability(amplitude_ua: float, pulse_width_us: float) -> float:
    """Return the probability that a pulse evokes a spike in a unit at rest.

    A sigmoid in the logarithm of charge, q**4 / (1 + q**4), where q is the charge over the threshold charge of that
    width, rheobase x (width + chronaxie).
    """
    width_s = pulse_width_us * 1e-6
    charge = (amplitude_ua * width_s / (RHEOBASE_UA * (width_s + CHRONAXIE_S))) ** SLOPE
    return charge / (1 + charge)


def suppression(depth: float | Floats, since_s: Floats) -> Floats:
    """Return the share of a unit's own spikes that are lost `since_s` after a pulse of evoked probability `depth`."""
    return depth * np.exp(-since_s / RECOVERY_S)


class Stimulator:
    """Stimuli, from any thread, and what they do to the steps of a stream; a `Transform`.

    A stimulus acts on the step in which its time lies, if that step is not out yet, and else from the next step on. Its
    spikes have times of their own, and are counted in the bins that those lie in; pulses and spikes of a train that
    are later than a step wait for theirs. The same stimuli at the same times give the same spikes, whatever the step
    size. Conditions get one more channel, `STIMULUS`: the largest amplitude of the pulses in a bin, 0 without.

    Parameters
    ----------
    units : int >= 1
        Of the population, which has spikes.
    start_s : float, s
        When bin 0 begins.
    random : numpy.random.Generator
        Of what is evoked and suppressed; used by this stimulator alone.
    on_pulse : callable of (time in s, amplitude in uA)
        Called for each pulse in the step that it falls into.
    lead_s : float from 0 to 0.001, s
        How far steps are ahead of their time, as where a spike's waveform begins before the spike. Pulses that much
        before a step's end still act in it, at their own time; a unit's own spikes so soon after a pulse stay.
    """

    def __init__(
        self,
        units: int,
        start_s: float,
        random: np.random.Generator,
        on_pulse: Callable[[float, float], None] = lambda at_s, amplitude_ua: None,
        lead_s: float = 0.0,
    ) -> None:
        self._on_pulse, self._lead_s = on_pulse, lead_s
        self._random = random
        self._lock = threading.Lock()
        self._trains: list[_Train] = []
        self._done_s = start_s - lead_s  # the end of the latest step, less the lead
        self._evoked = np.empty(0, np.intp), np.empty(0)  # units and times of spikes that wait for their step
        self._fired_s = np.full(units, -np.inf)  # the latest evoked spike
        self._depth, self._since_s = np.zeros(units), np.full(units, start_s)  # of suppression
        self._calm_from_s = start_s  # nothing is suppressed from then on

    def stimulate(self, stimulus: Stimulus, at_s: float) -> float:
        """Add a stimulus.

        Parameters
        ----------
        stimulus : Stimulus
        at_s : float, s
            When it arrived.

        Returns
        -------
        float, s
            When its first pulse is: `at_s`, or the end of the latest step that went out less the lead, if later.

        Raises
        ------
        BadInputError
            If it names a unit that is not there, or stimuli under way leave no room for it.
        """
        units = np.unique(stimulus.units)
        if units[-1] >= len(self._depth):
            raise BadInputError(f"units: expected 0 to {len(self._depth) - 1}, found {units[-1]}")
        probability = evoked_probability(stimulus.amplitude_ua, stimulus.pulse_width_us)
        with self._lock:
            begin_s = max(at_s, self._done_s)
            pulses = sum(under_way.soon for under_way in self._trains) + min(stimulus.pulses, stimulus.rate_hz)
            if pulses > MOST_PULSES:
                raise BadInputError(
                    f"stimulus: expected at most {MOST_PULSES} pulses in the coming second, found {pulses:g} with those"
                    " of stimuli under way; wait until they have ended"
                )
            random = self._random.spawn(1)[0]  # not of a stimulus that was refused, which leaves no trace
            self._trains.append(_Train(stimulus, begin_s, units, probability, random))
        return begin_s

    def apply(self, step: Step) -> Step:
        """Return the step as stimulation leaves it."""
        end_s = float(step.stamps_s[-1])
        pulses = self._pulses_before(end_s - self._lead_s)
        step = replace(step, conditions=np.column_stack([step.conditions, _amplitudes(step, pulses)]))
        calm = not len(step.event_stamps_s) or step.event_stamps_s[0] >= self._calm_from_s
        if calm and not pulses and not len(self._evoked[0]):
            return step
        kept = self._fire(pulses, step)
        units, stamps_s = self._evoked
        due = stamps_s < end_s
        self._evoked = units[~due], stamps_s[~due]
        if kept.all() and not due.any():
            return step
        return with_events(
            step,
            np.concatenate([event_bins(step)[kept], np.searchsorted(step.stamps_s, stamps_s[due], side="right")]),
            np.concatenate([step.event_units[kept], units[due]]),
            np.concatenate([step.event_stamps_s[kept], stamps_s[due]]),
        )

    def _pulses_before(self, end_s: float) -> "list[tuple[float, _Train]]":
        """Return the pulses that were not given yet, by time; the step that ends then, but for the lead, is done."""
        with self._lock:
            pulses = [(at_s, train) for train in self._trains for at_s in train.pulses_before(end_s)]
            self._trains = [train for train in self._trains if train.left > 0]
            self._done_s = end_s
        return sorted(pulses, key=lambda pulse: pulse[0])

    def _fire(self, pulses: "list[tuple[float, _Train]]", step: Step) -> NDArray[np.bool_]:
        """Give the pulses; returns which of the step's own spikes are kept, (spikes,)."""
        units, stamps_s = step.event_units, step.event_stamps_s
        ends = np.searchsorted(stamps_s, [at_s + self._lead_s for at_s, _ in pulses]).tolist()
        kept, begin = [], 0
        evoked = [self._evoked]
        for (at_s, train), end in zip(pulses, ends, strict=True):
            self._on_pulse(at_s, train.stimulus.amplitude_ua)
            kept.append(self._keep(units[begin:end], stamps_s[begin:end]))
            evoked.append(self._evoke(at_s, train))
            self._suppress(at_s, train)
            begin = end
        kept.append(self._keep(units[begin:], stamps_s[begin:]))
        self._evoked = np.concatenate([units for units, _ in evoked]), np.concatenate([times for _, times in evoked])
        return np.concatenate(kept)

    def _keep(self, units: NDArray[np.int32], stamps_s: Floats) -> NDArray[np.bool_]:
        """Return which of the units' own spikes suppression leaves, (spikes,)."""
        kept = np.ones(len(units), bool)
        lost = suppression(self._depth[units], stamps_s - self._since_s[units])
        touched = np.flatnonzero(lost > LEAST_SUPPRESSION)
        kept[touched] = self._random.random(len(touched)) >= lost[touched]
        return kept

    def _evoke(self, at_s: float, train: "_Train") -> tuple[NDArray[np.intp], Floats]:
        """Return the units in which a pulse evokes a spike, and when."""
        chance = train.random.random(len(train.units))
        late = train.random.standard_normal(len(train.units)).clip(-FURTHEST_LATENCY, FURTHEST_LATENCY)
        stamps_s = at_s + LATENCY_S + LATENCY_SPREAD_S * late
        recovered = stamps_s - self._fired_s[train.units] >= REFRACTORY_S
        fires = (chance < train.probability) & recovered
        units, stamps_s = train.units[fires], stamps_s[fires]
        self._fired_s[units] = stamps_s
        return units, stamps_s

    def _suppress(self, at_s: float, train: "_Train") -> None:
        units = train.units
        before = suppression(self._depth[units], at_s - self._since_s[units])
        self._depth[units] = np.maximum(before, train.probability)
        self._since_s[units] = at_s
        self._calm_from_s = at_s + RECOVERY_S * np.log(1 / LEAST_SUPPRESSION)


def _amplitudes(step: Step, pulses: "list[tuple[float, _Train]]") -> NDArray[np.float32]:
    """The largest of each bin, (bins,), in µA."""
    amplitudes = np.zeros(len(step.counts), np.float32)
    bins = np.searchsorted(step.stamps_s, [at_s for at_s, _ in pulses], side="right")
    np.maximum.at(amplitudes, bins, [train.stimulus.amplitude_ua for _, train in pulses])
    return amplitudes


@dataclass(eq=False)
class _Train:
    """A stimulus under way; `random` is its own, so that no other stimulus changes what it does."""

    stimulus: Stimulus
    begin_s: float
    units: NDArray[np.intp]
    probability: float
    random: np.random.Generator
    given: int = 0

    @property
    def left(self) -> int:
        """Pulses that are still to come."""
        return self.stimulus.pulses - self.given

    @property
    def soon(self) -> float:
        """Of these, how many at most within a second."""
        return min(self.left, self.stimulus.rate_hz)

    def pulses_before(self, before_s: float) -> list[float]:
        """Return the times of the next pulses that lie before that time."""
        times_s = []
        while self.left > 0 and (at_s := self.begin_s + self.given / self.stimulus.rate_hz) < before_s:
            times_s.append(at_s)
            self.given += 1
        return times_s
