"""Open the synthesiser of a bundle's voltage trace with the options of a user."""

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.broadband.adaptation import Adaptation
from spikeloop.streamer.broadband.drift import Drift, DriftingTemplates
from spikeloop.streamer.broadband.far_units import FarSpikes, place_far_units
from spikeloop.streamer.broadband.noise import TYPICAL, Noise, NoiseLevels
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.probes import open_probe
from spikeloop.streamer.broadband.recorded_templates import open_recorded_templates
from spikeloop.streamer.broadband.templates import Neuron, draw_neurons, neurons_at, templates_of
from spikeloop.streamer.broadband.traces import Synthesiser

__all__ = ["open_broadband"]


def open_broadband(
    card: Card, seed: int, options: VoltageOptions | None = None, levels: NoiseLevels | None = TYPICAL
) -> Synthesiser:
    """Place a bundle's units near the channels of a probe, and draw their waveforms and the noise; takes a second.

    Parameters
    ----------
    card : Card
        Of the bundle.
    seed : int
        Of places, waveforms and noise.
    options : VoltageOptions, optional
    levels : NoiseLevels or None
        None for no noise.

    Returns
    -------
    Synthesiser

    Raises
    ------
    BadInputError
        If an option can't be used, or the bundle gives fluorescence.
    FailureError
        If an option needs a package that is not installed.
    """
    options = VoltageOptions() if options is None else options
    if card.signal != "spikes":
        raise BadInputError(f"--broadband: expected a bundle of spikes, found one of {card.signal}; leave it out")
    options.check_voltage()
    if options.templates is not None:
        return _recorded(card, seed, options, levels)
    units, amplifier, speed_m_s = len(card.unit_names), options.amplifier, options.propagation_m_s
    probe = open_probe(options.probe, options.channels)
    neurons = draw_neurons(probe, units, random_stream(seed, Purpose.TEMPLATES))
    far = _far_neurons(probe, options.far_units, seed)
    drift = Drift(options.drift_um, options.drift_period_s)
    return Synthesiser(
        probe,
        templates_of(neurons, probe, amplifier, speed_m_s),
        _noise(probe, seed, options, levels),
        amplifier,
        far=templates_of(far, probe, amplifier, speed_m_s),
        far_spikes=FarSpikes(len(far), amplifier.rate_hz, seed) if far else None,
        drifting=DriftingTemplates((*neurons, *far), probe, amplifier, drift, speed_m_s) if options.drift_um else None,
        adaptation=_adaptation(units, options),
    )


def _recorded(card: Card, seed: int, options: VoltageOptions, levels: NoiseLevels | None) -> Synthesiser:
    assert options.templates is not None
    units = len(card.unit_names)
    probe, templates = open_recorded_templates(options.templates, units, options.amplifier, seed)
    noise = _noise(probe, seed, options, levels)
    return Synthesiser(probe, templates, noise, options.amplifier, adaptation=_adaptation(units, options))


def _far_neurons(probe: Probe, units: int, seed: int) -> tuple[Neuron, ...]:
    random = random_stream(seed, Purpose.FAR_UNITS)
    return neurons_at(place_far_units(probe, units, random), random) if units else ()


def _noise(probe: Probe, seed: int, options: VoltageOptions, levels: NoiseLevels | None) -> Noise | None:
    if levels is None:
        return None
    return Noise(probe.channels, levels, random_stream(seed, Purpose.VOLTAGE_NOISE), amplifier=options.amplifier)


def _adaptation(units: int, options: VoltageOptions) -> Adaptation | None:
    return Adaptation(units, options.adaptation) if options.adaptation else None
