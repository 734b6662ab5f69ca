"""The waveform of each unit's spike on the channels around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.broadband.probe import Probe, place_units

__all__ = ["AFTER", "BEFORE", "MICROVOLTS_PER_BIT", "RATE_HZ", "SPAN", "Template", "decay", "make_templates"]


RATE_HZ = 30_000
MICROVOLTS_PER_BIT = 0.195  # of Intan's RHD2000 amplifiers, so that int16 reaches to 6.4 mV
BEFORE, AFTER = 20, 44  # samples of a waveform before its trough, and from it on: 0.7 and 1.5 ms
SPAN = BEFORE + AFTER

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
    waveform : array of shape (SPAN, channels of the run), int32
        In units of the amplifier's bits; its trough is at sample BEFORE.
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


def make_templates(probe: Probe, units: int, random: np.random.Generator) -> tuple[Template, ...]:
    """Draw the templates of units near a probe's channels; the same for the same random numbers.

    Parameters
    ----------
    probe : Probe
    units : int >= 1
    random : numpy.random.Generator

    Returns
    -------
    tuple of Template, one for each unit
    """
    positions_um = place_units(probe, units, random)
    shapes = _draw_shapes(units, random)
    strengths_uv = STRENGTH_UV * np.exp(SPREAD * random.standard_normal(units))
    return tuple(map(_template, positions_um, shapes, strengths_uv, [probe] * units))


def _draw_shapes(units: int, random: np.random.Generator) -> Floats:
    """Waveforms, (units, SPAN): a negative Gaussian and a lower, broader positive one after it, -1 at the trough."""
    times_ms = (np.arange(SPAN) - BEFORE) * 1000 / RATE_HZ
    narrow = random.random((units, 1)) < NARROW_SHARE
    delay_ms = np.where(narrow, random.uniform(*NARROW_MS, (units, 1)), random.uniform(*BROAD_MS, (units, 1)))
    trough = np.exp(-0.5 * (times_ms / random.uniform(*TROUGH_MS, (units, 1))) ** 2)
    hump = np.exp(-0.5 * ((times_ms - delay_ms) / (HUMP_WIDTH * delay_ms)) ** 2)
    shapes = random.uniform(*HUMP, (units, 1)) * hump - trough
    return shapes / -shapes[:, [BEFORE]]


def _template(position_um: Floats, shape: Floats, strength_uv: float, probe: Probe) -> Template:
    distances_um = np.hypot(np.linalg.norm(probe.positions_um - position_um[:2], axis=1), position_um[2])
    amplitudes_uv = strength_uv * decay(distances_um)
    reached = np.flatnonzero(amplitudes_uv)
    run = slice(int(reached[0]), int(reached[-1]) + 1)
    waveform = np.rint(np.outer(shape, amplitudes_uv[run] / MICROVOLTS_PER_BIT)).astype(np.int32)
    nearest = int(distances_um.argmin())
    return Template(run.start, waveform, nearest, float(amplitudes_uv[nearest]), position_um)
