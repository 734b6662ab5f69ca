"""How counts go into a model's input: which axis has the units, which the bins, and how many bins at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.file_text import AXES, FileOptions
from spikeloop.streamer.inference.decoder_files.model import Array, Tensor, described

__all__ = ["CountsLayout", "counts_input", "layout_of"]

# Of an input of counts, where several have its shape.
USUAL_NAMES = ("counts", "spikes", "input", "x", "X", "float_input")


@dataclass(frozen=True)
class CountsLayout:
    """How counts are laid out.

    Attributes
    ----------
    shape : tuple of int
        That the model is given.
    bins : int >= 1
        Of history, the present one last.
    rows : int >= 1
        Of a batch, each of which gets the same.
    units_first : bool
        Whether the units' axis stands before the bins'.
    dtype : numpy.dtype
    """

    shape: tuple[int, ...]
    bins: int
    rows: int
    units_first: bool
    dtype: np.dtype[Any]

    def arrange(self, window: Counts) -> Array:
        """Lay out the latest bins, (bins, units)."""
        row = (window.T if self.units_first else window).astype(self.dtype).reshape(-1)
        return np.broadcast_to(row, (self.rows, row.size)).reshape(self.shape)


def counts_input(name: str, inputs: Sequence[Tensor], units: int, wanted: str | None) -> Tensor:
    """Return the input that takes the counts.

    Parameters
    ----------
    name : str
        Of the decoder, for messages.
    inputs : sequence of Tensor
    units : int
        Of the stream.
    wanted : str, optional
        The name that the user gave.

    Raises
    ------
    BadInputError
        If none fits, or several do and none has a usual name.
    """
    if wanted is not None:
        inputs = [tensor for tensor in inputs if tensor.name == wanted] or _none_of(name, wanted, inputs)
    fitting = [tensor for tensor in inputs if _fits(tensor.shape, units)]
    usual = [tensor for usual_name in USUAL_NAMES for tensor in fitting if tensor.name == usual_name]
    if len(fitting) > 1 and not usual:
        raise BadInputError(
            f"{name}: expected one input for the counts of {units} units, found {described(fitting)}; choose with"
            f" ?input={fitting[0].name}"
        )
    if not fitting:
        raise BadInputError(
            f"{name}: expected an input for the counts of {units} units, such as float32 (1, {units}) or (1, bins,"
            f" {units}), found {described(inputs)}; give a decoder of {units} units"
        )
    return (usual or fitting)[0]


def layout_of(
    name: str, tensor: Tensor, units: int, options: FileOptions, states: Sequence[tuple[int | None, ...]]
) -> CountsLayout:
    """Work out how counts go into an input.

    Parameters
    ----------
    name : str
        Of the decoder, for messages.
    tensor : Tensor
        The input, as `counts_input` found it.
    units : int
        Of the stream.
    options : FileOptions
        The user's, for what the shape leaves open.
    states : sequence of shapes
        Of the states that the model hands on; then it is given bin by bin.

    Raises
    ------
    BadInputError
        If two layouts fit, and the options don't choose.
    """
    shape, rank = tensor.shape, len(tensor.shape)
    flat = shape[-1] if rank < 3 and shape[-1] not in (units, None) and units not in shape else None
    if flat:
        return _flat(name, tensor, units, flat, options)
    axes = [axis for axis, size in enumerate(shape) if size == units] or [rank - 1]
    last_two = [axis for axis in axes if axis >= len(shape) - 2]
    if len(last_two) == 2 and options.axes is None:
        raise _undecided(name, tensor, f"bins or units on either of two axes of {units}", "axes=bins,units")
    units_axis = last_two[0] if options.axes == "units,bins" else last_two[-1]
    others = [axis for axis in range(len(shape)) if axis != units_axis]
    if states:
        return _bin_by_bin(name, tensor, units, units_axis, states)
    bins_axis = _bins_axis(shape, others, options)
    bins = 1 if bins_axis is None else shape[bins_axis] or options.history
    if bins is None:
        raise _undecided(name, tensor, "a free number of bins", "history=BINS")
    _check_history(name, tensor, bins, options)
    sizes = {axis: shape[axis] or 1 for axis in others}
    if bins_axis is not None:
        sizes[bins_axis] = bins
    given = tuple(units if axis == units_axis else sizes[axis] for axis in range(len(shape)))
    units_first = bins_axis is not None and units_axis < bins_axis
    return CountsLayout(given, bins, prod(given) // (bins * units), units_first, tensor.dtype)


def _bins_axis(shape: tuple[int | None, ...], others: Sequence[int], options: FileOptions) -> int | None:
    """The axis of bins: of those beside the units', the last that is longer than 1; None where there is none."""
    longer = [axis for axis in others if (shape[axis] or 0) > 1]
    if longer:
        return longer[-1]
    if len(shape) > 2:
        return others[-1]
    return others[-1] if others and options.history is not None and shape[others[-1]] is None else None


def _bin_by_bin(
    name: str, tensor: Tensor, units: int, units_axis: int, states: Sequence[tuple[int | None, ...]]
) -> CountsLayout:
    """Of a model that hands on states; what is longer than 1 must then be a batch, as it is in every state."""
    beside = [size or 1 for axis, size in enumerate(tensor.shape) if axis != units_axis]
    if odd := [size for size in beside if size > 1 and not all(size in state for state in states)]:
        raise BadInputError(
            f"{name}: expected one bin at a time of a decoder with states, found {tensor}, {odd[0]} bins at once;"
            " export it for one bin"
        )
    given = [size or 1 for size in tensor.shape]
    given[units_axis] = units
    return CountsLayout(tuple(given), 1, prod(given) // units, False, tensor.dtype)


def _flat(name: str, tensor: Tensor, units: int, features: int, options: FileOptions) -> CountsLayout:
    """Of several bins in one row."""
    if options.axes is None:
        found = f"{features} numbers, {features // units} bins of {units} units in either order"
        raise _undecided(name, tensor, found, "axes=bins,units")
    _check_history(name, tensor, features // units, options)
    shape = tuple(size or 1 for size in tensor.shape)
    return CountsLayout(shape, features // units, prod(shape) // features, options.axes == "units,bins", tensor.dtype)


def _fits(shape: tuple[int | None, ...], units: int) -> bool:
    """Whether counts of so many units can be given so: in the last axis or the one before, or several bins in a row."""
    rank = len(shape)
    if not 1 <= rank <= 4 or any((size or 1) > 1 for size in shape[:-3]):
        return False
    in_axes = any(size == units for size in shape[-2:]) or shape[-1] is None
    return in_axes or bool(rank < 3 and shape[-1] and shape[-1] % units == 0 and shape[0] in (None, 1, shape[-1]))


def _check_history(name: str, tensor: Tensor, bins: int, options: FileOptions) -> None:
    if options.history not in (None, bins):
        raise BadInputError(
            f"{name}: expected history={bins}, as its input {tensor} has it, found history={options.history}; leave it"
            " out"
        )


def _none_of(name: str, wanted: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    raise BadInputError(f"{name}: expected an input {wanted}, found {described(inputs)}; check ?input=")


def _undecided(name: str, tensor: Tensor, found: str, option: str) -> BadInputError:
    settle = " or ".join(f"?axes={axes}" for axes in AXES) if option.startswith("axes") else f"?{option}"
    return BadInputError(f"{name}: its input {tensor} leaves open how counts go in ({found}); say so with {settle}")
