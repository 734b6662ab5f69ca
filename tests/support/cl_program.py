"""A closed-loop program for the simulator of Cortical Labs' SDK, which checks what it got: `... BUNDLE TRUTH.npz`.

It stimulates where many units fired, and prints one line of JSON: whether its frames and spikes are those of the same
population outside the SDK, given its pulses, and how many spikes came 1 to 4 ms after a pulse at their electrode.
"""

import json
import sys
from itertools import pairwise

import cl  # pyright: ignore[reportMissingImports]
import numpy as np
from cl import ChannelSet, StimDesign  # pyright: ignore[reportMissingImports]

from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.bridges.cl_population import ClPopulation
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.source import open_source

SEED, THRESHOLD_UA, SECONDS, MANY = 5, 1.0, 2, 4
PULSE = (160, -3.0, 160, 3.0)
ATTEMPTS = 5  # the SDK waits 15 s for a source, and 0.1 s for a tick, which a very busy machine may exceed


def attempt(bundle, truth):
    """What a program sees: first frame, frames, spikes and pulses as (frame, channel)."""
    config = {"bundle": bundle, "seed": SEED, "condition": "rest", "threshold_ua": THRESHOLD_UA, "truth": truth}
    cl.sim.set_simulator_data_source("spikeloop.bridges.cl:source", config)
    frames, spikes, stims, first = [], [], [], -1
    with cl.open() as neurons:
        for tick in neurons.loop(ticks_per_second=100, stop_after_seconds=SECONDS):
            first = tick.analysis.start_timestamp if first < 0 else first
            frames.append(tick.frames.copy())
            spikes += [(spike.timestamp, spike.channel) for spike in tick.analysis.spikes]
            stims += [(stim.timestamp, stim.channel) for stim in tick.analysis.stims]
            if len(tick.analysis.spikes) >= MANY:
                neurons.stim(ChannelSet(9, 18, 27, 36), StimDesign(*PULSE))
    cl.sim.clear_simulator_data_source()  # which ends it, so that the truth is written
    return first, np.concatenate(frames), spikes, stims


def run(bundle, truth):
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(bundle, truth)
        except TimeoutError as error:
            print(error, file=sys.stderr)
    return attempt(bundle, truth)


def again(bundle, pulses, frames):
    """The same outside the SDK: (frames, spikes)."""
    loaded = load_bundle(bundle)
    source = open_source(loaded, SEED, "cpu")
    population = ClPopulation(source, RestFeed(loaded.card.channels), SEED, THRESHOLD_UA)
    edges = sorted({0, frames, *(frame for frame, _ in pulses if frame < frames)})
    parts = []
    for begin, end in pairwise(edges):
        for frame, channel in pulses:
            if frame == begin:
                population.stimulate(channel, frame, PULSE[::2], PULSE[1::2])
        parts.append(population.read(end - begin))
    at = np.concatenate([part.spike_frames for part in parts])
    channels = population.unit_channels[np.concatenate([part.spike_units for part in parts])]
    return np.concatenate([part.voltage for part in parts]), list(zip(at.tolist(), channels.tolist(), strict=True))


def main(bundle, truth):
    first, frames, spikes, stims = run(bundle, truth)
    with np.load(truth) as kept:
        pulses, start_s = [tuple(pulse) for pulse in kept["pulses"].tolist()], float(kept["lsl_start_s"])
    end = first + len(frames)
    expected, known = again(bundle, pulses, end)
    known = [spike for spike in known if spike[0] >= first]
    answers = [
        spike for begin, channel in pulses for spike in known if spike[1] == channel and 25 <= spike[0] - begin <= 100
    ]
    told = {
        "frames": len(frames),
        "type": str(frames.dtype),
        "same_frames": bool(np.array_equal(frames, expected[first:])),
        "same_spikes": sorted(spikes) == sorted(known),
        "spikes": len(spikes),
        "pulses": len(stims),
        "late_pulses": sum(pulse not in pulses for pulse in stims),
        "evoked": len(answers),
        "timed": bool(np.isfinite(start_s)),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
