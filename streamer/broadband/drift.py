"""Drift of a probe along its shank, with which each unit's waveform changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from spikeloop.streamer.broadband.amplifier import Amplifier
from spikeloop.streamer.broadband.probe import Probe
from spikeloop.streamer.broadband.templates import Neuron, Template, template_of

__all__ = ["Drift", "DriftingTemplates"]

STEP_UM = 1.0  # by which templates are moved: a twentieth of the rows of a Neuropixels probe


@dataclass(frozen=True)
class Drift:
    """A triangular movement along the y axis, as Steinmetz et al. (2021, Science 372:eabf4588) imposed on probes.

    Attributes
    ----------
    peak_um : float > 0, µm
        How far the probe moves from where it is at sample 0, and back.
    period_s : float > 0, s
        Of there and back.
    """

    peak_um: float
    period_s: float

    def moved_um(self, time_s: float) -> float:
        """Return how far the probe has moved at a time since sample 0."""
        phase = (time_s / self.period_s) % 1.0
        return self.peak_um * (1 - abs(2 * phase - 1))


@dataclass(eq=False)
class DriftingTemplates:
    """The template of each unit where the probe is at the time of a spike, in whole steps of 1 µm.

    A unit's latest template is kept, as a probe moves slowly; so the memory is that of a probe at rest.

    Attributes
    ----------
    neurons : sequence of Neuron
        One for each unit.
    probe : Probe
    amplifier : Amplifier
    drift : Drift
    propagation_m_s : float or None, m/s
    """

    neurons: Sequence[Neuron]
    probe: Probe
    amplifier: Amplifier
    drift: Drift
    propagation_m_s: float | None = None
    _latest: dict[int, tuple[int, Template]] = field(default_factory=dict)

    def at(self, unit: int, sample: int) -> Template:
        """Return a unit's template at a sample since the start."""
        step = round(self.drift.moved_um(sample / self.amplifier.rate_hz) / STEP_UM)
        kept = self._latest.get(unit)
        if kept is None or kept[0] != step:
            neuron, moved_um = self.neurons[unit], step * STEP_UM
            template = template_of(neuron, self.probe, self.amplifier, self.propagation_m_s, moved_um)
            kept = self._latest[unit] = (step, template)
        return kept[1]
