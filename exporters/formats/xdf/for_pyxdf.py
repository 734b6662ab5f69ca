"""Headers that pyxdf reads, of streams whose own it does not."""

import struct
from copy import deepcopy
from xml.etree import ElementTree

__all__ = ["header_for_pyxdf", "packed_chunk"]


def header_for_pyxdf(info: ElementTree.Element, **entries: str) -> bytes:
    """Return the header of a stream with other entries; the name may not be empty, else pyxdf fails."""
    header = deepcopy(info)
    for entry, value in entries.items():
        node = header.find(entry)
        assert node is not None  # in a header that is sound
        node.clear()
        node.text = value
    return ElementTree.tostring(header, "utf-8")


def packed_chunk(tag: int, number: int, content: bytes) -> bytes:
    """Return a chunk of the stream of this number."""
    return struct.pack("<BIHI", 4, 6 + len(content), tag, number) + content
