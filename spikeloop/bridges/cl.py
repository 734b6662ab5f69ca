"""A population in the place of the neurons of Cortical Labs' simulator (`cl-sdk`), unmodified.

    import cl

    cl.sim.set_simulator_data_source("spikeloop.bridges.cl:source", {"bundle": "retina", "seed": 1})
    with cl.open() as neurons:
        ...

The SDK is licensed for non-commercial use (CC BY-NC 4.0) and needs Python 3.12; nothing of it is part of spikeloop.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.scalars import checked_number
from spikeloop.models.whole_file import file_path
from spikeloop.streamer.bridges.cl_population import AMPLIFIER, CHANNELS, ClPopulation
from spikeloop.streamer.bridges.cl_truth import ClTruth
from spikeloop.streamer.launch.checks import check_seed, open_bundle
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.stream.source import open_source

try:
    with hold_interrupts():
        from cl.sim import (  # pyright: ignore[reportMissingImports]
            DataSourceBatch,
            DataSourceSpike,
            SimulatorDataSource,
            SimulatorDataSourceMetadata,
        )
except ImportError as error:
    raise FailureError(
        f"spikeloop.bridges.cl needs Cortical Labs' SDK ({error}); with Python 3.12 or newer, pip install cl-sdk"
    ) from error

__all__ = ["ClSource", "source"]

THRESHOLD_UA = 1.5  # a tenth of that in cortex, as the SDK allows 3 uA at most; our choice
LEAST_THRESHOLD_UA, MOST_THRESHOLD_UA = 0.3, 100.0
BEFORE, SPIKE_SAMPLES = 25, 75  # of the SDK's spikes: samples before the trough, and all
ACCELERATED = "CL_SDK_ACCELERATED_TIME"  # the SDK's environment variable: 1 for as fast as possible
METADATA = SimulatorDataSourceMetadata(
    channel_count=CHANNELS,
    frames_per_second=AMPLIFIER.rate_hz,
    uV_per_sample_unit=AMPLIFIER.microvolts_per_bit,
    seekable=False,
)


def source(
    bundle: str = "retina",
    seed: int = 0,
    condition: str | None = None,
    threshold_ua: float = THRESHOLD_UA,
    truth: str | None = None,
) -> "ClSource":
    """Make a population for `cl.sim.set_simulator_data_source`, whose config holds these parameters.

    Parameters
    ----------
    bundle : str, default "retina"
        A shipped bundle's name (`spikeloop models` lists them), or the path of a folder or a `.zip`.
    seed : int >= 0, default 0
        The same seed and the same pulses at the same frames give the same voltage and spikes.
    condition : str, optional
        What drives the population, as of the option `--condition`, but not live; by default the phase where the model
        has one, else rest.
    threshold_ua : float from 0.3 to 100, uA, default 1.5
        Of a pulse of 200 µs that evokes a spike every other time.
    truth : str, optional
        A file ending in .npz, written when the simulator ends, with the program or by
        `cl.sim.clear_simulator_data_source`: `spike_times` (s since frame 0), `unit_ids`, `samples` (frames of
        troughs), `channels` (of units), `rate_hz` and `unit_names` of the true spikes; `pulses`, a row each with the
        frame at which it began and its channel; `lsl_start_s`, the time of frame 0 on LSL's clock, where time was not
        accelerated.

    Returns
    -------
    ClSource

    Raises
    ------
    BadInputError
        If a parameter can't be used.
    """
    return ClSource(bundle, seed, condition, threshold_ua, truth)


class ClSource(SimulatorDataSource):
    """A population that the simulator opens, reads and stimulates in a process of its own; see `source`.

    Each of its spikes is one of a unit, on the electrode that is nearest to the unit; `samples` is the unit's waveform
    there, without noise.
    """

    def __init__(self, bundle: str, seed: int, condition: str | None, threshold_ua: float, truth: str | None) -> None:
        self._bundle = open_bundle(bundle)
        card = self._bundle.card
        if card.signal != "spikes":
            raise BadInputError(f"{card.name}: expected a bundle of spikes, found one of {card.signal}")
        self._seed = check_seed(seed)
        self._condition = condition
        open_offline_drive(condition, card.channels)
        self._threshold_ua = checked_number("threshold_ua", threshold_ua, LEAST_THRESHOLD_UA, MOST_THRESHOLD_UA, "uA")
        self._truth_path = None if truth is None else file_path("truth", truth, ".npz")
        self._population: ClPopulation | None = None

    @property
    def metadata(self) -> Any:
        """What the simulator needs to know: 64 channels at 25,000 Hz in steps of 0.195 µV, without end."""
        return METADATA

    def open(self) -> None:
        """Make the population anew, which takes some seconds."""
        if self._truth_path is not None:
            check_writable(self._truth_path)
        card = self._bundle.card
        feed = open_offline_drive(self._condition, card.channels)
        self._population = ClPopulation(
            open_source(self._bundle, self._seed, "cpu"), feed, self._seed, self._threshold_ua
        )
        self._samples = [_padded(waveform_uv) for waveform_uv in self._population.waveforms_uv]
        self._channels = self._population.unit_channels.tolist()
        self._truth = ClTruth(self._population, timed=os.environ.get(ACCELERATED, "0") != "1")
        self._now: Callable[[], float] = import_pylsl().local_clock
        self._first: int | None = None

    def close(self) -> None:
        """Write the truth, where that was asked for."""
        if self._population is not None and self._truth_path is not None:
            try:
                self._truth.write(self._truth_path)
            except FailureError as error:  # the simulator would say nothing of it
                print(error, file=sys.stderr, flush=True)
        self._population = None

    def on_stim(self, stim: Any) -> None:
        """Give a pulse; it acts at its frame, or at the next that is read."""
        began = self._opened().stimulate(
            stim.channel, stim.timestamp - (self._first or 0), stim.phase_durations_us, stim.phase_currents_uA
        )
        self._truth.pulse(began, stim.channel)

    def read(self, from_timestamp: int, frame_count: int) -> Any:
        """Make the next frames, with the spikes whose troughs are in them."""
        population = self._opened()
        if self._first is None:
            self._first = from_timestamp
        self._truth.time(from_timestamp - self._first, self._now())
        frames = population.read(frame_count)
        self._truth.spikes(frames.spike_frames, frames.spike_units)
        spikes = [
            DataSourceSpike(frame + self._first, self._channels[unit], self._samples[unit], 0.0)
            for frame, unit in zip(frames.spike_frames.tolist(), frames.spike_units.tolist(), strict=True)
        ]
        return DataSourceBatch(frames.voltage, spikes)

    def _opened(self) -> ClPopulation:
        if self._population is None:
            raise FailureError("the population is not open; the simulator opens it before it reads")
        return self._population


def _padded(waveform_uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a waveform as the SDK has a spike's samples, with zeros before and after it."""
    first = BEFORE - AMPLIFIER.before
    return np.pad(waveform_uv, (first, SPIKE_SAMPLES - first - len(waveform_uv)))
