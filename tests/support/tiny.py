"""Small bundles with random weights, made without torch: one layer for windows, a recurrent one for streams."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.graphs.scan import over_bins
from spikeloop.models.measures.similarity import statistics_of
from spikeloop.models.recordings.condition import Condition

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


HIDDEN = 6


def tiny_stream_generator(
    units: int = 4,
    channels: int = 0,
    distribution: str = "bernoulli",
    slow: int = 0,
    bias: float = 0.0,
    scale: float = 1.0,
) -> bytes:
    """ONNX bytes of a causal network: hidden' = tanh([hidden, previous, slow, condition] W), and uniform < sigmoid(.).

    `slow` drifting numbers are fed by the normal ones; counts go up to 10; fluorescence decays by a tenth a bin. `bias`
    is of the hidden units, and what goes out is `scale` times what it should be.
    """
    random = np.random.Generator(np.random.Philox(3))
    inputs = {"uniform": units, "condition": channels, "normal": slow}
    states = {"hidden": HIDDEN, "previous": units, "slow": slow}
    constants = {
        "recurrent": random.standard_normal((HIDDEN + units + slow + channels, HIDDEN)) / 2,
        "bias": np.full(HIDDEN, bias),
        "readout": random.standard_normal((HIDDEN, units)),
        "quiet": np.full(units, -1.5),
        "keep": np.array(0.9),
        "least": np.array(0.1),
        "scale": np.array(scale),
    }
    seen = ["hidden", "previous", *["slow"] * bool(slow), *["condition"] * bool(channels)]
    nodes = [
        (("Concat", seen, "seen"), {"axis": 1}),
        (("Gemm", ["seen", "recurrent", "bias"], "hidden_drive"), {}),
        (("Tanh", ["hidden_drive"], "next_hidden"), {}),
        (("Gemm", ["next_hidden", "readout", "quiet"], "drive"), {}),
        (("Sigmoid", ["drive"], "probability"), {}),
        (("Less", ["uniform", "probability"], "fires"), {}),
        (("Cast", ["fires"], "spikes"), {"to": TensorProto.FLOAT}),
    ]
    if slow:
        nodes += [(("Mul", ["slow", "keep"], "kept"), {}), (("Add", ["kept", "normal"], "next_slow"), {})]
    if distribution == "bernoulli":
        emitted = "spikes"
    elif distribution == "counts":
        nodes += [(("Add", ["uniform", "least"], "above"), {}), (("Div", ["probability", "above"], "many"), {})]
        nodes += [(("Floor", ["many"], "whole"), {})]
        emitted = "whole"
    else:
        nodes += [(("Mul", ["previous", "keep"], "faded"), {}), (("Add", ["faded", "spikes"], "light"), {})]
        emitted = "light"
    nodes += [(("Identity", [emitted], "next_previous"), {}), (("Mul", [emitted, "scale"], "counts"), {})]
    outputs = {"counts": units} | {f"next_{name}": size for name, size in states.items()}
    graph = helper.make_graph(
        [helper.make_node(kind, taken, [given], **how) for (kind, taken, given), how in nodes],
        "tiny stream",
        [_vectors(name, size) for name, size in (inputs | states).items() if size],
        [_vectors(name, size) for name, size in outputs.items() if size],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return over_bins(model, [name for name, size in states.items() if size]).SerializeToString()


def _vectors(name: str, size: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])


def tiny_stream_card(
    units: int = 4,
    channels: tuple[Condition, ...] = (),
    distribution: str = "bernoulli",
    slow: int = 0,
    bin_size_s: float = 0.001,
) -> Card:
    return Card(
        name="tiny",
        family="tiny",
        kind="stream",
        unit_names=tuple(f"unit {i}" for i in range(units)),
        bin_size_s=bin_size_s,
        window_bins=32,
        uniform_size=units,
        normal_size=slow,
        count_distribution=distribution,
        conditions=tuple(map(asdict, channels)),
        state_tensors=("hidden", "previous", *["slow"] * bool(slow)),
    )


def tiny_first_state(units: int = 4, slow: int = 0) -> dict[str, np.ndarray]:
    state = {"hidden": np.full((1, HIDDEN), 0.5, np.float32), "previous": np.zeros((1, units), np.float32)}
    return state | ({"slow": np.ones((1, slow), np.float32)} if slow else {})


def tiny_stream_bundle(
    path: Path,
    units: int = 4,
    channels: tuple[Condition, ...] = (),
    distribution: str = "bernoulli",
    slow: int = 0,
    bin_size_s: float = 0.001,
    generator: bytes | None = None,
) -> Bundle:
    """A causal generator, bin by bin, that answers to these channels; `slow` normal numbers a bin."""
    return write_bundle(
        path,
        tiny_stream_card(units, channels, distribution, slow, bin_size_s),
        generator or tiny_stream_generator(units, len(channels), distribution, slow),
        b"",
        statistics_of(np.eye(units, dtype=np.uint8)[np.newaxis]),
        tiny_first_state(units, slow),
    )
