"""Small bundles with random weights, made without torch: one dense layer, one sigmoid."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.measures.likeness import statistics_of

LATENT = 8


def tiny_generator(
    units: int = 96,
    bins: int = 32,
    latent: int = LATENT,
    input_name: str = "latent",
    bias: float = -3.0,
    outputs: int | None = None,
) -> bytes:
    """ONNX bytes of sigmoid(latent @ weights + bias), reshaped to (windows, bins, units)."""
    random = np.random.Generator(np.random.Philox(1))
    weights = random.standard_normal((latent, bins * (outputs or units)), np.float32)
    constants = {
        "weights": weights,
        "bias": np.full(weights.shape[1], bias, np.float32),
        "shape": np.array([-1, bins, outputs or units]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", [input_name, "weights", "bias"], ["flat"]),
            helper.make_node("Sigmoid", ["flat"], ["squashed"]),
            helper.make_node("Reshape", ["squashed", "shape"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["windows", latent])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["windows", bins, outputs or units])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_card(units: int = 96, bins: int = 32, bin_size_s: float = 0.001) -> Card:
    return Card(
        name="tiny",
        family="tiny",
        kind="window",
        unit_names=tuple(f"unit {i}" for i in range(units)),
        bin_size_s=bin_size_s,
        window_bins=bins,
        latent_size=LATENT,
    )


def tiny_bundle(
    path: Path, units: int = 96, bins: int = 32, bin_size_s: float = 0.001, generator: bytes | None = None
) -> Bundle:
    reference = statistics_of(np.eye(units, dtype=np.uint8)[np.newaxis])
    generator = generator or tiny_generator(units, bins)
    return write_bundle(path, tiny_card(units, bins, bin_size_s), generator, b"", reference)
