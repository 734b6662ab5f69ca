"""Decoders on ONNX Runtime: of any shapes and names, with weights in the file or beside it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.inference.decoder_files.content import read_content
from spikeloop.streamer.inference.decoder_files.external_weights import external_weights
from spikeloop.streamer.inference.decoder_files.file_decoder import AS_STORED, FileDecoder
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.model import Array, Tensor
from spikeloop.streamer.inference.runtime import open_graph

__all__ = ["open_onnx"]

BIN_SIZE = "bin_size_s"
IR_VERSION = b"\x08"  # the tag of the first field of an ONNX file, a number below 128 and so a byte
NEWEST_IR = re.compile(r"max supported IR version: (\d+)")
NUMBERS = {
    "tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64,
    "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(int16)": np.int16, "tensor(uint16)": np.uint16,
    "tensor(int32)": np.int32, "tensor(uint32)": np.uint32, "tensor(int64)": np.int64, "tensor(uint64)": np.uint64,
}  # by ONNX Runtime's names  # fmt: skip


def open_onnx(
    file: Path | bytes,
    units: int,
    bin_size_s: float,
    options: FileOptions = AS_STORED,
    columns: int = 2,
    name: str | None = None,
) -> FileDecoder:
    """Open a trained decoder in an ONNX file.

    Parameters
    ----------
    file : Path or bytes
        The file, or its content.
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream; a file that states another in its metadata is refused.
    options : FileOptions, optional
    columns : int, default 2
        That it decodes; 2 of a velocity.
    name : str, default None
        For messages.

    Raises
    ------
    BadInputError
        If there is no such file, or it isn't a decoder of these units and bins.
    FailureError
        If ONNX Runtime is not installed, or the decoder fails on a bin without spikes.
    """
    name = name or ("onnx" if isinstance(file, bytes) else f"onnx:{file}")
    content = file if isinstance(file, bytes) else read_content(file)
    weights = {} if isinstance(file, bytes) else external_weights(content, file.parent)
    session = _session(name, content, weights)
    _check_bin_size(name, session, bin_size_s)
    return FileDecoder(name, _OnnxModel(name, session), units, options, columns)


def _session(name: str, content: bytes, weights: Mapping[str, bytes]) -> Any:
    """Open a session, of a file of a newer IR than this ONNX Runtime knows as of the newest that it knows.

    New versions of the IR add to it. What a model really uses of a new one, ONNX Runtime still refuses.
    """
    try:
        return open_graph(name, "it", content, "cpu", weights).session
    except BadInputError as error:
        newest = NEWEST_IR.search(str(error))
        if newest is None or not content.startswith(IR_VERSION):
            raise
        older = bytes([*IR_VERSION, int(newest[1])]) + content[len(IR_VERSION) + 1 :]
        return open_graph(name, "it", older, "cpu", weights).session


class _OnnxModel:
    """A session of ONNX Runtime, as a model."""

    def __init__(self, name: str, session: Any) -> None:
        self._session = session
        self.inputs = [_tensor(name, tensor) for tensor in session.get_inputs()]
        self.output_names = [tensor.name for tensor in session.get_outputs()]

    def begin(self) -> None:
        """Do nothing: a session keeps nothing."""

    def run(self, given: Mapping[str, Array]) -> Sequence[Array]:
        return [np.asarray(value) for value in self._session.run(None, dict(given))]


def _tensor(name: str, tensor: Any) -> Tensor:
    if tensor.type not in NUMBERS:
        raise BadInputError(
            f"{name}: expected inputs of numbers, found {tensor.name} of {tensor.type}; export it with these"
        )
    shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
    return Tensor(tensor.name, shape, np.dtype(NUMBERS[tensor.type]))


def _check_bin_size(name: str, session: Any, bin_size_s: float) -> None:
    stated = session.get_modelmeta().custom_metadata_map.get(BIN_SIZE)
    if stated is None:
        return
    try:
        fits = same_bin_size(float(stated), bin_size_s)
    except ValueError:
        fits = False
    if not fits:
        raise BadInputError(
            f"{name}: expected a decoder of bins of {bin_size_s:g} s, found {BIN_SIZE} {stated!r:.80} in its"
            " metadata; choose one trained on such bins, or stream in its own"
        )
