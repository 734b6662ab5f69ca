"""The recurrent decoder that is trained here, as one ONNX file. A user's own may have other names and shapes.

The graph takes the counts of one bin and gives the velocity:

===========  =======  ===========  =========================================================================
name         type     shape        what
===========  =======  ===========  =========================================================================
counts       float32  (1, units)   input: the spikes of each unit in the bin, as counted, not standardised
NAME         float32  (1, size)    input, any number of them, of any other names: a state
velocity     float32  (1, 2)       output: along x and y, in cm/s
next_NAME    float32  (1, size)    output, for every NAME: the state to be given with the next bin
===========  =======  ===========  =========================================================================

States begin at zero; where they should begin elsewhere, the graph adds it. Its `metadata_props` hold `bin_size_s`, a
number of seconds: the file is refused for bins of another size. ONNX Runtime runs it on one core of the CPU and within
the bin, so it should take a few milliseconds at most.

With PyTorch, a module whose `forward(counts, hidden)` gives the velocity and the next state becomes such a file by
`torch.onnx.export(module.eval(), (counts, hidden), path, input_names=["counts", "hidden"], output_names=["velocity",
"next_hidden"], external_data=False)`.
"""

import onnx
import torch
from onnx import helper

from spikeloop.exporters.graphs.torch_to_onnx import to_onnx
from spikeloop.models.training.recurrent_decoder import RecurrentNetwork

__all__ = ["decoder_to_onnx"]


def decoder_to_onnx(network: RecurrentNetwork, bin_size_s: float) -> bytes:
    """Convert a trained network to a decoder file.

    Parameters
    ----------
    network : RecurrentNetwork
    bin_size_s : float > 0, s
        Of the bins that it decodes.

    Returns
    -------
    bytes

    Raises
    ------
    FailureError
        If ONNX Runtime and torch disagree.
    """
    example = {"counts": torch.zeros(2, network.units), "hidden": torch.zeros(2, network.hidden)}
    model = onnx.load_from_string(to_onnx(network, example, ("velocity", "next_hidden")))
    helper.set_model_props(model, {"bin_size_s": repr(float(bin_size_s))})
    return model.SerializeToString()
