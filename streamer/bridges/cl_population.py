"""A population on the electrodes of a CL1, frame by frame, for the simulator in the SDK of Cortical Labs.

The simulator asks for 5 to 1,024 frames at a time and says which pulses its user gave, so the population is made as
fast or as slowly as it is asked for: the same pulses at the same frames give the same voltage, however frames are cut.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.bridges.electrode_units import units_at
from spikeloop.streamer.broadband.amplifier import INTAN, Amplifier
from spikeloop.streamer.broadband.noise import TYPICAL, Noise
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.sink import ARTEFACT_UV_PER_UA
from spikeloop.streamer.broadband.templates import draw_neurons, templates_of
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.conditions.feeds import ConditionFeed
from spikeloop.streamer.stream.source import SpikeSource
from spikeloop.streamer.stream.step import Step, timed_spikes
from spikeloop.streamer.stream.stimulation import (
    LEAST_SUPPRESSION,
    RECOVERY_S,
    THRESHOLD_UA,
    Stimulator,
    Stimulus,
)

__all__ = ["AMPLIFIER", "CHANNELS", "ClFrames", "ClPopulation"]

AMPLIFIER = Amplifier(25_000, INTAN.microvolts_per_bit)
CHANNELS = 64  # of a grid of 8 by 8, column by column
SIDE, PITCH_UM = 8, 200.0  # the pitch of the common arrays of 60 electrodes
UNUSED = (0, 4, 7, 56, 63)  # the reference, and four that are grounded, which record zeros
USED = np.setdiff1d(np.arange(CHANNELS), UNUSED)
NARROWEST_US, WIDEST_US = 50.0, 1000.0  # of a `Stimulus`
OWN_PERIOD, SHARED_PERIOD = 2**18, 2**19  # of noise, in frames: 10 and 21 s; the simulator waits 15 s for a source
NOISE_AHEAD = 1000  # frames
STIRRED_S = RECOVERY_S * math.log(1 / LEAST_SUPPRESSION) + 0.01  # for which a pulse has effects

Spikes = tuple[NDArray[np.int32], NDArray[np.float64]]


class ClFrames(NamedTuple):
    """Consecutive frames, and the spikes in them.

    Attributes
    ----------
    voltage : array of shape (frames, CHANNELS), int16
        In steps of 0.195 µV.
    spike_frames : array of shape (spikes,), int64
        Of the troughs, ascending.
    spike_units : array of shape (spikes,), int32
    """

    voltage: NDArray[np.int16]
    spike_frames: NDArray[np.int64]
    spike_units: NDArray[np.int32]


class ClPopulation:
    """Makes frame after frame.

    A pulse acts at its frame, or at the next that is made, if that is later. It reaches the units that are nearest to
    its electrode, and evokes and suppresses as in `streamer.stream.stimulation`, with another threshold: cells of a
    culture grow on the electrodes.

    Parameters
    ----------
    source : SpikeSource
        Of the spikes, used by this object alone.
    feed : ConditionFeed
        Drives the source.
    seed : int >= 0
        Of places, waveforms, noise, spike times, and of what pulses do.
    threshold_ua : float > 0, uA
        Of a pulse of 200 µs that evokes a spike every other time.

    Attributes
    ----------
    unit_names : tuple of str
    unit_channels : array of shape (units,), int64
        The electrode that is nearest to each unit.
    waveforms_uv : array of shape (units, span), float32, µV
        Of each unit at its electrode; the trough is at AMPLIFIER.before.
    """

    def __init__(self, source: SpikeSource, feed: ConditionFeed, seed: int, threshold_ua: float) -> None:
        self.unit_names = source.unit_names
        self._source, self._feed = source, feed
        self._synthesiser = _synthesiser(len(source.unit_names), seed)
        templates = self._synthesiser.templates
        self.unit_channels = USED[[template.peak_channel for template in templates]]
        at_peaks = [template.waveform[:, template.peak_channel - template.first_channel] for template in templates]
        self.waveforms_uv = np.array(at_peaks, np.float32) * np.float32(AMPLIFIER.microvolts_per_bit)
        self._gain = THRESHOLD_UA / threshold_ua  # of currents, towards those of cortex
        self._lead_s = AMPLIFIER.before / AMPLIFIER.rate_hz
        random = random_stream(seed, Purpose.STIMULATION)
        self._stimulator = Stimulator(len(templates), 0.0, random, lead_s=self._lead_s)
        self._stirred_until_s = 0.0
        self._event_random = random_stream(seed, Purpose.EVENT_TIMES)
        self._next_frame = self._next_bin = 0
        self._own: Spikes = np.zeros(0, np.int32), np.zeros(0)  # that were not due yet
        self._waiting: Spikes = np.zeros(0, np.int32), np.zeros(0)  # that are in the voltage, with troughs to come

    def stimulate(self, channel: int, frame: int, durations_us: Sequence[float], currents_ua: Sequence[float]) -> int:
        """Give a pulse.

        It is the phase with the largest negative charge that excites; without any, a pulse leaves its artefact alone.

        Parameters
        ----------
        channel : int from 0 to 63
        frame : int
        durations_us, currents_ua : sequences of float, µs and uA
            Of its phases.

        Returns
        -------
        int
            The frame at which it begins.
        """
        frame = max(frame, self._next_frame)
        at_s = frame / AMPLIFIER.rate_hz
        largest_ua = max(map(abs, currents_ua), default=0.0)
        self._synthesiser.artefact(None, at_s, ARTEFACT_UV_PER_UA * largest_ua)
        phases = zip(durations_us, currents_ua, strict=True)
        duration_us, current_ua = min(phases, key=lambda phase: phase[0] * phase[1], default=(0.0, 0.0))
        units = units_at(self._synthesiser.templates, np.flatnonzero(channel == USED).tolist())
        if current_ua < 0 and units:
            width_us = min(max(duration_us, NARROWEST_US), WIDEST_US)
            amplitude_ua = -current_ua * self._gain * duration_us / width_us  # the same charge
            self._stimulator.stimulate(Stimulus(units, amplitude_ua, pulse_width_us=width_us), at_s)
            self._stirred_until_s = max(self._stirred_until_s, at_s + STIRRED_S)
        return frame

    def read(self, frames: int) -> ClFrames:
        """Make the next frames.

        Parameters
        ----------
        frames : int >= 1

        Returns
        -------
        ClFrames
        """
        first, end = self._next_frame, self._next_frame + frames
        units, times_s = self._spikes_before(end / AMPLIFIER.rate_hz + self._lead_s)
        voltage = np.zeros((frames, CHANNELS), np.int16)
        voltage[:, USED] = self._synthesiser.block(first, frames, units, times_s)
        units, times_s = np.concatenate([self._waiting[0], units]), np.concatenate([self._waiting[1], times_s])
        troughs = AMPLIFIER.sample_of(times_s)
        here = troughs < end
        self._waiting = units[~here], times_s[~here]
        self._next_frame = end
        order = np.argsort(troughs[here], kind="stable")
        return ClFrames(voltage, troughs[here][order], units[here][order])

    def _spikes_before(self, end_s: float) -> Spikes:
        """Return the next spikes, as stimulation leaves them, up to that time."""
        units, times_s = self._own
        while self._next_bin * self._source.bin_size_s < end_s:
            counts = self._source.next(1, self._feed.next(1))
            spikes = timed_spikes(counts, self._next_bin, 0.0, self._source.bin_size_s, self._event_random)
            units, times_s = np.concatenate([units, spikes.units]), np.concatenate([times_s, spikes.times_s])
            self._next_bin += 1
        due = int(np.searchsorted(times_s, end_s))
        self._own = units[due:], times_s[due:]
        units, times_s = units[:due], times_s[:due]
        if self._next_frame / AMPLIFIER.rate_hz > self._stirred_until_s:
            return units, times_s
        counts = np.bincount(units, minlength=len(self.unit_names)).astype(np.uint8)[np.newaxis]
        conditions = np.zeros((1, 0), np.float32)
        step = self._stimulator.apply(Step(0, counts, conditions, np.array([end_s]), units, times_s))
        return step.event_units, step.event_stamps_s


class _NoiseAhead(Noise):
    """The same noise, many frames of which are read at once, as a few take hardly less time."""

    _first = 0
    _ahead: NDArray[np.int32] = np.zeros((0, 0), np.int32)

    def block(self, first_sample: int, samples: int) -> NDArray[np.int32]:
        begin = first_sample - self._first
        if not 0 <= begin <= len(self._ahead) - samples:
            begin, self._first = 0, first_sample
            self._ahead = super().block(first_sample, max(samples, NOISE_AHEAD))
        return self._ahead[begin : begin + samples].copy()


def _synthesiser(units: int, seed: int) -> Synthesiser:
    columns, rows = np.divmod(USED, SIDE)
    probe = Probe("CL1", PITCH_UM * np.column_stack([columns, rows]).astype(np.float64))
    neurons = draw_neurons(probe, units, random_stream(seed, Purpose.TEMPLATES))
    random = random_stream(seed, Purpose.VOLTAGE_NOISE)
    noise = _NoiseAhead(probe.channels, TYPICAL, random, OWN_PERIOD, SHARED_PERIOD, AMPLIFIER)
    return Synthesiser(probe, templates_of(neurons, probe, AMPLIFIER), noise, AMPLIFIER)
