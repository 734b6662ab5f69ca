"""Which of a model's outputs is the velocity, and with which each of its states goes on."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.model import Array, Tensor, described

__all__ = ["paired_states", "velocity_of", "velocity_output"]

USUAL_NAMES = ("velocity", "output", "y", "variable")  # of a velocity, where several outputs have its shape
# Of the output that a state goes on with.
NEXT_NAMES = ("next_{}", "{}_next", "{}_out", "out_{}", "{}_new", "new_{}", "{}_n", "{}n", "{}.1")

Outputs = Mapping[str, Array]


def velocity_of(value: Array, columns: int) -> Floats:
    """Return the velocity, (columns,), of the last bin of an output that `velocity_output` found to fit."""
    if value.shape[-1] != columns:  # (batch, columns, bins)
        return value[-1, :, -1].astype(np.float64)
    return value.reshape(-1, columns)[-1].astype(np.float64)


def velocity_output(
    name: str, outputs: Outputs, columns: int, given: tuple[int, ...], states: Sequence[Tensor], wanted: str | None
) -> str:
    """Return the name of the output that is the velocity.

    Parameters
    ----------
    name : str
        Of the decoder, for messages.
    outputs : dict of arrays by name
        Of a bin without spikes.
    columns : int
        Of a velocity.
    given : tuple of int
        Rows of a batch and bins that were given, for each of which an output may have a velocity.
    states : sequence of Tensor
        Inputs that are states.
    wanted : str, optional
        The name that the user gave.

    Raises
    ------
    BadInputError
        If none fits, or several do and none has a usual name.
    """
    found = _described(outputs)
    if wanted is not None and wanted not in outputs:
        raise BadInputError(f"{name}: expected an output {wanted}, found {found}; check ?output=")
    handed_on = {key for key in outputs if wanted is None and any(_continues(state.name, key) for state in states)}
    asked = {key: value for key, value in outputs.items() if key not in handed_on and wanted in (None, key)}
    fitting = [key for key, value in asked.items() if _fits(value, columns, given)]
    if not fitting:
        raise BadInputError(
            f"{name}: expected an output of {columns} numbers a bin, the velocity, such as (1, {columns}), found"
            f" {found}; give a decoder that ends in these"
        )
    usual = [usual_name for usual_name in USUAL_NAMES if usual_name in fitting]
    if len(fitting) > 1 and not usual:
        alike = {key: outputs[key] for key in fitting}
        raise BadInputError(
            f"{name}: expected one output of {columns} numbers a bin, the velocity, found {_described(alike)}; choose"
            f" with ?output={fitting[0]}"
        )
    return (usual or fitting)[0]


def paired_states(name: str, states: Sequence[Tensor], outputs: Outputs, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return for each state the output that it goes on with: as wanted, by its name, else by shape and order.

    Parameters
    ----------
    name : str
        Of the decoder, for messages.
    states : sequence of Tensor
        Inputs, of fixed shapes.
    outputs : dict of arrays by name
        All but the velocity.
    wanted : dict of str
        As the user gave it.

    Raises
    ------
    BadInputError
        If a state has no output of its shape, there are more outputs of it than states, or one is wanted of no state.
    """
    if unknown := wanted.keys() - {state.name for state in states}:
        found = described(states)
        raise BadInputError(f"{name}: expected states of {', '.join(sorted(unknown))}, found {found}; check ?states=")
    pairs: dict[str, str] = {}
    for state in states:
        asked = wanted.get(state.name)
        named = [asked] if asked else [key for key in outputs if _continues(state.name, key)]
        fitting = [key for key in named if key in outputs and outputs[key].shape == state.shape]
        if asked and not fitting:
            raise _unpaired(name, state, outputs, f"an output {asked} of its shape")
        if len(fitting) == 1:
            pairs[state.name] = fitting[0]
    for shape in dict.fromkeys(state.shape for state in states):
        left = [state for state in states if state.shape == shape and state.name not in pairs]
        free = [key for key, value in outputs.items() if value.shape == shape and key not in pairs.values()]
        if not left:
            continue
        if len(left) != len(free):
            expected = "an output of its shape" if not free else "as many outputs of its shape as states"
            raise _unpaired(name, left[0], outputs, expected, free)
        pairs |= {state.name: key for state, key in zip(left, free, strict=True)}
    return {state.name: pairs[state.name] for state in states}


def _fits(value: Array, columns: int, given: tuple[int, ...]) -> bool:
    """Whether an output is (columns,), or one such row for each row or bin that was given."""
    if not 1 <= value.ndim <= 3 or not value.size or value.dtype.kind not in "fiu":
        return False
    if value.shape[-1] == columns:
        rows = prod(value.shape[:-1])
        return rows == 1 or (rows <= prod(given) and all(size in (1, *given) for size in value.shape[:-1]))
    return value.ndim == 3 and value.shape[1] == columns and value.shape[2] in (1, *given)


def _continues(state: str, output: str) -> bool:
    """Whether an output's name is that of the next state."""
    stems = (state, state.removesuffix("0"), state.removesuffix("_in"), state.removesuffix("_0"))
    return any(output == form.format(stem) for stem in stems if stem for form in NEXT_NAMES)


def _unpaired(name: str, state: Tensor, outputs: Outputs, expected: str, free: Sequence[str] = ()) -> BadInputError:
    example = f"; choose with ?states={state.name}:{free[0]}" if free else ""
    return BadInputError(f"{name}: expected for the state {state} {expected}, found {_described(outputs)}{example}")


def _described(outputs: Outputs) -> str:
    return described([Tensor(key, value.shape, value.dtype) for key, value in outputs.items()])
