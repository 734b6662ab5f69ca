"""Voltage of an array: noise, waveforms of spikes at their exact samples, and stimulation artefacts."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.broadband.adaptation import Adaptation
from spikeloop.streamer.broadband.amplifier import INTAN, Amplifier
from spikeloop.streamer.broadband.drift import DriftingTemplates
from spikeloop.streamer.broadband.far_units import FarSpikes
from spikeloop.streamer.broadband.noise import Noise
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.templates import Template

__all__ = ["Synthesiser"]

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
    amplifier : Amplifier
    far : sequence of Template
        One for each far unit.
    far_spikes : FarSpikes, optional
        Where there are far units.
    drifting : DriftingTemplates, optional
        Of the units, then the far ones; where the probe moves.
    adaptation : Adaptation, optional
        Of the units, where their amplitudes fall in bursts.
    """

    def __init__(
        self,
        probe: Probe,
        templates: Sequence[Template],
        noise: Noise | None,
        amplifier: Amplifier = INTAN,
        *,
        far: Sequence[Template] = (),
        far_spikes: FarSpikes | None = None,
        drifting: DriftingTemplates | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        self.probe, self.templates, self.amplifier = probe, tuple(templates), amplifier
        self.far_units = len(far)
        self._all = (*self.templates, *far)
        self._noise, self._far_spikes, self._drifting, self._adaptation = noise, far_spikes, drifting, adaptation
        # of spikes that are not over: their units, first samples, and relative amplitudes
        self._units, self._onsets, self._factors = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        times_s = np.arange(round(ARTEFACT_S * amplifier.rate_hz)) / amplifier.rate_hz
        self._recovery = np.exp(-times_s / ARTEFACT_DECAY_S) / amplifier.microvolts_per_bit
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
        self._artefacts.append(Artefact(channels, int(self.amplifier.sample_of(at_s)), amplitude_uv))

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
            New spikes: those whose waveform, which begins 0.7 ms ahead of the spike, begins in this block, and any
            later ones.
        event_times_s : array of shape (spikes,), float64, s
            Their times since sample 0, ascending.

        Returns
        -------
        array of shape (samples, channels), int16, C-contiguous
            In units of the amplifier's bits.
        """
        if self._noise is None:
            traces = np.zeros((samples, self.probe.channels), np.int32)
        else:
            traces = self._noise.block(first_sample, samples)
        self._wait(event_units, event_times_s)
        self._wait_for_far_spikes(first_sample, first_sample + samples)
        self._add_spikes(traces, first_sample)
        self._add_artefacts(traces, first_sample)
        return np.clip(traces, LOWEST, HIGHEST).astype(np.int16)

    def _wait(self, units: NDArray[np.int32], times_s: NDArray[np.float64]) -> None:
        """Take in new spikes."""
        factors = self._adaptation.factors(units, times_s) if self._adaptation is not None else np.ones(len(units))
        self._keep(units, self.amplifier.sample_of(times_s) - self.amplifier.before, factors)

    def _wait_for_far_spikes(self, first_sample: int, end: int) -> None:
        if self._far_spikes is not None:
            units, onsets = self._far_spikes.until(first_sample - self.amplifier.span, end)
            self._keep(units + len(self.templates), onsets, np.ones(len(units)))

    def _keep(self, units: NDArray[np.integer], onsets: NDArray[np.int64], factors: NDArray[np.float64]) -> None:
        self._units = np.concatenate([self._units, units])
        self._onsets = np.concatenate([self._onsets, onsets])
        self._factors = np.concatenate([self._factors, factors])

    def _add_spikes(self, traces: NDArray[np.int32], first_sample: int) -> None:
        """Add the waveforms of spikes, one slice of the block for each: 2 to 4 us, as measured."""
        end, span = first_sample + len(traces), self.amplifier.span
        here = (self._onsets < end) & (self._onsets > first_sample - span)
        spikes = self._units[here].tolist(), self._onsets[here].tolist(), self._factors[here].tolist()
        for unit, onset, factor in zip(*spikes, strict=True):
            drifting = self._drifting
            template = self._all[unit] if drifting is None else drifting.at(unit, onset)
            waveform, first = template.waveform, onset - first_sample
            if factor != 1.0:
                waveform = np.rint(factor * waveform).astype(np.int32)
            channels = slice(template.first_channel, template.first_channel + waveform.shape[1])
            target = traces[max(first, 0) : first + span, channels]
            skipped = max(-first, 0)
            target += waveform[skipped : skipped + len(target)]
        lasting = self._onsets > end - span
        self._units, self._onsets, self._factors = (
            self._units[lasting], self._onsets[lasting], self._factors[lasting],
        )  # fmt: skip

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
