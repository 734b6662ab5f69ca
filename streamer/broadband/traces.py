"""Voltage of an array at 30 kHz: noise, waveforms of spikes at their exact samples, and stimulation artefacts."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.broadband.noise import Noise
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.templates import BEFORE, MICROVOLTS_PER_BIT, RATE_HZ, SPAN, Template

__all__ = ["Synthesiser", "sample_of"]

LOWEST, HIGHEST = -(2**15), 2**15 - 1  # of int16
ARTEFACT_DECAY_S, ARTEFACT_S = 0.001, 0.008  # as an amplifier recovers; our choice
MOST_ARTEFACTS = 10_000  # that wait, so that a flood of stimuli can't fill the memory


class Artefact(NamedTuple):
    """What one stimulation pulse leaves on some channels; it begins at `first_sample`."""

    channels: slice
    first_sample: int
    amplitude_uv: float


class Synthesiser:
    """Makes a trace block by block, the same whatever the size of the blocks.

    Everything is added up in whole bits, and only the sum is cut off at the limits of int16.

    Parameters
    ----------
    probe : Probe
    templates : sequence of Template
        One for each unit.
    noise : Noise or None
        Of as many channels as the probe has; None for no noise.
    """

    def __init__(self, probe: Probe, templates: Sequence[Template], noise: Noise | None) -> None:
        self.probe, self.templates = probe, tuple(templates)
        self._noise = noise
        self._waveforms = [template.waveform for template in templates]
        firsts = [template.first_channel for template in templates]
        widths = [waveform.shape[1] for waveform in self._waveforms]
        self._channels = [slice(first, first + width) for first, width in zip(firsts, widths, strict=True)]
        self._units, self._onsets = np.zeros(0, np.int64), np.zeros(0, np.int64)  # of spikes that are not over
        times_s = np.arange(round(ARTEFACT_S * RATE_HZ)) / RATE_HZ
        self._recovery = np.exp(-times_s / ARTEFACT_DECAY_S) / MICROVOLTS_PER_BIT
        self._artefacts: deque[Artefact] = deque(maxlen=MOST_ARTEFACTS)

    def artefact(self, channel: int | None, at_s: float, amplitude_uv: float) -> None:
        """Add a stimulation pulse's artefact: it jumps to its amplitude and decays within some ms; from any thread.

        Parameters
        ----------
        channel : int or None
            None for all.
        at_s : float, s
            Since sample 0; what falls into blocks that were made already is lost.
        amplitude_uv : float, µV
        """
        channels = slice(None) if channel is None else slice(channel, channel + 1)
        self._artefacts.append(Artefact(channels, int(sample_of(at_s)), amplitude_uv))

    def block(
        self,
        first_sample: int,
        samples: int,
        event_units: NDArray[np.int32],
        event_times_s: NDArray[np.float64],
    ) -> NDArray[np.int16]:
        """Make the next block; blocks follow each other, or leave samples out.

        Parameters
        ----------
        first_sample, samples : int >= 0
        event_units : array of shape (spikes,), int32
            New spikes: those whose waveform, which begins BEFORE samples ahead of the spike, begins in this block, and
            any later ones.
        event_times_s : array of shape (spikes,), float64, s
            Their times since sample 0.

        Returns
        -------
        array of shape (samples, channels), int16, C-contiguous
            In units of the amplifier's bits.
        """
        if self._noise is None:
            traces = np.zeros((samples, self.probe.channels), np.int32)
        else:
            traces = self._noise.block(first_sample, samples)
        self._units = np.concatenate([self._units, event_units])
        self._onsets = np.concatenate([self._onsets, sample_of(event_times_s) - BEFORE])
        self._add_spikes(traces, first_sample)
        self._add_artefacts(traces, first_sample)
        return np.clip(traces, LOWEST, HIGHEST).astype(np.int16)

    def _add_spikes(self, traces: NDArray[np.int32], first_sample: int) -> None:
        """A slice a spike: 2 to 4 us each, as measured."""
        end = first_sample + len(traces)
        here = (self._onsets < end) & (self._onsets > first_sample - SPAN)
        for unit, onset in zip(self._units[here].tolist(), (self._onsets[here] - first_sample).tolist(), strict=True):
            target = traces[max(onset, 0) : onset + SPAN, self._channels[unit]]
            skipped = max(-onset, 0)
            target += self._waveforms[unit][skipped : skipped + len(target)]
        lasting = self._onsets > end - SPAN
        self._units, self._onsets = self._units[lasting], self._onsets[lasting]

    def _add_artefacts(self, traces: NDArray[np.int32], first_sample: int) -> None:
        for _ in range(len(self._artefacts)):
            artefact = self._artefacts.popleft()
            onset = artefact.first_sample - first_sample
            skipped = max(-onset, 0)
            target = traces[max(onset, 0) : max(onset + len(self._recovery), 0), artefact.channels]
            shape = np.rint(artefact.amplitude_uv * self._recovery[skipped : skipped + len(target)])
            target += shape.astype(np.int32)[:, np.newaxis]
            if onset + len(self._recovery) > len(traces):
                self._artefacts.append(artefact)


def sample_of(time_s: float | NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the sample nearest to a time in s since sample 0."""
    return np.rint(np.asarray(time_s) * RATE_HZ).astype(np.int64)
