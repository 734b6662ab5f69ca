"""A generator of one bin, wrapped to run over many."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from spikeloop.exporters.graphs.scan import fed_by, over_bins


@pytest.fixture
def one_bin() -> onnx.ModelProto:
    """total' = total + drive, and what goes out is twice that."""
    vectors = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2])
               for name in ("drive", "total", "next_total", "counts")}  # fmt: skip
    nodes = [
        helper.make_node("Add", ["total", "drive"], ["next_total"]),
        helper.make_node("Mul", ["next_total", "two"], ["counts"]),
    ]
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])
    given, emitted = [vectors["drive"], vectors["total"]], [vectors["counts"], vectors["next_total"]]
    graph = helper.make_graph(nodes, "one bin", given, emitted, [two])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_the_state_is_handed_from_bin_to_bin_and_out_at_the_end(one_bin):
    session = onnxruntime.InferenceSession(over_bins(one_bin, ["total"]).SerializeToString())
    drive = np.arange(30, dtype=np.float32).reshape(5, 3, 2)
    before = np.full((3, 2), 100, np.float32)
    counts, after = session.run(["counts", "next_total"], {"drive": drive, "total": before})
    np.testing.assert_array_equal(counts, 2 * (before + np.cumsum(drive, axis=0)))
    np.testing.assert_array_equal(after, before + drive.sum(axis=0))


def test_names_and_shapes_are_those_of_the_model_with_bins_before_them(one_bin):
    session = onnxruntime.InferenceSession(over_bins(one_bin, ["total"]).SerializeToString())
    shapes = {each.name: each.shape for each in (*session.get_inputs(), *session.get_outputs())}
    assert shapes == {
        "drive": ["bins", "batch", 2],
        "counts": ["bins", "batch", 2],
        "total": ["batch", 2],
        "next_total": ["batch", 2],
    }


def test_a_model_is_fed_by_the_one_before_it(one_bin):
    """What goes before doubles the drive of all bins at once."""
    drive, doubled = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["bins", "batch", 2]) for name in ("given", "drive")
    )
    two = helper.make_tensor("two", TensorProto.FLOAT, [], [2.0])  # a name that the other has, too
    graph = helper.make_graph(
        [helper.make_node("Mul", ["given", "two"], ["drive"])], "twice", [drive], [doubled], [two]
    )
    before = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(fed_by(over_bins(one_bin, ["total"]), before).SerializeToString())
    given = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    counts, after = session.run(["counts", "next_total"], {"given": given, "total": np.zeros((2, 2), np.float32)})
    np.testing.assert_array_equal(counts, 4 * np.cumsum(given, axis=0))
    np.testing.assert_array_equal(after, 2 * given.sum(axis=0))
