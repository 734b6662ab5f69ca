"""A generator of one bin turned into a generator of many: ONNX's Scan passes the state from bin to bin.

A chunk of bins is one call, of constant work a bin, whose result does not depend on how bins are divided into chunks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["fed_by", "over_bins"]

NEXT, INSIDE, BINS, BEFORE = "next_", "bin_", "bins", "before_"


def over_bins(model: "onnx.ModelProto", states: Sequence[str]) -> "onnx.ModelProto":
    """Wrap a model of one bin.

    Parameters
    ----------
    model : onnx.ModelProto
        With states and other inputs, (batch, size), and as outputs `next_STATE` of each state, and others.
    states : sequence of str
        Names of the inputs that are passed on.

    Returns
    -------
    onnx.ModelProto
        Of the same names; its other inputs and outputs are (bins, batch, size), its states are those before the first
        bin and after the last.
    """
    import onnx
    from onnx import helper

    inputs = {value.name: value for value in model.graph.input}
    outputs = {value.name: value for value in model.graph.output}
    series = [name for name in inputs if name not in states]
    after = [NEXT + name for name in states]
    emitted = [name for name in outputs if name not in after]

    body = onnx.GraphProto(name="bin", node=model.graph.node)
    body.input.extend(inputs[name] for name in (*states, *series))
    body.output.extend(outputs[name] for name in (*after, *emitted))
    inside = {name: INSIDE + name for name in (*inputs, *outputs)}  # the graph around has these names itself
    for value in (*body.input, *body.output):
        value.name = inside[value.name]
    for node in body.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]

    loop = helper.make_node("Scan", [*states, *series], [*after, *emitted], body=body, num_scan_inputs=len(series))
    graph = helper.make_graph(
        [loop],
        "bins",
        [*(inputs[name] for name in states), *(_with_bins(inputs[name]) for name in series)],
        [*(outputs[name] for name in after), *(_with_bins(outputs[name]) for name in emitted)],
        list(model.graph.initializer),
    )
    wrapped = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(wrapped)
    return wrapped


def fed_by(model: "onnx.ModelProto", before: "onnx.ModelProto") -> "onnx.ModelProto":
    """Join two models: the outputs of the one before become inputs of the other, of the same names.

    Parameters
    ----------
    model, before : onnx.ModelProto
        Of the same versions.
    """
    from onnx import compose

    names = [value.name for value in before.graph.output]
    inside = compose.add_prefix(before, BEFORE, rename_inputs=False, rename_outputs=False)
    return compose.merge_models(inside, model, [(name, name) for name in names])


def _with_bins(value: "onnx.ValueInfoProto") -> "onnx.ValueInfoProto":
    from onnx import helper

    tensor = value.type.tensor_type
    shape = [dimension.dim_param or dimension.dim_value for dimension in tensor.shape.dim]
    return helper.make_tensor_value_info(value.name, tensor.elem_type, [BINS, *shape])
