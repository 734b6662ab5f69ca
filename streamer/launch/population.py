"""`spikeloop.Population`: a simulated population, bin by bin, for a loop of one's own."""

from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import rest_of
from spikeloop.models.scalars import checked_choice, checked_whole
from spikeloop.streamer.conditions.feeds import limits_of
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import check_seed, open_bundle
from spikeloop.streamer.stream.source import open_source

__all__ = ["Population"]

MOST_COUNTS = 2**33  # at a time; 8 GiB


class Population:
    """A bundle's population, which fires when it is asked to and otherwise waits.

    It gives the spikes that `spikeloop.generate` and a stream give for the same seed and conditions, bit for bit.

        population = spikeloop.Population("m1-sim", seed=1)
        counts = population.step([20.0, 0.0])  # of the next bin, driven by this velocity

    Parameters
    ----------
    bundle : str, Path or Bundle
        A shipped bundle's name (`spikeloop models` lists them), the path of a folder or a `.zip`, or a loaded bundle.
    seed : int >= 0, default 0
        The same seed and conditions give the same spikes.
    device : {"auto", "cpu", "cuda"}
        Where the generator runs.

    Attributes
    ----------
    unit_names, condition_names : tuple of str
    bin_size_s : float, s
    clipped : int
        Bins with a value further beyond its channel's range than half the range's width (of a phase: beyond the range),
        which was clipped, as that of a live stream is.

    Raises
    ------
    BadInputError
        If the bundle or an argument can't be used.
    FailureError
        If ONNX Runtime is needed and not installed, or the generator fails.
    """

    def __init__(self, bundle: str | Path | Bundle, seed: int = 0, device: Device = "auto") -> None:
        seed = check_seed(seed)
        checked_choice("--device", device, get_args(Device))
        loaded = open_bundle(bundle)
        card = loaded.card
        self.unit_names, self.bin_size_s = card.unit_names, card.bin_size_s
        self.condition_names = tuple(channel.name for channel in card.channels)
        self.clipped = 0
        self._name, self._rest = card.name, rest_of(card.channels)
        self._low, self._high = limits_of(card.channels).astype(np.float32) if card.channels else np.zeros((2, 0))
        self._cyclic = np.array([channel.cyclic for channel in card.channels], bool)
        self._source = open_source(loaded, seed, device)

    def step(self, condition: ArrayLike | None = None) -> Counts:
        """Return the counts of the next bin.

        Parameters
        ----------
        condition : array of shape (channels,), or None
            What drives the bin, in the units of the bundle's card; by default rest.

        Returns
        -------
        array of shape (units,), uint8
            Of fluorescence, float32.

        Raises
        ------
        BadInputError
            If there is not one finite number for each channel.
        """
        return self._source.next(1, self._checked(condition, (len(self._rest),)))[0]

    def steps(self, bins: int, conditions: ArrayLike | None = None) -> Counts:
        """Return the counts of the next bins, which is quicker than bin by bin.

        Parameters
        ----------
        bins : int >= 1
        conditions : array of shape (channels,) or (bins, channels), or None
            What drives them: the same in every bin, or a row a bin; by default rest.

        Returns
        -------
        array of shape (bins, units), uint8
            Of fluorescence, float32.

        Raises
        ------
        BadInputError
            If `bins` is no whole number of 1 or more or would fill the memory, or the conditions are not finite or of
            another shape.
        """
        bins = checked_whole("bins", bins, 1, MOST_COUNTS // len(self.unit_names))
        values = None if conditions is None else _numbers(conditions)
        one = values is None or values.ndim == 1
        shape = (len(self._rest),) if one else (bins, len(self._rest))
        values = self._checked(conditions, shape)
        return self._source.next(bins, values.repeat(bins, axis=0) if one else values)

    def _checked(self, condition: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return conditions of this shape as (bins, channels), clipped."""
        if condition is None:
            return self._rest[np.newaxis]
        values = _numbers(condition)
        if values is None or values.shape != shape:
            found = f"{condition!r:.80}" if values is None else f"an array of shape {values.shape}"
            raise BadInputError(f"{self._name}: expected a condition of shape {shape}{self._listed()}, found {found}")
        if not np.isfinite(values).all():
            raise BadInputError(
                f"{self._name}: expected finite numbers{self._listed()}, found {values.tolist()!r:.80}; for a channel"
                " without a value give its rest"
            )
        values = np.atleast_2d(values)
        allowed = values.clip(self._low, self._high)
        self.clipped += int((allowed != values).any(axis=1).sum())
        return np.where(self._cyclic, np.rint(allowed), allowed).astype(np.float32)

    def _listed(self) -> str:
        return f" ({', '.join(self.condition_names)})" if self.condition_names else " (the model has no conditions)"


def _numbers(values: ArrayLike) -> NDArray[np.float32] | None:
    """Return values as float32; None where they are no numbers."""
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        return None
    with np.errstate(over="ignore"):  # what is no float32 is infinite, and so refused
        return array.astype(np.float32) if array.dtype.kind in "buif" else None
