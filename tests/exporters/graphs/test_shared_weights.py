"""Graphs whose common weights lie beside them compute the same bits as whole ones, and read no other file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

import spikeloop
from spikeloop.exporters.bundle import Bundle, load_bundle, write_bundle
from spikeloop.exporters.bundle_files import CRITIC_WEIGHTS
from spikeloop.exporters.graphs.shared_weights import share_weights
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.critic_engine import Critic


def graph(*weights: np.ndarray) -> bytes:
    """A graph that adds all its weights to x."""
    names = [f"w{index}" for index in range(len(weights))]
    free = helper.make_tensor_value_info("x", TensorProto.FLOAT, [len(weights[0])])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(weights[0])])
    nodes = [helper.make_node("Sum", ["x", *names], ["y"])]
    tensors = [numpy_helper.from_array(weight, name) for name, weight in zip(names, weights, strict=True)]
    return helper.make_model(helper.make_graph(nodes, "sum", [free], [out], tensors)).SerializeToString()


def tensors_of(content: bytes) -> dict[str, list[float]]:
    return {one.name: numpy_helper.to_array(one).tolist() for one in onnx.load_from_string(content).graph.initializer}


def whole(content: bytes, weights: bytes, folder: Path) -> bytes:
    """The graph with its weights inside, as ONNX's own loader puts them there."""
    (folder / CRITIC_WEIGHTS).write_bytes(weights)
    model = onnx.load_from_string(content)
    load_external_data_for_model(model, str(folder))
    return model.SerializeToString()


def whole_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """The bundle as it was before weights were shared."""
    parts = {
        part: whole(getattr(bundle, part), bundle.critic_weights, folder)
        for part in ("critic", "critic_changes", "critic_effects")
    }
    return replace(bundle, **parts, critic_weights=b"")


def outputs(bundle: Bundle) -> list[bytes]:
    critic, random = Critic(bundle, "cpu"), np.random.default_rng(0)
    windows = random.poisson(0.2, (5, critic.window_bins, critic.units)).astype(np.float32)
    conditions = random.standard_normal((5, critic.window_bins, critic.channels), np.float32)
    given = conditions if critic.channels else None
    change = np.zeros((3, critic.window_bins), np.float32)
    change[:, :2] = 1, -1
    places = np.arange(3), np.zeros(3, np.int64)
    changes = critic.changes(windows[0], *places, change, None if given is None else given[0])
    found = critic.score(windows, given), changes, *vars(critic.effects(windows, given)).values()
    return [array.tobytes() for array in found]


def test_what_graphs_have_in_common_is_kept_once_and_the_rest_stays(tmp_path):
    common, other, small = (np.full(size, value, np.float32) for size, value in ((512, 1), (512, 2), (8, 3)))
    graphs = [graph(common, other), graph(common), b"", graph(small), graph(small)]
    shared, weights = share_weights(graphs, CRITIC_WEIGHTS)
    assert weights == common.tobytes()
    for before, after in zip(graphs[:2], shared[:2], strict=True):
        found, expected = (tensors_of(one) for one in (whole(after, weights, tmp_path), before))
        assert found == expected
        assert len(after) < len(before) - len(weights) + 200
    assert shared[2] == b""
    assert [tensors_of(one) for one in shared[3:]] == [tensors_of(one) for one in graphs[3:]]
    assert share_weights([graph(common), b""], CRITIC_WEIGHTS) == ([graph(common), b""], b"")


@pytest.mark.parametrize("name", spikeloop.bundles())
def test_a_shipped_critic_computes_the_same_bits_as_with_whole_graphs(name, tmp_path):
    bundle = load_bundle(name)
    assert bundle.critic_weights
    assert outputs(whole_bundle(bundle, tmp_path)) == outputs(bundle)


def test_a_bundle_of_whole_graphs_is_read_as_before(tmp_path):
    bundle = whole_bundle(load_bundle("retina"), tmp_path)
    parts = bundle.critic_changes, bundle.critic_effects
    old = write_bundle(
        tmp_path / "old.zip", bundle.card, bundle.generator, bundle.critic, bundle.reference, bundle.parameters, *parts
    )
    assert CRITIC_WEIGHTS not in old.card.files
    assert outputs(old) == outputs(load_bundle("retina"))


@pytest.mark.parametrize("weights", [b"", b"short"])
def test_weights_that_are_missing_or_cut_off_are_refused(weights):
    with pytest.raises(BadInputError, match=r"critic.onnx is no model that ONNX Runtime can load"):
        Critic(replace(load_bundle("retina"), critic_weights=weights), "cpu")


@pytest.mark.parametrize("location", ["../critic_weights.bin", "/etc/passwd", "critic_weights.bim"])
def test_a_graph_may_refer_to_no_other_file(location, tmp_path):
    bundle = load_bundle("retina")
    model = onnx.load_from_string(bundle.critic)
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"]
    entries[-1].value = location
    with pytest.raises(BadInputError, match="keeps its weights in another file; refused"):
        write_bundle(
            tmp_path / "bad", bundle.card, bundle.generator, model.SerializeToString(), bundle.reference,
            bundle.parameters, critic_weights=bundle.critic_weights,
        )  # fmt: skip
