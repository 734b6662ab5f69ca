"""What a file of any format comes to: a model with named tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Model", "Tensor", "described"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a model.

    Attributes
    ----------
    name : str
    shape : tuple of int or None
        None for an axis that is free.
    dtype : numpy.dtype
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        axes = ", ".join("free" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} ({axes})"


class Model(Protocol):
    """A model that was read from a file.

    Attributes
    ----------
    inputs : sequence of Tensor
    output_names : sequence of str
    """

    @property
    def inputs(self) -> Sequence[Tensor]: ...

    @property
    def output_names(self) -> Sequence[str]: ...

    def begin(self) -> None:
        """Forget every bin seen so far, where the model itself keeps something."""
        ...

    def run(self, given: Mapping[str, Array]) -> Sequence[Array]:
        """Return all outputs; raises whatever its runtime raises."""
        ...


def described(tensors: Sequence[Tensor]) -> str:
    """Name tensors with types and shapes, for messages."""
    return ", ".join(map(str, tensors)) or "none"
