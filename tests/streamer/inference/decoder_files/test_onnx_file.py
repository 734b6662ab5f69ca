import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.decoder_files import content
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx

BIN_S = 0.02
LARGE = 100.0


def tiny_decoder(
    states: tuple[str, ...] = ("held",),
    drop: tuple[str, ...] = (),
    columns: int = 2,
    widened: bool = False,
    kind: int = TensorProto.FLOAT,
    shape: tuple[int | str, ...] = (1, 3),
    metadata: dict[str, str] | None = None,
    limit: float = LARGE,
) -> bytes:
    """Each state halves and takes the first two counts; the velocity is their sum, times sqrt(limit - spikes)."""
    nodes = [helper.make_node("Cast", ["counts"], ["given"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("Gemm", ["given", "first"], ["new"]))
    for name in states:
        nodes.append(helper.make_node("Mul", [name, "half"], [f"half_{name}"]))
        nodes.append(helper.make_node("Add", [f"half_{name}", "new"], [f"sum_{name}"]))
        nodes.append(helper.make_node("Concat", [f"sum_{name}"] * (1 + widened), [f"next_{name}"], axis=1))
    nodes.append(helper.make_node("Sum", ["new", *(f"half_{name}" for name in states)], ["sum"]))
    nodes.append(helper.make_node("ReduceSum", ["given"], ["spikes"]))
    nodes.append(helper.make_node("Sub", ["limit", "spikes"], ["room"]))
    nodes.append(helper.make_node("Sqrt", ["room"], ["root"]))
    nodes.append(helper.make_node("Mul", ["sum", "root"], ["velocity"]))
    tensor = helper.make_tensor_value_info
    inputs = [
        tensor("counts", kind, shape),
        *(tensor(name, TensorProto.FLOAT, ["batch", columns]) for name in states),
    ]
    names = ["velocity", *(f"next_{name}" for name in states)]
    outputs = [tensor(name, TensorProto.FLOAT, None) for name in names if name not in drop]
    constants = {
        "first": np.eye(3, columns, dtype=np.float32),
        "half": np.array(0.5, np.float32),
        "limit": np.array([[limit]], np.float32),
    }
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def test_states_begin_at_zero_and_are_handed_on_and_a_fit_begins_anew():
    decoder = open_onnx(tiny_decoder(), units=3, bin_size_s=BIN_S)
    assert decoder.states == {"held": (1, 2)}
    for _ in range(2):
        np.testing.assert_array_equal(decoder.step(np.array([0, 0, 0], np.uint8)), [0, 0])
        np.testing.assert_allclose(decoder.step(np.array([4, 2, 13], np.uint8)), [36, 18])
        np.testing.assert_allclose(decoder.step(np.array([0, 0, 0], np.uint8)), [20, 10])
        np.testing.assert_allclose(decoder.step(np.array([0, 0, 0], np.uint8)), [10, 5])
        decoder.fit(np.ones((5, 3), np.uint8), np.ones((5, 2)))


@pytest.mark.parametrize(("states", "gain"), [((), 0), (("held",), 1), (("one", "two"), 2)])
def test_any_number_of_states_will_do(states, gain):
    decoder = open_onnx(tiny_decoder(states), units=3, bin_size_s=BIN_S)
    decoder.step(np.array([4, 2, 0]))
    np.testing.assert_allclose(decoder.step(np.zeros(3)), np.multiply([20, 10], gain))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT8])
def test_counts_are_given_as_numbers_of_the_files_type(kind):
    decoder = open_onnx(tiny_decoder((), kind=kind), units=3, bin_size_s=BIN_S)
    np.testing.assert_allclose(decoder.step(np.array([4, 2, 13], np.uint8)), [36, 18])


@pytest.mark.parametrize("opset", [17, 21, 26])
@pytest.mark.parametrize("ir_version", [8, onnx.IR_VERSION])
def test_opsets_from_17_on_load_whatever_the_ir_of_the_program_that_wrote_them(opset, ir_version):
    model = onnx.load_from_string(tiny_decoder(()))
    model.opset_import[0].version, model.ir_version = opset, ir_version
    decoder = open_onnx(model.SerializeToString(), units=3, bin_size_s=BIN_S)
    np.testing.assert_allclose(decoder.step(np.array([4, 2, 13])), [36, 18])


def test_an_ir_or_an_opset_of_the_future_is_told_in_a_line_without_the_runtimes_own_source():
    model = onnx.load_from_string(tiny_decoder(()))
    model.opset_import[0].version = 99
    with pytest.raises(BadInputError, match="Opset 99 is under development") as caught:
        open_onnx(model.SerializeToString(), units=3, bin_size_s=BIN_S)
    assert ".cc" not in str(caught.value)
    assert "model_load_utils" not in str(caught.value)


