"""What a spike sorter's first stage finds in a trace."""

from functools import cache

import numpy as np
import pytest

from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import TYPICAL
from spikeloop.streamer.broadband.traces import Synthesiser
from tests.support.voltage_arrays import synthesiser

SECONDS, UNITS, CHANNELS = 20, 32, 64
APART = 60  # samples to the nearest other spike on the channel: 2 ms
AROUND = 10  # samples between a spike and its crossing at most


@cache
def planted(probe: str) -> tuple[Synthesiser, np.ndarray, np.ndarray, np.ndarray]:
    """A synthesiser, its trace, and the units and samples of the spikes in it, at 10 Hz a unit."""
    random = np.random.Generator(np.random.Philox(5))
    made = synthesiser(UNITS, CHANNELS, probe, seed=5, levels=TYPICAL, period=2**18)
    many = random.poisson(10 * UNITS * SECONDS)
    units = random.integers(0, UNITS, many).astype(np.int32)
    samples = np.sort(random.integers(100, SECONDS * INTAN.rate_hz - 100, many))
    return made, made.block(0, SECONDS * INTAN.rate_hz, units, samples / INTAN.rate_hz), units, samples


def crossings(trace: np.ndarray, sigmas: float = 4.5) -> tuple[np.ndarray, float]:
    """Where a channel falls below so many standard deviations of its noise, by the median (Quiroga et al. 2004)."""
    sigma = float(np.median(np.abs(trace - np.median(trace))) / 0.6745)
    below = trace < -sigmas * sigma
    return np.flatnonzero(below[1:] & ~below[:-1]) + 1, sigma


def isolated(made: Synthesiser, channel: int, units: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Which spikes have no other within APART samples among those that reach a channel."""
    reach = np.array([
        each.first_channel <= channel < each.first_channel + each.waveform.shape[1] for each in made.templates
    ])  # fmt: skip
    there = np.sort(samples[reach[units]])
    return np.searchsorted(there, samples + APART, "right") - np.searchsorted(there, samples - APART) == 1


@pytest.mark.parametrize("probe", ["utah", "linear"])
def test_a_threshold_finds_isolated_spikes_of_units_above_6_sigma(probe):
    made, trace, units, samples = planted(probe)
    found, alone, judged = 0, 0, 0
    for unit, template in enumerate(made.templates):
        at, sigma = crossings(trace[:, template.peak_channel])
        if template.peak_uv / INTAN.microvolts_per_bit < 6 * sigma:
            continue
        judged += 1
        own = samples[(units == unit) & isolated(made, template.peak_channel, units, samples)]
        near = np.searchsorted(at, own + AROUND, "right") > np.searchsorted(at, own - AROUND)
        found, alone = found + int(near.sum()), alone + len(near)
    assert judged >= UNITS / 2
    assert alone > 1000
    assert found >= 0.95 * alone


def test_a_channel_without_a_unit_crosses_the_threshold_hardly_ever():
    made, trace, _, _ = planted("utah")
    quiet = sorted(set(range(CHANNELS)) - {each.peak_channel for each in made.templates})
    false = sum(len(crossings(trace[:, channel])[0]) for channel in quiet)
    assert false < 2 * len(quiet) * SECONDS  # of Gaussian noise 0.1 a second
