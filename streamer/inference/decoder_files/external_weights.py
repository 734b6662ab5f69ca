"""Weights of an ONNX model that lie in files beside it, as PyTorch exports them; from its own folder only.

An ONNX file names them by relative paths, and whoever made it chose these. They are read here, so that none leads out
of the folder, and given to ONNX Runtime as copies. The fields are those of `onnx.proto` (ONNX IR version 3 on).
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.content import read_content

__all__ = ["external_weights"]

TENSOR, ENTRY = "TensorProto", "StringStringEntryProto"
FIELDS = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR, 6: "GraphProto", 10: TENSOR, 11: "GraphProto", 22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
    TENSOR: {13: ENTRY},
}  # by message, the fields that hold messages in which weights may be named  # fmt: skip
KEY, VALUE = 1, 2  # fields of an entry
FIXED = {1: 8, 5: 4}  # bytes of the wire types of fixed size
VARINT, BYTES = 0, 2  # the other wire types
DEEPEST = 64


def external_weights(content: bytes, folder: Path) -> dict[str, bytes]:
    """Return the content of each file that a model's weights lie in, by the path that the model has for it.

    Parameters
    ----------
    content : bytes
        Of the ONNX file; of something else, nothing is found.
    folder : Path
        Where the ONNX file lies.

    Raises
    ------
    BadInputError
        If a path leads out of the folder, or there is no such file.
    """
    try:
        locations = dict.fromkeys(_locations(memoryview(content), "ModelProto", 0))
    except (IndexError, UnicodeDecodeError):  # no ONNX; the runtime says so
        return {}
    return {location: read_content(_inside(folder, location)) for location in locations}


def _inside(folder: Path, location: str) -> Path:
    """The path of a file in a folder or below it, by no `..`, no root and no link that leads out."""
    ways = (PurePosixPath(location), PureWindowsPath(location))
    path = folder / location
    leads_out = not location or any(".." in way.parts or way.root or way.drive for way in ways)
    try:
        leads_out = leads_out or not path.resolve().is_relative_to(folder.resolve())
        found = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long a name, one with a null, links in a circle
        found = False
    if leads_out:
        raise BadInputError(
            f"{location!r:.80}: expected weights in the model's own folder, found a path that leads out of it; export"
            " the model again, with its weights beside it"
        )
    if not found:
        raise BadInputError(
            f"{path!s:.200}: expected the model's weights, found no such file; keep it beside the model, under this"
            " name"
        )
    return path


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    """The places of weights named in a message; IndexError where it is none."""
    if depth > DEEPEST:
        raise IndexError
    for field, value in _fields(message):
        inner = FIELDS[kind].get(field)
        if inner == ENTRY:
            entry = dict(_fields(value))
            if bytes(entry.get(KEY, b"")) == b"location":
                yield bytes(entry.get(VALUE, b"")).decode()
        elif inner is not None:
            yield from _locations(value, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that are bytes, with their numbers; others are passed over."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire = tag & 7
        if wire == VARINT:
            _, place = _varint(message, place)
        elif wire == BYTES:
            size, place = _varint(message, place)
            if place + size > len(message):
                raise IndexError
            yield tag >> 3, message[place : place + size]
            place += size
        elif wire in FIXED:
            place += FIXED[wire]
        else:
            raise IndexError


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
        shift += 7
        if shift > 63:
            raise IndexError
