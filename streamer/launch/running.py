"""A stream while it runs: what a program may ask of it and do to it."""

from collections.abc import Sequence
from typing import Literal, SupportsIndex

from numpy.typing import ArrayLike

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.launch.report import StreamReport
from spikeloop.streamer.launch.stream import PreparedStream
from spikeloop.streamer.stream.health import HealthReport
from spikeloop.streamer.stream.steering import Steering

__all__ = ["RunningStream"]


class RunningStream:
    """The figures and the controls of a stream; each may be used from any thread.

    Attributes
    ----------
    prepared : PreparedStream or None
        What the stream consists of; None before it is open.
    """

    prepared: PreparedStream | None = None

    @property
    def health(self) -> HealthReport:
        """The figures so far: bins, steps, timing, mean rate.

        Raises
        ------
        BadInputError
            If the stream has not begun.
        """
        return self.report.health

    @property
    def report(self) -> StreamReport:
        """How the stream ran; while it runs, so far.

        Raises
        ------
        BadInputError
            If the stream has not begun.
        """
        return self._begun().report()

    def set_gain(self, gain: float) -> None:
        """Multiply the spikes, on average, from the next step on.

        Parameters
        ----------
        gain : float from 0 to 10
            Below 1 each spike is kept with this probability; above 1 spikes get copies at random times in their bins.

        Raises
        ------
        BadInputError
            If the gain is out of range, or the stream has not begun or has no controls.
        """
        self._steering().set_gain(gain)

    def set_condition(self, values: ArrayLike | None) -> None:
        """Drive the population by these values from the next bin on, of a stream with the condition `steered`.

        A movement to the right, until `set_condition(None)`::

            with spikeloop.stream("m1-sim", condition="steered") as stream:
                stream.set_condition([20.0, 0.0])

        Parameters
        ----------
        values : array of shape (channels,), or None
            In the units of the bundle's card; of a phase, where it runs on from. None lets go.

        Raises
        ------
        BadInputError
            If the values don't suit the population, or the stream has not begun, has no controls or is not steered.
        """
        self._steering().set_condition(values)

    def pause(self) -> None:
        """Keep steps back from the next one on; time and population go on.

        Raises
        ------
        BadInputError
            If the stream has not begun, or has no controls.
        """
        self._steering().set_paused(True)

    def resume(self) -> None:
        """Let steps out again from the next one on.

        Raises
        ------
        BadInputError
            If the stream has not begun, or has no controls.
        """
        self._steering().set_paused(False)

    def stimulate(
        self,
        units: Sequence[SupportsIndex] | Literal["all"] = "all",
        amplitude_ua: float = 20.0,
        pulses: int = 1,
        rate_hz: float = 100.0,
        pulse_width_us: float = 200.0,
    ) -> None:
        """Stimulate units with a pulse or a regular train of them, from now on.

        Parameters
        ----------
        units : sequence of int, or "all"
            Each is stimulated by every pulse.
        amplitude_ua : float from 0 to 200, uA
        pulses : int from 1 to 1000
        rate_hz : float from 1 to 1000, Hz
            Of the pulses.
        pulse_width_us : float from 50 to 1000, us
            Of a pulse's leading phase.

        Raises
        ------
        BadInputError
            If a parameter is out of range, or the stream has not begun, has no controls or is not of spikes.
        """
        steering, now_s = self._steering(), self._begun().clock.now()
        steering.stimulate(units, amplitude_ua, pulses, rate_hz, pulse_width_us, at_s=now_s)

    def perturb(self, kind: str, value: float | None = None, *, units: Sequence[SupportsIndex] | None = None) -> None:
        """Have something go wrong with the stream from the next step on, as in a closed loop.

        One takes the place of the one of its kind before::

            stream.perturb("drop", units=[3, 14])  # these two fall silent
            stream.perturb("noise", 5)  # and 5 Hz of noise join every unit's spikes
            stream.perturb("drop", 0)  # the two are back

        NAME-Markers holds it, and `verify` does it again.

        Parameters
        ----------
        kind : {"drop", "drift", "noise", "latency"}
        value : float
            0 ends it. Of `drop`, the share of the units that fall silent, 0 to 1, which the seed chooses. Of `drift`,
            the standard deviation of the change of log rates in a minute, 0 to 100. Of `noise`, the rate of
            independent Poisson spikes that join every unit's, 0 to 1000 Hz. Of `latency`, by how much later steps go
            out, with their own stamps, 0 to 10,000 ms, in whole steps.
        units : sequence of int, optional
            Of `drop`, instead of a share, the units that fall silent.

        Raises
        ------
        BadInputError
            If there is no such kind, a parameter is out of range, or the stream has not begun, has no controls, or is
            not of spikes, which drift and noise act on.
        """
        self._steering().perturb(kind, value, units)

    def _begun(self) -> PreparedStream:
        if self.prepared is None:
            raise BadInputError("the stream has not begun; enter it with `with` (or `async with`) first")
        return self.prepared

    def _steering(self) -> Steering:
        steering = self._begun().steering
        if steering is None:
            raise BadInputError("the stream has no controls; start it with controls=True")
        return steering
