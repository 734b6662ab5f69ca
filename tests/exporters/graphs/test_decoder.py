import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from spikeloop.exporters.graphs.decoder import decoder_to_onnx
from spikeloop.models.errors import FailureError
from spikeloop.models.training.recurrent_decoder import RecurrentNetwork
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx


@pytest.fixture
def network() -> RecurrentNetwork:
    """5 units, a state of 4, random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = RecurrentNetwork(np.arange(5.0), np.arange(1.0, 6.0), np.array([1.0, -2.0]), np.array([10.0, 20.0]), 4)
    return made.eval().requires_grad_(False)


def test_the_file_has_the_tensors_of_the_format_and_its_bin_size(network):
    session = onnxruntime.InferenceSession(decoder_to_onnx(network, 0.02))
    assert {each.name: (each.type, each.shape[1:]) for each in (*session.get_inputs(), *session.get_outputs())} == {
        "counts": ("tensor(float)", [5]),
        "hidden": ("tensor(float)", [4]),
        "velocity": ("tensor(float)", [2]),
        "next_hidden": ("tensor(float)", [4]),
    }
    assert session.get_modelmeta().custom_metadata_map == {"bin_size_s": "0.02"}


def test_the_file_decodes_as_torch_does(network, random):
    decoder, hidden = open_onnx(decoder_to_onnx(network, 0.02), units=5, bin_size_s=0.02), torch.zeros(1, 4)
    for counts in random.poisson(2.0, (40, 5)):
        expected, hidden = network(torch.as_tensor(counts[np.newaxis], dtype=torch.float32), hidden)
        np.testing.assert_allclose(decoder.step(counts), expected[0].numpy(), rtol=1e-4, atol=1e-4)


def test_what_onnx_runtime_does_not_compute_as_torch_is_not_exported(network):
    network.readout.bias.fill_(float("nan"))
    with pytest.raises(FailureError, match="nothing was exported"):
        decoder_to_onnx(network, 0.02)


def test_a_module_of_ones_own_becomes_a_decoder_file_as_documented(tmp_path):
    class Leaky(nn.Module):
        def forward(self, counts, hidden):
            after = 0.5 * hidden + counts[:, :2]
            return 10 * after, after

    torch.onnx.export(
        Leaky().eval(), (torch.zeros(1, 3), torch.zeros(1, 2)), str(tmp_path / "leaky.onnx"),
        input_names=["counts", "hidden"], output_names=["velocity", "next_hidden"], external_data=False, verbose=False,
    )  # fmt: skip
    decoder = open_onnx(tmp_path / "leaky.onnx", units=3, bin_size_s=0.02)
    np.testing.assert_array_equal(decoder.step(np.array([1, 2, 9])), [10, 20])
    np.testing.assert_array_equal(decoder.step(np.array([0, 0, 9])), [5, 10])
