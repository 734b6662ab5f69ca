"""The waveform of each unit's spike on the channels around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.broadband.amplifier import INTAN, Amplifier
from spikeloop.streamer.broadband.probe import Probe, place_units

__all__ = [
    "Neuron",
    "Template",
    "decay",
    "draw_neurons",
    "make_templates",
    "neurons_at",
    "template_of",
    "templates_of",
]

STRENGTH_UV, SPREAD = 180.0, 0.4  # peak at 25 um: median and standard deviation of its logarithm; our choice
SOMA_UM, CLOSE_UM, FAR_UM = 15.0, 25.0, 100.0
REACH_UM = 200.0  # beyond, a spike is lost in the noise: Henze et al. (2000) lost it at 140 um
NARROW_SHARE = 0.2  # of units, as of interneurons in cortex
NARROW_MS, BROAD_MS = (0.25, 0.35), (0.45, 0.7)  # from trough to peak (Bartho et al. 2004, J Neurophysiol 92:600)
TROUGH_MS = (0.07, 0.1)  # standard deviation of the trough's Gaussian
HUMP = (0.2, 0.4)  # height of the hump that follows, relative to the trough,
HUMP_WIDTH = 0.35  # and the standard deviation of its Gaussian, relative to the time from trough to peak


@dataclass(frozen=True, eq=False)
class Template:
    """A unit's spike.

    Attributes
    ----------
    first_channel : int
        Of a run of channels that holds all within reach.
    waveform : array of shape (span, channels of the run), int32
        In units of the amplifier's bits, `span` samples; its trough on the nearest channel is at sample `before`.
    peak_channel : int
        The nearest channel, where the waveform is largest.
    peak_uv : float > 0, µV
        The size of the trough there.
    position_um : array of shape (3,), float64, µm
    """

    first_channel: int
    waveform: NDArray[np.int32]
    peak_channel: int
    peak_uv: float
    position_um: Floats


@dataclass(frozen=True, eq=False)
class Neuron:
    """A neuron's place, and its spike: a negative Gaussian and a lower, broader positive one after it.

    Attributes
    ----------
    position_um : array of shape (3,), float64, µm
        The third coordinate is the distance from the plane of the electrodes.
    strength_uv : float > 0, µV
        The size of the trough 25 µm away.
    trough_ms : float > 0, ms
        Standard deviation of the trough's Gaussian.
    delay_ms : float > 0, ms
        From the trough to the hump, whose Gaussian is 0.35 times as wide.
    hump : float > 0
        Height of the hump, relative to the trough.
    """

    position_um: Floats
    strength_uv: float
    trough_ms: float
    delay_ms: float
    hump: float

    def shape(self, times_ms: Floats) -> Floats:
        """Compute the waveform at times since its trough, where it is -1."""
        return self._sum(times_ms) / -self._sum(np.zeros(1))

    def _sum(self, times_ms: Floats) -> Floats:
        trough = np.exp(-0.5 * (times_ms / self.trough_ms) ** 2)
        hump = np.exp(-0.5 * ((times_ms - self.delay_ms) / (HUMP_WIDTH * self.delay_ms)) ** 2)
        return self.hump * hump - trough


def decay(distance_um: Floats) -> Floats:
    """Compute the amplitude at distances from the soma, relative to that at 25 µm.

    As 1/r up to 100 µm and as 1/r^2 beyond, as of a neuron with dendrites (Pettersen & Einevoll 2008, Biophys J
    94:784); no larger than at 15 µm, and cut off at 200 µm (Henze et al. 2000, J Neurophysiol 84:390).

    Parameters
    ----------
    distance_um : array, float64, µm

    Returns
    -------
    array of the same shape, float64
    """
    distance_um = np.maximum(distance_um, SOMA_UM)
    near = CLOSE_UM / distance_um
    return np.where(distance_um <= REACH_UM, near * np.minimum(1.0, FAR_UM / distance_um), 0.0)


def draw_neurons(probe: Probe, units: int, random: np.random.Generator) -> tuple[Neuron, ...]:
    """Draw neurons near a probe's channels; the same for the same random numbers.

    Parameters
    ----------
    probe : Probe
    units : int >= 1
    random : numpy.random.Generator

    Returns
    -------
    tuple of Neuron, one for each unit
    """
    return neurons_at(place_units(probe, units, random), random)


def neurons_at(positions_um: Floats, random: np.random.Generator) -> tuple[Neuron, ...]:
    """Draw the spikes of neurons at positions, (units, 3), in µm."""
    units = len(positions_um)
    narrow = random.random((units, 1)) < NARROW_SHARE
    delays_ms = np.where(narrow, random.uniform(*NARROW_MS, (units, 1)), random.uniform(*BROAD_MS, (units, 1)))
    troughs_ms = random.uniform(*TROUGH_MS, (units, 1))
    humps = random.uniform(*HUMP, (units, 1))
    strengths_uv = STRENGTH_UV * np.exp(SPREAD * random.standard_normal(units))
    facts = (each.ravel().tolist() for each in (strengths_uv, troughs_ms, delays_ms, humps))
    return tuple(map(Neuron, positions_um, *facts))


def make_templates(
    probe: Probe,
    units: int,
    random: np.random.Generator,
    amplifier: Amplifier = INTAN,
    propagation_m_s: float | None = None,
) -> tuple[Template, ...]:
    """Draw the templates of units near a probe's channels; see `draw_neurons` and `template_of`."""
    return templates_of(draw_neurons(probe, units, random), probe, amplifier, propagation_m_s)


