"""What drives a population, bin by bin: one base for what is known ahead of time and for what comes live."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats

__all__ = ["Drive"]


class Drive(ABC):
    """What drives a population; open from entering to leaving the async context.

    Attributes
    ----------
    known_ahead : bool
        Whether the values of bins can be had before the bins are due.
    asked : str
        The drive as a user asks for it, such as `constant:0.5,-1` or `lsl:hand`; empty where nothing drives the model.
    """

    known_ahead: ClassVar[bool]
    asked: str

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:  # noqa: B027
        pass

    @abstractmethod
    def at(self, ends_s: Floats) -> NDArray[np.float32]:
        """Return the conditions of the next bins.

        Parameters
        ----------
        ends_s : array of shape (bins,), s
            The end of each bin on the stream's clock, ascending also from call to call. Of a live drive, the last bin
            ends now.

        Returns
        -------
        array of shape (bins, channels), float32
        """

    def describe(self, bins: int) -> dict[str, Any]:  # noqa: ARG002
        """Describe, for JSON, what drove the first `bins` bins and how it went."""
        return {"asked": self.asked}
