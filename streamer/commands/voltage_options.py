"""The options by which commands simulate a voltage."""

from dataclasses import dataclass
from typing import Annotated, Any

from spikeloop.streamer.commands.command_help import option

__all__ = ["TYPICAL_VOLTAGE", "VoltageArguments"]


@dataclass(frozen=True, kw_only=True)
class VoltageArguments:
    """How a voltage is simulated.

    Attributes
    ----------
    probe : str
        arrangement of the electrodes: utah (a square grid of 400 um), linear (a shank of two columns, 20 um apart),
        neuropixels-1.0, neuropixels-2.0, neuropixels-2.0-4 (four shanks), tetrodes, or a file of probeinterface
    channels : int >= 1, optional
        electrodes of the probe; by default 96 of utah, 384 of linear and of Neuropixels, 32 of tetrodes, all of a file
    sampling_rate : int from 10000 to 50000, Hz
        samples of the voltage in a second
    templates : str, optional
        recording from which the waveforms are taken, with its probe: a SortingAnalyzer folder of SpikeInterface, or
        FILE.raw of `spikeloop generate --broadband`
    drift : float >= 0, um
        distance by which the probe moves along its length, and back, as a triangle
    drift_period : float >= 1, s
        time of there and back
    adaptation : float from 0 to 0.9
        share by which a spike lowers the amplitude of another of its unit directly after it, as in bursts
    far_units : int >= 0
        further units, 100 to 200 um away, whose spikes make a background; they are not among the true spikes
    propagation : float > 0, m/s, optional
        speed of a spike along its neuron, such as 0.67, so that it comes later on channels further away; by default
        it is everywhere at once
    """

    probe: Annotated[str, option("PROBE")] = "utah"
    channels: Annotated[int | None, option("CHANNELS", default="")] = None
    sampling_rate: Annotated[int, option("HZ")] = 30_000
    templates: Annotated[str | None, option("RECORDING", default="")] = None
    drift: Annotated[float, option("UM")] = 0.0
    drift_period: Annotated[float, option("S")] = 600.0
    adaptation: Annotated[float, option("SHARE")] = 0.0
    far_units: Annotated[int, option("UNITS")] = 0
    propagation: Annotated[float | None, option("SPEED", default="")] = None

    def chosen(self) -> dict[str, Any]:
        """Return the options under the names of `VoltageOptions`."""
        return {
            "probe": self.probe,
            "channels": self.channels,
            "sampling_rate_hz": self.sampling_rate,
            "templates": self.templates,
            "drift_um": self.drift,
            "drift_period_s": self.drift_period,
            "adaptation": self.adaptation,
            "far_units": self.far_units,
            "propagation_m_s": self.propagation,
        }


TYPICAL_VOLTAGE = VoltageArguments()
