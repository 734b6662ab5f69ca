"""The formats of decoders' files. To add one, write a file beside this one, a line here, and its kind in `KINDS`."""

from collections.abc import Callable

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.streamer.inference.decoder_files.file_text import parse_file
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx
from spikeloop.streamer.inference.decoder_files.skops_file import open_skops
from spikeloop.streamer.inference.decoder_files.torch_file import open_torch

__all__ = ["FORMATS", "open_file"]

# By the kind of `DecoderSpec`: called with path, units, bin size and options.
FORMATS: dict[str, Callable[..., Decoder]] = {
    "onnx": lambda path, units, bin_size_s, options: open_onnx(path, units, bin_size_s, options),
    "torch": lambda path, units, bin_size_s, options: open_torch(path, units, options),
    "skops": lambda path, units, bin_size_s, options: open_skops(path, units, options),
}


def open_file(kind: str, text: str, units: int, bin_size_s: float) -> Decoder:
    """Open a trained decoder in a file.

    Parameters
    ----------
    kind : str
        A key of `FORMATS`.
    text : str
        The file, with options after a `?`, as of `parse_file`.
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream.

    Raises
    ------
    BadInputError
        If there is no such file, or it isn't a decoder of these units and bins.
    FailureError
        If a package that it needs is not installed, or the decoder fails on a bin without spikes.
    """
    path, options = parse_file(text)
    return FORMATS[kind](path, units, bin_size_s, options)
