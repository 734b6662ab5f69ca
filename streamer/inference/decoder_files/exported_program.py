"""Exported programs of PyTorch (`torch.export.save`, .pt2), which state the shapes of their inputs."""

import io
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from spikeloop.streamer.inference.decoder_files.model import Array, Tensor

__all__ = ["ExportedModel", "flat_arrays"]


class ExportedModel:
    """An exported program, as a model.

    Parameters
    ----------
    content : bytes
        Of its file.
    torch : module
        With its `export`.
    """

    def __init__(self, content: bytes, torch: ModuleType) -> None:
        with warnings.catch_warnings():  # of torch, about itself
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(content))
            self._module = program.module()
        self._torch = torch
        self._first = {name: buffer.clone() for name, buffer in self._module.named_buffers()}
        signature = program.graph_signature
        given = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
        self.inputs = [_tensor(name, given[name]) for name in signature.user_inputs if name in given]
        self.output_names = [str(name) for name in signature.user_outputs]

    def begin(self) -> None:
        """Set its buffers, in which it may keep something, to what they were."""
        with self._torch.inference_mode():
            for name, buffer in self._module.named_buffers():
                buffer.copy_(self._first[name])

    def run(self, given: Mapping[str, Array]) -> Sequence[Array]:
        with self._torch.inference_mode():
            tensors = [self._torch.from_numpy(np.array(given[tensor.name])) for tensor in self.inputs]
            return flat_arrays(self._module(*tensors))


def flat_arrays(value: Any) -> list[Array]:
    """Return the tensors in nested tuples, lists and dicts, in their order, as arrays."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return [array for part in value for array in flat_arrays(part)]
    return [] if value is None else [np.asarray(value.detach().cpu())]


def _tensor(name: str, value: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return Tensor(name, shape, np.dtype(str(value.dtype).removeprefix("torch.")))
