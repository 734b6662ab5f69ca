"""What may be done to a stream while it runs: gain, pause, stimuli, perturbations, all marked; and its condition."""

import operator
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, SupportsIndex

from numpy.typing import ArrayLike

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.scalars import is_whole
from spikeloop.streamer.conditions.steered import SteeredDrive
from spikeloop.streamer.stream.controls import Controls, Gate
from spikeloop.streamer.stream.perturbations import OF_SPIKES, Perturbations
from spikeloop.streamer.stream.step import SpikeSink, Transform
from spikeloop.streamer.stream.stimulation import STIMULUS, Stimulator, Stimulus

__all__ = ["MarkListener", "Steering"]

NOT_YET = "the stream has not begun; wait until it has"
NO_SPIKES = "expected a stream of spikes, this one is of fluorescence; stream another bundle"


class MarkListener(Protocol):
    """Gets a marker: the event, when it begins to act on the stream's clock, and its details."""

    def __call__(self, event: str, stamp_s: float, **details: Any) -> None: ...


class Steering:
    """Gain, pause, stimulation, perturbations and condition of one stream, from any thread.

    A stimulus acts on the population from its arrival on, all else from the next step on. Markers of all but the
    condition are numbered from 1 on, as `act`, so that who comes later knows what came before.

    Parameters
    ----------
    card : Card
        Of the bundle that is streamed.
    seed : int >= 0
        Of what stimuli, gain and perturbations do.
    driven : SteeredDrive, optional
        Drives the stream, where its condition can be set.

    Attributes
    ----------
    channels : tuple of Condition
        Of NAME-Condition: the model's channels, and the stimulus after them.
    """

    def __init__(self, card: Card, seed: int, driven: SteeredDrive | None = None) -> None:
        self._driven, self._bin_size_s = driven, card.bin_size_s
        self._seed, self._units, self._spiking = seed, len(card.unit_names), card.signal == "spikes"
        self._listeners: list[MarkListener] = []
        self._acting, self._acts = threading.Lock(), 0
        self._stimulator: Stimulator | None = None
        self._controls: Controls | None = None
        self._perturbations: Perturbations | None = None
        self._gate: Gate | None = None
        self.channels = (*card.channels, STIMULUS) if self._spiking else card.channels

    def listen(self, listener: MarkListener) -> None:
        """Have a listener get every marker from now on."""
        self._listeners.append(listener)

    def mark(self, event: str, stamp_s: float, **details: Any) -> None:
        """Have all listeners get a marker."""
        for listener in self._listeners:
            listener(event, stamp_s, **details)

    def begin(
        self,
        start_s: float,
        sinks: Sequence[SpikeSink],
        on_pulse: Callable[[float, float], None] = lambda at_s, amplitude_ua: None,
    ) -> tuple[tuple[SpikeSink, ...], tuple[Transform, ...]]:
        """Begin to act on a stream whose bin 0 begins at `start_s`.

        Parameters
        ----------
        sinks : sequence of SpikeSink
            Get the steps, but for those that a pause keeps back.
        on_pulse : callable of (time in s, amplitude in uA)
            Called for each pulse in the step that it falls into.

        Returns
        -------
        tuple of SpikeSink, tuple of Transform
            For the loop that streams.
        """
        controls = Controls(start_s, random_stream(self._seed, Purpose.GAIN))
        random = random_stream(self._seed, Purpose.STREAM_PERTURBATIONS)
        perturbations = Perturbations(self._units, start_s, self._bin_size_s, random)
        transforms: tuple[Transform, ...] = (controls, perturbations)
        if self._spiking:
            random = random_stream(self._seed, Purpose.STIMULATION)
            self._stimulator = Stimulator(self._units, start_s, random, on_pulse)
            transforms = (self._stimulator, *transforms)
        self._controls, self._perturbations = controls, perturbations
        self._gate = Gate(controls, sinks, perturbations)
        return (self._gate,), transforms

    def end(self) -> None:
        """Let out what an added latency still keeps back, as the stream ends."""
        if self._gate is not None:
            self._gate.flush()

    @property
    def has_begun(self) -> bool:
        """Whether it acts on a stream already."""
        return self._controls is not None

    @property
    def lets_out(self) -> bool:
        """Whether the step that was due last went out, and was not kept back by a pause."""
        return self._controls is None or self._controls.lets_out

    @property
    def paused(self) -> bool:
        """Whether a pause was asked for last."""
        return self._controls is not None and self._controls.paused

    @property
    def gain(self) -> float:
        """The gain that was asked for last."""
        return 1.0 if self._controls is None else self._controls.gain

    def set_gain(self, gain: float) -> None:
        """Multiply spikes on average, from the next step on.

        Raises
        ------
        BadInputError
            If the gain is not from 0 to 10, or the stream has not begun.
        """
        controls = self._begun()
        with self._acting:
            begin_s = controls.set_gain(gain)
            self._mark_act("gain", begin_s, value=float(gain))

    def set_paused(self, paused: bool) -> None:
        """Keep steps back, or let them out again, from the next step on; does nothing where that is so already.

        Raises
        ------
        BadInputError
            If the stream has not begun.
        """
        controls = self._begun()
        with self._acting:
            if controls.paused != paused:
                self._mark_act("pause" if paused else "resume", controls.set_paused(paused))

    def stimulate(
        self,
        units: Sequence[SupportsIndex] | Literal["all"],
        amplitude_ua: float,
        pulses: int = 1,
        rate_hz: float = 100.0,
        pulse_width_us: float = 200.0,
        id: str = "",
        *,
        at_s: float,
    ) -> None:
        """Stimulate units, with parameters as of `Stimulus`; the first pulse is at `at_s`, or as soon as it can be.

        Raises
        ------
        BadInputError
            If a parameter is out of range, the stream has not begun, or it is no stream of spikes.
        """
        if not self._spiking:
            raise BadInputError(NO_SPIKES)
        if self._stimulator is None:
            raise BadInputError(NOT_YET)
        every = isinstance(units, str) and units == "all"
        places = tuple(range(self._units)) if every else _listed(units)
        stimulus = Stimulus(places, amplitude_ua, pulses, rate_hz, pulse_width_us, id)
        train = {name: getattr(stimulus, name) for name in ("amplitude_ua", "pulses", "rate_hz", "pulse_width_us")}
        with self._acting:
            begin_s = self._stimulator.stimulate(stimulus, at_s)
            self._mark_act("stimulate", begin_s, id=id, units="all" if every else list(places), **train)

    def perturb(self, kind: str, value: float | None = None, units: Sequence[SupportsIndex] | None = None) -> None:
        """Have something go wrong from the next step on, with parameters as of `Perturbations.set`.

        Raises
        ------
        BadInputError
            If a parameter is out of range, the stream has not begun, or it is no stream of spikes, which drift and
            noise act on.
        """
        if self._perturbations is None:
            raise BadInputError(NOT_YET)
        if not self._spiking and isinstance(kind, str) and kind in OF_SPIKES:
            raise BadInputError(f"{kind}: {NO_SPIKES}")
        listed = None if units is None else _listed(units, "")
        with self._acting:
            begin_s = self._perturbations.set(kind, value, listed)
            in_force = self._perturbations.in_force
            lost = {"units": in_force.get("units", [])} if kind == "drop" else {}
            self._mark_act("perturb", begin_s, kind=kind, value=in_force.get(kind, 0.0), **lost)

    @property
    def perturbations(self) -> dict[str, Any]:
        """What goes wrong: values by kind, and as `units` those that are silent."""
        return {} if self._perturbations is None else self._perturbations.in_force

    def set_condition(self, values: ArrayLike | None) -> None:
        """Drive the population by these values, one a channel, from the next bin on; None lets it go.

        It is not marked: NAME-Condition holds the condition of each bin.

        Raises
        ------
        BadInputError
            If the values don't suit the population, or the stream's condition can't be set.
        """
        if self._driven is None:
            raise BadInputError("the stream's condition can't be set; start it with the condition steered")
        self._driven.set(values)

    def _mark_act(self, event: str, stamp_s: float, **details: Any) -> None:
        self._acts += 1
        self.mark(event, stamp_s, act=self._acts, **details)

    def _begun(self) -> Controls:
        if self._controls is None:
            raise BadInputError(NOT_YET)
        return self._controls


def _listed(units: Sequence[SupportsIndex] | str, other: str = '"all" or ') -> tuple[int, ...]:
    listed = tuple(units) if isinstance(units, Iterable) and not isinstance(units, str) else None
    if listed is None or not all(is_whole(unit) for unit in listed):
        raise BadInputError(f"units: expected {other}whole numbers from 0, found {units!r:.80}")
    return tuple(operator.index(unit) for unit in listed)
