"""A torch module as an ONNX graph, checked against torch."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikeloop.models.errors import FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.random_streams import Purpose, random_stream

__all__ = ["alike", "check_parity", "convert", "random_input", "to_onnx"]

OPSET = 18
PARITY_BATCHES = (1, 2, 7, 64)
PARITY_TOLERANCE = 1e-4  # float32 sums of a few hundred terms, in another order


def to_onnx(module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], forks: float = 0.0) -> bytes:
    """Convert a module to ONNX with a free batch size, and check that ONNX Runtime computes what torch does.

    Parameters
    ----------
    module : torch.nn.Module
    example : mapping of str to tensor
        Inputs in order, of batch 2.
    outputs : sequence of str
        Names.
    forks : float from 0 to 1
        Share of a batch that may differ, where rounding decides between two draws.

    Returns
    -------
    bytes

    Raises
    ------
    FailureError
        If they differ for any of several batch sizes.
    """
    batch = {0: torch.export.Dim("batch")}
    exported = convert(module, example, outputs, dict.fromkeys(example, batch))
    check_parity(module, exported, example, forks)
    return exported


def convert(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], free: Mapping[str, Mapping[int, Any]]
) -> bytes:
    """Convert a module to ONNX, unchecked.

    Parameters
    ----------
    module : torch.nn.Module
    example : mapping of str to tensor
        Inputs in order.
    outputs : sequence of str
        Names.
    free : mapping of str to dict of int to torch.export.Dim
        Of each input the axes that may have any length.

    Returns
    -------
    bytes
    """
    shapes: Any = tuple(dict(free.get(name, {})) for name in example)
    variadic = "given" in inspect.signature(module.forward).parameters
    with torch.no_grad(), _quiet(), hold_interrupts():  # which torch would turn into an error of its own
        program = torch.onnx.export(
            module.eval(),
            tuple(example.values()),
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=(shapes,) if variadic else shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            external_data=False,
        )
    assert program is not None  # dynamo=True returns a program
    return _without_notes(program.model_proto).SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the exporter's messages about packages that it does not need."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)


def _without_notes(model: Any) -> Any:
    """Drop the exporter's notes: they hold stack traces with the paths of the machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


@torch.no_grad()
def check_parity(module: nn.Module, exported: bytes, example: Mapping[str, Tensor], forks: float = 0.0) -> None:
    """Compare torch with ONNX Runtime on seeded random inputs of several batch sizes.

    Raises
    ------
    FailureError
        If any output differs by more than float32 rounding explains.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    random = random_stream(0, Purpose.EXPORT_CHECK)
    differing = 0
    for batch in PARITY_BATCHES:
        given = {name: random_input(name, (batch, *value.shape[1:]), random) for name, value in example.items()}
        returned = module(*map(torch.from_numpy, given.values()))
        expected = [tensor.numpy() for tensor in (returned if isinstance(returned, tuple) else (returned,))]
        found: Any = session.run(None, given)
        if [array.shape for array in found] != [array.shape for array in expected]:
            raise FailureError(
                f"ONNX Runtime gives outputs of shapes {[array.shape for array in found]}, torch of"
                f" {[array.shape for array in expected]}; nothing was exported: check the pinned versions in"
                " constraints.txt"
            )
        same = np.all([alike(*pair).reshape(batch, -1).all(axis=1) for pair in zip(found, expected, strict=True)], 0)
        differing += int(np.sum(~same))
        if np.sum(~same) > np.ceil(forks * batch) or differing > forks * sum(PARITY_BATCHES):
            worst = max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
            raise FailureError(
                f"ONNX Runtime and torch disagree on {np.sum(~same)} of {batch} (by up to {worst:.2g}); nothing was"
                " exported: check the pinned versions in constraints.txt"
            )


def random_input(name: str, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Draw values as that input has them: uniform from 0 to 1, earlier spikes, or normal numbers."""
    if name in ("uniform", "of_units"):
        return random.random(shape, np.float32)
    normal = random.standard_normal(shape, np.float32)
    return np.rint(np.abs(normal)) if name == "previous" else normal


def alike(found: NDArray, expected: NDArray) -> NDArray[np.bool_]:
    """Say where numbers are equal but for float32 rounding."""
    return np.isclose(found, expected, rtol=PARITY_TOLERANCE, atol=1e-5)