def templates_of(
    neurons: Sequence[Neuron], probe: Probe, amplifier: Amplifier = INTAN, propagation_m_s: float | None = None
) -> tuple[Template, ...]:
    """Return the template of each neuron; see `template_of`."""
    return tuple(template_of(neuron, probe, amplifier, propagation_m_s) for neuron in neurons)


def template_of(
    neuron: Neuron,
    probe: Probe,
    amplifier: Amplifier = INTAN,
    propagation_m_s: float | None = None,
    moved_um: float = 0.0,
) -> Template:
    """Compute what a probe's channels see of a neuron's spike.

    Parameters
    ----------
    neuron : Neuron
    probe : Probe
    amplifier : Amplifier
    propagation_m_s : float > 0, m/s, optional
        How fast a spike runs along the neuron, as back into its dendrites: on channels further away than the nearest it
        comes later by the difference of the distances. By default it is everywhere at once.
    moved_um : float, µm
        How far the probe has moved along its y axis.

    Returns
    -------
    Template
        With a run of at least one channel, also where the neuron is out of reach.
    """
    x_um, y_um, depth_um = neuron.position_um
    place_um = np.array([x_um, y_um - moved_um])
    distances_um = np.hypot(np.linalg.norm(probe.positions_um - place_um, axis=1), depth_um)
    amplitudes_uv = neuron.strength_uv * decay(distances_um)
    nearest = int(distances_um.argmin())
    reached = np.flatnonzero(amplitudes_uv) if amplitudes_uv.any() else np.array([nearest])
    run = slice(int(reached[0]), int(reached[-1]) + 1)
    times_ms = (np.arange(amplifier.span) - amplifier.before) * 1000 / amplifier.rate_hz
    if propagation_m_s is None:
        shapes = neuron.shape(times_ms)[:, np.newaxis]
    else:
        delays_ms = (distances_um[run] - distances_um[nearest]) / propagation_m_s / 1000
        shapes = neuron.shape(times_ms[:, np.newaxis] - delays_ms)
    waveform = np.rint(shapes * (amplitudes_uv[run] / amplifier.microvolts_per_bit)).astype(np.int32)
    return Template(run.start, waveform, nearest, float(amplitudes_uv[nearest]), neuron.position_um)
