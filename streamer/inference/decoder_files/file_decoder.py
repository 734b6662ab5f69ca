"""A decoder that was read from a file: counts in, velocity out, bin by bin, whatever the file's format."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Counts, Floats, check_bin, check_training
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.layout import counts_input, layout_of
from spikeloop.streamer.inference.decoder_files.model import Array, Model, Tensor
from spikeloop.streamer.inference.decoder_files.outputs import paired_states, velocity_of, velocity_output
from spikeloop.streamer.inference.runtime import first_line

__all__ = ["FileDecoder"]

AS_STORED = FileOptions()
LARGEST_STATE = 2**24  # numbers
LOG = logging.getLogger(__name__)


class FileDecoder:
    """A trained decoder on a model of any format.

    What the names of its tensors leave open is settled by their shapes, and by the user's options. It is run once on a
    bin without spikes, when it is made.

    Parameters
    ----------
    name : str
        For messages.
    model : Model
    units : int
        Of the stream.
    options : FileOptions, optional
    columns : int, default 2
        That it decodes; 2 of a velocity.

    Attributes
    ----------
    states : dict of tuple by name
        Shapes of the states that it hands on; they begin at zero.

    Raises
    ------
    BadInputError
        If it is no decoder of so many units, or several ways of giving it counts fit.
    FailureError
        If it fails on a bin without spikes.
    """

    def __init__(self, name: str, model: Model, units: int, options: FileOptions = AS_STORED, columns: int = 2) -> None:
        self.name, self._model, self._units, self._columns = name, model, units, columns
        counts = counts_input(name, model.inputs, units, options.input)
        states = [tensor for tensor in model.inputs if tensor is not counts]
        self._layout = layout_of(name, counts, units, options, [state.shape for state in states])
        self._counts = counts.name
        states = [_of_fixed_shape(name, state) for state in states]
        self._first = {state.name: np.zeros([size or 1 for size in state.shape], state.dtype) for state in states}
        self.states = {state.name: value.shape for state, value in zip(states, self._first.values(), strict=True)}
        self._begin()
        found = dict(zip(model.output_names, self._run(np.zeros((self._layout.bins, units))), strict=True))
        given = (self._layout.rows, self._layout.bins)
        self._velocity = velocity_output(name, found, columns, given, states, options.output)
        others = {key: value for key, value in found.items() if key != self._velocity}
        self._pairs = paired_states(name, states, others, options.states)
        self._begin()
        self.step(np.zeros(units))
        self._begin()
        LOG.info("%s", self)

    def __str__(self) -> str:
        states = "".join(f", {state} goes on with {following}" for state, following in self._pairs.items())
        return f"{self.name}: counts {self._layout.shape} to {self._counts}, velocity from {self._velocity}{states}"

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Begin anew; there is nothing to learn, as the file holds a decoder already trained.

        Raises
        ------
        BadInputError
            If the data are of other units or columns than the decoder.
        """
        check_training(counts, kinematics)
        if counts.shape[1] != self._units or kinematics.shape[1] != self._columns:
            raise BadInputError(
                f"{self.name}: expected data of {self._units} units and {self._columns} columns of kinematics, found"
                f" {counts.shape[1]} and {kinematics.shape[1]}; choose a decoder trained on such data"
            )
        self._begin()

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,) of the next bin; bins before the first had no spikes.

        Raises
        ------
        BadInputError
            If these aren't the decoder's units.
        FailureError
            If the decoder fails, or gives another shape, NaN or infinity.
        """
        check_bin(counts, self._units)
        window = np.concatenate([self._window[1:], counts[np.newaxis]])
        found = dict(zip(self._model.output_names, self._run(window), strict=True))
        velocity = found[self._velocity]
        if velocity.shape != self._shapes.setdefault(self._velocity, velocity.shape):
            raise self._failure(f"{self._velocity} of shape {self._shapes[self._velocity]}", f"{velocity.shape}")
        for following, shape in zip(self._pairs.values(), self.states.values(), strict=True):
            if found[following].shape != shape:
                raise self._failure(f"{following} of shape {shape}", f"{found[following].shape}")
        for name in (self._velocity, *self._pairs.values()):
            if not np.isfinite(found[name]).all():
                raise self._failure("finite numbers", f"{name} with NaN or infinity; train or export it anew")
        self._window = window
        self._state = {state: found[following] for state, following in self._pairs.items()}
        return velocity_of(velocity, self._columns)

    def _run(self, window: Counts) -> Sequence[Array]:
        given: Mapping[str, Array] = {self._counts: self._layout.arrange(window), **self._state}
        try:
            return self._model.run(given)
        except Exception as error:  # of any runtime, whose exceptions share no base
            raise FailureError(f"{self.name}: the decoder failed ({first_line(error)})") from error

    def _begin(self) -> None:
        self._model.begin()
        self._state = dict(self._first)
        self._window = np.zeros((self._layout.bins, self._units))
        self._shapes: dict[str, tuple[int, ...]] = {}

    def _failure(self, expected: str, found: str) -> FailureError:
        return FailureError(f"{self.name}: expected {expected}, the decoder gave {found}")


def _of_fixed_shape(name: str, state: Tensor) -> Tensor:
    """Return a state with a batch of 1; a last axis, or more than one other, must not be free."""
    free = [axis for axis, size in enumerate(state.shape) if size is None]
    if len(free) > 1 or free[-1:] == [len(state.shape) - 1]:
        raise BadInputError(
            f"{name}: expected states of fixed sizes, such as float32 (1, 64), found {state}; export it with these"
        )
    shape = tuple(1 if size is None else size for size in state.shape)
    if prod(shape) > LARGEST_STATE:
        raise BadInputError(
            f"{name}: expected states of at most {LARGEST_STATE} numbers, found {state}; give smaller ones"
        )
    return replace(state, shape=shape)
