"""What every decoder can do, and what they share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.errors import BadInputError

__all__ = [
    "Decoder",
    "DecoderStatus",
    "DecoderWrapper",
    "ReportingDecoder",
    "SeesPosition",
    "Standards",
    "check_bin",
    "check_training",
    "decode",
    "fitted",
    "sees_position",
    "standards_of",
    "status_of",
    "step_spikes",
]

Parameters = TypeVar("Parameters")


class Decoder(Protocol):
    """Learns to decode kinematics from counts, then decodes bin by bin.

    One that decodes the times of spikes is a `ReportingDecoder` whose status says so, and has `step_spikes`.
    """

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Learn anew, and forget every bin seen so far.

        Parameters
        ----------
        counts : array of shape (bins, units)
        kinematics : array of shape (bins, columns)
            Finite; in a closed loop the velocity, cm/s.

        Raises
        ------
        BadInputError
            If shapes don't fit, kinematics aren't finite, or there are too few bins.
        """
        ...

    def step(self, counts: Counts) -> Floats:
        """Decode the next bin, from its counts and those of the bins before.

        Parameters
        ----------
        counts : array of shape (units,)

        Returns
        -------
        array of shape (columns,)
            A new one each time.

        Raises
        ------
        BadInputError
            If these aren't the units of the fit, or there was none.
        """
        ...


@dataclass(frozen=True)
class DecoderStatus:
    """What a decoder reports of itself during a session.

    Attributes
    ----------
    live : bool, default False
        Whether it exists only inside the loop, and can't decode the calibration block again.
    late_answers : int, default 0
        Bins that a decoder in another process did not answer in time.
    invalid_answers : int, default 0
        Samples of such a decoder that were ignored.
    events : bool, default False
        Whether it decodes the times of spikes, by `step_spikes`.
    """

    live: bool = False
    late_answers: int = 0
    invalid_answers: int = 0
    events: bool = False


class ReportingDecoder(ABC):
    """Base of decoders that have a status; of any other decoder it is `DecoderStatus()`."""

    @property
    @abstractmethod
    def status(self) -> DecoderStatus: ...

    @abstractmethod
    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None: ...

    @abstractmethod
    def step(self, counts: Counts) -> Floats: ...

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Decode the next bin, (columns,), from its spikes in place of its counts, where the status says `events`."""
        raise NotImplementedError


class DecoderWrapper(ReportingDecoder):
    """Base of what stands around another decoder; passes on its status.

    Parameters
    ----------
    decoder : Decoder
        The one inside.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    @property
    def status(self) -> DecoderStatus:
        """That of the decoder inside."""
        return status_of(self.decoder)

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the decoder inside."""
        self.decoder.fit(counts, kinematics)


def status_of(decoder: Decoder) -> DecoderStatus:
    """Return a decoder's status, or the default of one that has none."""
    return decoder.status if isinstance(decoder, ReportingDecoder) else DecoderStatus()


def step_spikes(decoder: Decoder, spikes: StepSpikes) -> Floats:
    """Decode the next bin, (columns,), from its spikes, by a decoder whose status says `events`."""
    assert isinstance(decoder, ReportingDecoder)
    return decoder.step_spikes(spikes)


class SeesPosition(ABC):
    """Base of decoders that are shown, in a closed loop, where the cursor is."""

    @abstractmethod
    def see(self, position_cm: Floats) -> None:
        """Take the cursor's position (2,), cm, at the beginning of the bin that is decoded next."""

    @abstractmethod
    def see_training(self, position_cm: NDArray[np.floating]) -> None:
        """Take the positions (bins, 2), cm, of the next fit."""


def sees_position(decoder: Decoder) -> SeesPosition | None:
    """Return the decoder within all wrappers, if it is shown the cursor's position; else None."""
    while isinstance(decoder, DecoderWrapper):
        decoder = decoder.decoder
    return decoder if isinstance(decoder, SeesPosition) else None


def decode(decoder: Decoder, counts: Counts, spikes: Sequence[StepSpikes] | None = None) -> Floats:
    """Decode the next bins, one step after another from where the decoder stands.

    Parameters
    ----------
    decoder : Decoder
    counts : array of shape (bins, units)
    spikes : sequence of StepSpikes, optional
        Of each bin, for a decoder that takes them.

    Returns
    -------
    array of shape (bins, columns)

    Raises
    ------
    BadInputError
        If there are no bins, they aren't of the units of the fit, or there was none.
    """
    if counts.ndim != 2 or not len(counts):
        raise BadInputError(f"expected counts of shape (bins, units), 1 bin or more, found {counts.shape}")
    if spikes is not None:
        return np.stack([step_spikes(decoder, of_bin) for of_bin in spikes])
    return np.stack([decoder.step(bin_counts) for bin_counts in counts])


@dataclass(frozen=True, eq=False)
class Standards:
    """What standardises training data.

    Attributes
    ----------
    mean, scale : arrays of shape (units,)
        Of counts; the scale of units that never vary is 1.
    offset : array of shape (columns,)
        The mean kinematics.
    """

    mean: Floats
    scale: Floats
    offset: Floats


def standards_of(counts: Counts, kinematics: NDArray[np.floating]) -> Standards:
    """Mean and standard deviation of counts (bins, units), and the mean of kinematics (bins, columns).

    Raises
    ------
    BadInputError
        If these are no training data; see `check_training`.
    """
    check_training(counts, kinematics)
    varies = np.ptp(counts, axis=0) > 0
    return Standards(
        mean=counts.mean(axis=0, dtype=np.float64),
        scale=np.where(varies, counts.std(axis=0, dtype=np.float64), 1.0),
        offset=kinematics.mean(axis=0, dtype=np.float64),
    )


def check_training(counts: Counts, kinematics: NDArray[np.floating]) -> None:
    """Refuse what no decoder can be fitted on.

    Raises
    ------
    BadInputError
        If shapes don't fit, there are no bins, or kinematics aren't finite.
    """
    if counts.ndim != 2 or kinematics.ndim != 2 or len(counts) != len(kinematics) or not len(counts):
        raise BadInputError(
            f"expected counts (bins, units) and kinematics (bins, columns) of as many bins,"
            f" found {counts.shape} and {kinematics.shape}"
        )
    finite = np.isfinite(kinematics).all(axis=1)
    if not finite.all():
        raise BadInputError(
            f"expected finite kinematics, found NaN or infinity in {np.count_nonzero(~finite)} of {len(counts)} bins;"
            " leave these bins out"
        )


def check_bin(counts: Counts, units: int) -> None:
    """Refuse counts of a bin that are not of shape (units,).

    Raises
    ------
    BadInputError
        If they are not.
    """
    if counts.shape != (units,):
        raise BadInputError(
            f"expected the counts of one bin, ({units} units,) as in the fit, found {counts.shape};"
            " give the same units, or fit anew"
        )


def fitted(parameters: Parameters | None) -> Parameters:
    """What a fit found.

    Raises
    ------
    BadInputError
        If there was no fit.
    """
    if parameters is None:
        raise BadInputError("expected a fit before the first step, found none; call fit(counts, kinematics)")
    return parameters
