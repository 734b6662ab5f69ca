"""Open the synthesiser of a bundle's voltage trace with the options of a user."""

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.noise import TYPICAL, Noise, NoiseLevels
from spikeloop.streamer.broadband.probe import ProbeName, open_probe
from spikeloop.streamer.broadband.templates import make_templates
from spikeloop.streamer.broadband.traces import Synthesiser

__all__ = ["open_broadband"]


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
    card : Card
        Of the bundle.
    seed : int
        Of places, waveforms and noise.
    probe : {"utah", "linear"}
    channels : int from 1 to 4096, optional
        Of the probe; by default 96 of `utah`, 384 of `linear`.
    levels : NoiseLevels

    Returns
    -------
    Synthesiser

    Raises
    ------
    BadInputError
        If there is no such probe, or the bundle gives fluorescence.
    """
    if card.signal != "spikes":
        raise BadInputError(f"--broadband: expected a bundle of spikes, found one of {card.signal}; leave it out")
    array = open_probe(probe, channels)
    templates = make_templates(array, len(card.unit_names), random_stream(seed, Purpose.TEMPLATES))
    return Synthesiser(array, templates, Noise(array.channels, levels, random_stream(seed, Purpose.VOLTAGE_NOISE)))
