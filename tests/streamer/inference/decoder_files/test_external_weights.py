import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.external_data_helper import set_external_data

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.external_weights import external_weights
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)


def linear(location: str = "weights/net.bin", folder: Path | None = None) -> bytes:
    """A decoder with its weights in a file at a place, which is written if it can be."""
    weights = numpy_helper.from_array(WEIGHTS, "weights")
    set_external_data(weights, location)
    if folder is not None:
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        (folder / location).write_bytes(WEIGHTS.tobytes())
    weights.ClearField("raw_data")
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["counts", "weights"], ["velocity"])],
        "linear",
        [tensor("counts", onnx.TensorProto.FLOAT, [1, 3])],
        [tensor("velocity", onnx.TensorProto.FLOAT, [1, 2])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def decoded(path: Path) -> np.ndarray:
    return open_onnx(path, units=3, bin_size_s=0.02).step(np.array([1, 2, 3]))


def test_weights_beside_the_file_are_read_wherever_the_program_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(linear(folder=folder))
    np.testing.assert_array_equal(decoded(folder / "net.onnx"), [1, 2, 3] @ WEIGHTS)
    np.testing.assert_array_equal(decoded(Path("model/net.onnx")), [1, 2, 3] @ WEIGHTS)


def test_every_place_in_a_model_that_can_name_weights_is_looked_at(tmp_path):
    def stored(name):
        (tmp_path / name).write_text(name)
        weights = numpy_helper.from_array(WEIGHTS, name)
        set_external_data(weights, name)
        weights.ClearField("raw_data")
        return weights

    branch = helper.make_graph([], "branch", [], [], [stored("branch")])
    nodes = [
        helper.make_node("If", ["yes"], ["a"], then_branch=branch),
        helper.make_node("Constant", [], ["b"], value=stored("constant")),
        helper.make_node("Own", [], ["c"], several=[stored("listed")]),
    ]
    graph = helper.make_graph(nodes, "all", [], [], [stored("initializer")])
    graph.sparse_initializer.add().values.CopyFrom(stored("sparse"))
    model = helper.make_model(graph)
    model.functions.add().node.append(helper.make_node("Constant", [], ["d"], value=stored("function")))
    found = external_weights(model.SerializeToString(), tmp_path)
    names = ("branch", "constant", "listed", "initializer", "sparse", "function")
    assert found == {name: name.encode() for name in names}


@pytest.mark.parametrize("location", ["../secret.bin", "a/../../secret.bin", "/etc/hosts", "C:\\secret", "..\\s", ""])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(linear(location))
    with pytest.raises(BadInputError, match="expected weights in the model's own folder, found a path that leads out"):
        decoded(folder / "net.onnx")


@pytest.mark.parametrize("location", ["a" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_told(tmp_path, location):
    (tmp_path / "net.onnx").write_bytes(linear(location))
    with pytest.raises(BadInputError, match="expected the model's weights, found no such file"):
        decoded(tmp_path / "net.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_that_leads_out_of_the_folder_is_refused_and_one_inside_is_followed(tmp_path):
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "real.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "net.onnx").write_bytes(linear("weights.bin"))
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(BadInputError, match="leads out"):
        decoded(folder / "net.onnx")
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to("real.bin")
    np.testing.assert_array_equal(decoded(folder / "net.onnx"), [1, 2, 3] @ WEIGHTS)


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes of this kind")
def test_weights_that_are_missing_or_no_file_are_told(tmp_path):
    (tmp_path / "net.onnx").write_bytes(linear("weights.bin"))
    with pytest.raises(BadInputError, match="weights.bin: expected the model's weights, found no such file; keep it"):
        decoded(tmp_path / "net.onnx")
    os.mkfifo(tmp_path / "weights.bin")  # which a read would wait for
    with pytest.raises(BadInputError, match="found no such file"):
        decoded(tmp_path / "net.onnx")


def test_what_is_no_model_names_no_weights(random):
    whole = linear()
    for content in (b"", b"not a model", random.bytes(200), whole[: len(whole) // 2], b"\x3a" + b"\xff" * 20):
        assert isinstance(external_weights(content.replace(b"weights/net.bin", b""), Path()), dict)
