"""What may be asked of a simulated voltage, checked in one place for every caller."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_choice, checked_number, checked_path, checked_whole
from spikeloop.streamer.broadband.amplifier import BLACKROCK, INTAN, Amplifier

__all__ = ["BroadbandType", "VoltageOptions"]

BroadbandType = Literal["broadband", "eeg"]

SLOWEST_HZ, FASTEST_HZ = 10_000, 50_000
MOST_FAR_UNITS = 20_000
FASTEST_DRIFT_UM_S = 100.0
NAMES = {  # of fields whose option on the command line has another name
    "sampling_rate_hz": "sampling-rate", "drift_um": "drift", "drift_period_s": "drift-period",
    "propagation_m_s": "propagation",
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class VoltageOptions:
    """What may be asked of a simulated voltage.

    Attributes
    ----------
    probe : str
        `utah`, `linear`, `neuropixels-1.0`, `neuropixels-2.0`, `neuropixels-2.0-4`, `tetrodes`, or a file of
        probeinterface.
    channels : int from 1 to 4096, or None
        Of the probe; by default 96 of utah, 384 of linear and of Neuropixels, 32 of tetrodes, all of a file.
    sampling_rate_hz : int from 10,000 to 50,000, Hz
    broadband_as : {"broadband", "eeg"}
        `eeg` for Blackrock's nPlayServer: the LSL type "EEG", 30 kHz, chunks of 10 ms, and 0.25 µV a bit instead of
        0.195.
    templates : str, Path or None
        A recording from which the units' waveforms are taken, with its probe: a SortingAnalyzer folder of
        SpikeInterface, or FILE.raw of `generate --broadband`.
    drift_um : float >= 0, µm
        How far the probe moves along its length, and back, as a triangle.
    drift_period_s : float > 0, s
        Of there and back.
    adaptation : float from 0 to 0.9
        By how much a spike lowers the amplitude of another of its unit directly after it.
    far_units : int from 0 to 20,000
        Further units 100 to 200 µm away, whose spikes make a background.
    propagation_m_s : float > 0, m/s, or None
        How fast a spike runs along its neuron; by default it is on all channels at once.
    """

    probe: str = "utah"
    channels: int | None = None
    sampling_rate_hz: int = INTAN.rate_hz
    broadband_as: BroadbandType = "broadband"
    templates: str | Path | None = None
    drift_um: float = 0.0
    drift_period_s: float = 600.0
    adaptation: float = 0.0
    far_units: int = 0
    propagation_m_s: float | None = None

    @property
    def amplifier(self) -> Amplifier:
        """The amplifier that is asked for."""
        if self.broadband_as == "eeg":
            return BLACKROCK
        return Amplifier(int(self.sampling_rate_hz), INTAN.microvolts_per_bit)

    def check_voltage(self) -> None:
        """Check the options.

        Raises
        ------
        BadInputError
            For the first that is out of range, or does not suit another; the message names it.
        """
        checked_whole("--sampling-rate", self.sampling_rate_hz, SLOWEST_HZ, FASTEST_HZ, " Hz")
        checked_choice("--broadband-as", self.broadband_as, get_args(BroadbandType))
        checked_number("--drift", self.drift_um, 0, 1000, "um")
        checked_number("--drift-period", self.drift_period_s, 1, 1e6, "s")
        if not self.drift_um and self.drift_period_s != VoltageOptions.drift_period_s:
            raise BadInputError("--drift-period: expected a drift to repeat, found none; add --drift")
        checked_number("--adaptation", self.adaptation, 0, 0.9)
        checked_whole("--far-units", self.far_units, 0, MOST_FAR_UNITS)
        if self.propagation_m_s is not None:
            checked_number("--propagation", self.propagation_m_s, 0.1, 100, "m/s")
        if 2 * self.drift_um / self.drift_period_s > FASTEST_DRIFT_UM_S:
            raise BadInputError(
                f"--drift: expected at most {FASTEST_DRIFT_UM_S:g} um/s, found"
                f" {2 * self.drift_um / self.drift_period_s:g} um/s; choose a longer --drift-period"
            )
        if self.broadband_as == "eeg" and self.sampling_rate_hz != BLACKROCK.rate_hz:
            raise BadInputError(
                f"--sampling-rate: expected {BLACKROCK.rate_hz} Hz with --broadband-as eeg, found"
                f" {self.sampling_rate_hz}; leave it out"
            )
        if self.templates is not None:
            self._check_templates()

    def check_no_voltage(self, remedy: str) -> None:
        """Check, where there is no voltage, that no option is to shape one.

        Parameters
        ----------
        remedy : str
            The option that asks for a voltage.

        Raises
        ------
        BadInputError
            For the first that was given another value than its default; the message names it.
        """
        for field in fields(VoltageOptions):
            if not np.array_equal(getattr(self, field.name), getattr(VoltageOptions, field.name)):
                option = NAMES.get(field.name, field.name.replace("_", "-"))
                raise BadInputError(f"--{option}: expected a voltage to shape, found none; add {remedy}")

    def _check_templates(self) -> None:
        checked_path("--templates", self.templates)
        simulated = {
            "--probe": self.probe != "utah", "--channels": self.channels is not None, "--drift": self.drift_um > 0,
            "--far-units": self.far_units > 0, "--propagation": self.propagation_m_s is not None,
        }  # fmt: skip
        if given := [option for option, is_given in simulated.items() if is_given]:
            raise BadInputError(
                f"{given[0]}: expected none with --templates, as a recording's waveforms have their own probe and"
                " places; leave one of the two out"
            )