def test_a_file_is_read_by_its_path(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(tiny_decoder())
    decoder = open_onnx(tmp_path / "mine.onnx", units=3, bin_size_s=BIN_S)
    np.testing.assert_allclose(decoder.step(np.array([10, 0, 0])), [10 * np.sqrt(90), 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("tiny", "units", "message"),
    [
        (
            {"states": ()},
            4,
            r"an input for the counts of 4 units, such as .*, found counts float32 \(1, 3\); give a decoder of 4 units",
        ),
        ({"shape": (5, 3)}, 3, r"one bin at a time of a decoder with states, found counts float32 \(5, 3\), 5 bins"),
        ({"columns": 1}, 3, r"an output of 2 numbers a bin, the velocity, such as \(1, 2\), found velocity .*\(1, 1\)"),
        ({"drop": ("velocity",)}, 3, r"an output of 2 numbers a bin, the velocity, .*found next_held"),
        ({"drop": ("next_held",)}, 3, r"the state held float32 \(1, 2\) an output of its shape, found none"),
        ({"widened": True}, 3, r"the state held .* an output of its shape, found next_held float32 \(1, 4\)"),
    ],
)
def test_what_is_no_decoder_of_the_stream_is_told(tiny, units, message):
    with pytest.raises(BadInputError, match=message):
        open_onnx(tiny_decoder(**tiny), units=units, bin_size_s=BIN_S)


def test_a_state_of_no_fixed_size_is_refused():
    model = onnx.load_from_string(tiny_decoder())
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "any"
    with pytest.raises(BadInputError, match=r"expected states of fixed sizes, .*found held float32 \(free, free\)"):
        open_onnx(model.SerializeToString(), units=3, bin_size_s=BIN_S)


def test_the_bin_size_is_checked_where_the_file_states_it():
    open_onnx(tiny_decoder(metadata={"bin_size_s": "0.02", "author": "me"}), units=3, bin_size_s=0.02)
    for stated in ("0.05", "20 ms", "nan"):
        content = tiny_decoder(metadata={"bin_size_s": stated})
        with pytest.raises(BadInputError, match=rf"bins of 0.02 s, found bin_size_s '{stated}'"):
            open_onnx(content, units=3, bin_size_s=0.02)


@pytest.mark.parametrize("states", [(), ("held",)])
def test_nan_is_stopped_and_leaves_the_decoder_as_it_was(states):
    decoder = open_onnx(tiny_decoder(states), units=3, bin_size_s=BIN_S)
    decoder.step(np.array([4, 0, 0]))
    with pytest.raises(FailureError, match="the decoder gave velocity with NaN or infinity"):
        decoder.step(np.array([101, 0, 0]))
    np.testing.assert_allclose(decoder.step(np.zeros(3)), [20 * len(states), 0])


def test_a_state_that_is_no_number_is_told_by_its_name():
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 18]>
        rooted (float[1, 2] counts, float[1, 2] held) => (float[1, 2] velocity, float[1, 2] next_held) {
            velocity = Identity(counts)
            room = Sub(held, counts)
            next_held = Sqrt(room)
        }
    """)
    decoder = open_onnx(model.SerializeToString(), units=2, bin_size_s=BIN_S)
    with pytest.raises(FailureError, match="the decoder gave next_held with NaN"):
        decoder.step(np.array([1, 0]))


def test_a_decoder_that_only_gives_nan_is_refused_at_once():
    with pytest.raises(FailureError, match="velocity with NaN"):
        open_onnx(tiny_decoder((), limit=float("nan")), units=3, bin_size_s=BIN_S)


def test_what_is_no_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "garbage.onnx").write_bytes(b"not a model")
    (tmp_path / "large.onnx").write_bytes(bytes(2000))
    monkeypatch.setattr(content, "LARGEST_FILE", 1000)
    for name, message in (
        ("none.onnx", "no such file"),
        (".", "expected a file, found a folder"),
        ("garbage.onnx", "no model that ONNX Runtime can load"),
        ("large.onnx", "expected at most .* found more"),
    ):
        with pytest.raises(BadInputError, match=message):
            open_onnx(tmp_path / name, units=3, bin_size_s=BIN_S)


def test_data_of_others_units_are_refused():
    decoder = open_onnx(tiny_decoder(), units=3, bin_size_s=BIN_S)
    with pytest.raises(BadInputError, match=r"one bin, \(3 units,\)"):
        decoder.step(np.zeros(4))
    with pytest.raises(BadInputError, match="3 units and 2 columns of kinematics, found 3 and 4"):
        decoder.fit(np.zeros((5, 3)), np.zeros((5, 4)))
