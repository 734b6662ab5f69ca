"""Small arrays for tests."""

from collections.abc import Sequence

import numpy as np

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import Noise, NoiseLevels
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.templates import make_templates
from spikeloop.streamer.broadband.traces import Synthesiser

__all__ = ["PERIOD", "in_blocks", "sum_of_templates", "synthesiser"]

PERIOD = 2**14


def synthesiser(
    units: int = 6,
    channels: int = 8,
    probe: str = "linear",
    seed: int = 0,
    levels: NoiseLevels | None = None,
    period: int = PERIOD,
) -> Synthesiser:
    """Without noise where there are no levels."""
    array = open_probe(probe, channels)
    noise = (
        None
        if levels is None
        else Noise(channels, levels, random_stream(seed, Purpose.VOLTAGE_NOISE), period, 2 * period)
    )
    return Synthesiser(array, make_templates(array, units, random_stream(seed, Purpose.TEMPLATES)), noise)


def in_blocks(made: Synthesiser, ends: Sequence[int], units: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """The trace up to the last of `ends`, each block told of the spikes whose waveforms begin in it."""
    parts, first = [], 0
    onsets = INTAN.sample_of(times_s) - INTAN.before
    for end in ends:
        here = (onsets < end) & ((onsets >= first) | (first == 0))
        parts.append(made.block(first, end - first, units[here], times_s[here]))
        first = end
    return np.concatenate(parts)


def sum_of_templates(made: Synthesiser, samples: int, units: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The plainest way: every waveform added to a trace with room at both ends, troughs at `places`."""
    room = 1000
    trace = np.zeros((samples + 2 * room, made.probe.channels), np.int64)
    for unit, place in zip(units, places, strict=True):
        template = made.templates[unit]
        span, run = template.waveform.shape
        first = room + place - INTAN.before
        trace[first : first + span, template.first_channel : template.first_channel + run] += template.waveform
    return trace[room:-room].clip(-(2**15), 2**15 - 1)
