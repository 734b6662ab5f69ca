"""A bundle's synthesiser, opened as a user asked for it."""

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.noise import TYPICAL, Noise, NoiseLevels
from spikeloop.streamer.broadband.probe import ProbeName, open_probe
from spikeloop.streamer.broadband.templates import make_templates
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.source import seeded

__all__ = ["open_broadband"]

TEMPLATES, NOISE = 20, 21  # what random numbers are for, beside those of the spikes


def open_broadband(
    card: Card,
    seed: int,
    probe: ProbeName = "utah",
    channels: int | None = None,
    levels: NoiseLevels = TYPICAL,
) -> Synthesiser:
    """Place a bundle's units near the channels of a probe, and draw their waveforms and the noise; takes a second.

    Parameters
    ----------
    seed : all of it follows from it
    channels : of the probe, 1 to 4096; by default 96 of `utah`, 384 of `linear`

    Raises
    ------
    BadInputError
        If there is no such probe, or the bundle gives fluorescence.
    """
    if card.signal != "spikes":
        raise BadInputError(f"--broadband: expected a bundle of spikes, found one of {card.signal}; leave it out")
    array = open_probe(probe, channels)
    templates = make_templates(array, len(card.unit_names), seeded(seed, TEMPLATES))
    return Synthesiser(array, templates, Noise(array.channels, levels, seeded(seed, NOISE)))
