"""Noise of an electrode array: of each channel and of all together, read from pools that repeat without a seam."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.broadband.amplifier import INTAN, Amplifier

__all__ = ["TYPICAL", "Noise", "NoiseLevels", "lfp_density", "periodic_noise", "pink_density"]

Floats = NDArray[np.floating]

GROUP = 32  # channels that read the pool of own noise at one place: a cache line of int16
LOWEST_HZ = 1.0  # the amplifier's high pass
LFP_HIGHEST_HZ = 300.0
OWN_PERIOD, SHARED_PERIOD = 2**20, 2**21  # in samples: 35 and 70 s at 30 kHz; lengths that the FFT likes


@dataclass(frozen=True)
class NoiseLevels:
    """How large each kind of noise is.

    Attributes
    ----------
    own_uv, shared_uv : float >= 0, µV
        Standard deviation of a channel's own noise, and of the noise that is the same on all channels; both are white
        plus 1/f from 1 Hz on.
    corner_hz : float >= 0, Hz
        Where the 1/f part is as strong as the white part.
    line_uv : float >= 0, µV
        Amplitude of the hum of the power line, the same on all channels.
    line_hz : {50, 60}
        Its frequency.
    lfp_uv : float >= 0, µV
        Standard deviation of a local field potential, 1/f^2 from 1 to 300 Hz, the same on all channels.
    """

    own_uv: float = 7.0
    shared_uv: float = 3.0
    corner_hz: float = 200.0
    line_uv: float = 2.0
    line_hz: Literal[50, 60] = 50
    lfp_uv: float = 0.0


TYPICAL = NoiseLevels()


class Noise:
    """Noise of an array; any block of it at any time, always the same for the same random numbers.

    A block costs little more than reading and writing memory. In return a channel's own noise repeats after 35 s at 30
    kHz, and the channel 32 places on has the same noise, later by 35 s over the number of such groups (1.1 s for 1,024
    channels); shared noise repeats after 70 s. At any one time, and over shorter lags, the channels' own noise is
    independent.

    Parameters
    ----------
    channels : int >= 1
    levels : NoiseLevels
    random : numpy.random.Generator
    own_period, shared_period : int, even
        Samples after which own and shared noise repeat.
    amplifier : Amplifier
    """

    def __init__(
        self,
        channels: int,
        levels: NoiseLevels,
        random: np.random.Generator,
        own_period: int = OWN_PERIOD,
        shared_period: int = SHARED_PERIOD,
        amplifier: Amplifier = INTAN,
    ) -> None:
        self.channels = channels
        rate_hz, scale_uv = amplifier.rate_hz, amplifier.microvolts_per_bit
        self._own = np.empty((own_period, min(channels, GROUP)), np.int16)
        density = pink_density(np.fft.rfftfreq(own_period, 1 / rate_hz), levels.corner_hz)
        for channel in range(self._own.shape[1]):
            self._own[:, channel] = np.rint(periodic_noise(density, random) * (levels.own_uv / scale_uv))
        frequencies_hz = np.fft.rfftfreq(shared_period, 1 / rate_hz)
        shared = levels.shared_uv * periodic_noise(pink_density(frequencies_hz, levels.corner_hz), random)
        shared += levels.lfp_uv * periodic_noise(lfp_density(frequencies_hz), random)
        self._shared = (shared / scale_uv).astype(np.float32)
        turns = np.arange(rate_hz) * levels.line_hz / rate_hz
        self._line = (levels.line_uv / scale_uv * np.sin(2 * np.pi * turns)).astype(np.float32)
        groups = -(-channels // GROUP)
        self._offsets = [group * own_period // groups for group in range(groups)]

    def block(self, first_sample: int, samples: int) -> NDArray[np.int32]:
        """Read a block of noise.

        Parameters
        ----------
        first_sample : int >= 0
        samples : int >= 0

        Returns
        -------
        array of shape (samples, channels), int32
            In units of the amplifier's bits.
        """
        traces = np.empty((samples, self.channels), np.int32)
        for group, offset in enumerate(self._offsets):
            part = traces[:, group * GROUP : (group + 1) * GROUP]
            _read(self._own[:, : part.shape[1]], first_sample + offset, part)
        shared, line = np.empty((2, samples), np.float32)
        _read(self._shared, first_sample, shared)
        _read(self._line, first_sample, line)
        traces += np.rint(shared + line).astype(np.int32)[:, np.newaxis]
        return traces


def pink_density(frequencies_hz: Floats, corner_hz: float) -> Floats:
    """Compute the power density of white noise plus 1/f, on any scale: 1 + corner/f from 1 Hz on."""
    return np.where(frequencies_hz < LOWEST_HZ, 0.0, 1 + corner_hz / np.maximum(frequencies_hz, LOWEST_HZ))


def lfp_density(frequencies_hz: Floats) -> Floats:
    """Compute the power density of a local field potential, on any scale: 1/f^2 from 1 to 300 Hz."""
    inside = (frequencies_hz >= LOWEST_HZ) & (frequencies_hz <= LFP_HIGHEST_HZ)
    return np.where(inside, np.maximum(frequencies_hz, LOWEST_HZ) ** -2.0, 0.0)


def periodic_noise(density: Floats, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw Gaussian noise of unit variance whose end continues at its beginning, as its spectrum is discrete.

    Parameters
    ----------
    density : array of shape (period // 2 + 1,)
        Power density from 0 Hz to half the rate, on any scale.
    random : numpy.random.Generator

    Returns
    -------
    array of shape (period,), float32
        One period.
    """
    period = 2 * (len(density) - 1)
    normal = random.standard_normal((2, len(density)), np.float32)
    gain = (np.sqrt(density / density.sum()) * period / 2).astype(np.float32)  # by Parseval
    return np.fft.irfft(gain * (normal[0] + 1j * normal[1]), period).astype(np.float32, copy=False)


def _read(pool: NDArray, first: int, out: NDArray) -> None:
    """Fill `out` from a pool that begins again at its end."""
    done = 0
    while done < len(out):
        start = (first + done) % len(pool)
        part = pool[start : start + len(out) - done]
        out[done : done + len(part)] = part
        done += len(part)
