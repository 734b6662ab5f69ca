"""Weights that several graphs have in common, kept once beside them, as ONNX's external data."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import onnx

__all__ = ["share_weights"]

SMALLEST = 1024  # bytes of a tensor that is worth sharing
ALIGNED = 64  # bytes; a cache line


def share_weights(graphs: Sequence[bytes], file: str) -> tuple[list[bytes], bytes]:
    """Move the tensors that several graphs have in common to one file.

    Parameters
    ----------
    graphs : sequence of bytes
        ONNX files; empty ones stay empty.
    file : str
        The name of the file that the graphs refer to.

    Returns
    -------
    list of bytes
        The graphs, which compute the same.
    bytes
        What the file has to hold; empty where nothing is shared, and the graphs are as they were.
    """
    models = [onnx.load_from_string(graph) if graph else onnx.ModelProto() for graph in graphs]
    found = Counter(chain.from_iterable({_key(tensor) for tensor in _large(model)} for model in models))
    weights, places = bytearray(), dict[tuple[int, bytes], int]()
    for model in models:
        for tensor in _large(model):
            if found[key := _key(tensor)] < 2:
                continue
            if key not in places:
                weights += bytes(-len(weights) % ALIGNED)
                places[key] = len(weights)
                weights += tensor.raw_data
            _refer(tensor, file, places[key], len(tensor.raw_data))
    if not weights:
        return list(graphs), b""
    return [model.SerializeToString() if graph else b"" for model, graph in zip(models, graphs, strict=True)], bytes(
        weights
    )


def _large(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= SMALLEST]


def _key(tensor: onnx.TensorProto) -> tuple[int, bytes]:
    return tensor.data_type, tensor.raw_data


def _refer(tensor: onnx.TensorProto, file: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
