"""ONNX graphs that loop for ever, of the inputs and outputs of any other."""

import onnx
from onnx import TensorProto, helper

__all__ = ["endless"]


def endless(graph: bytes) -> bytes:
    """Return the same model, but that its first output comes after a loop without end."""
    model = onnx.load_from_string(graph)
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = ["too early" if name == output.name else name for name in node.output]
    passed = [("going", TensorProto.BOOL), ("value", output.type.tensor_type.elem_type)]
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"next {name}"]) for name, _ in passed],
        "round",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, [])]
        + [helper.make_tensor_value_info(name, kind, None) for name, kind in passed],
        [helper.make_tensor_value_info(f"next {name}", kind, None) for name, kind in passed],
    )
    model.graph.initializer.append(helper.make_tensor("always", TensorProto.BOOL, [], [True]))
    model.graph.node.append(helper.make_node("Loop", ["", "always", "too early"], [output.name], body=body))
    return model.SerializeToString()
