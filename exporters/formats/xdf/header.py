"""Headers of XDF files and of their streams, as LSL and spikeloop's live streams write them."""

import struct
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any
from xml.etree import ElementTree

from spikeloop.exporters.formats.xdf.chunks import FILE_HEADER, MAGIC, Streams, read_length

__all__ = ["LABELS", "PROVENANCE", "UNPRINTABLE", "append_entries", "file_header", "origin_of", "stream_header"]

LABELS = "labels"  # what our own header has beside the labels of channels, with the spaces at their ends
PROVENANCE = "provenance"  # what made the spikes of a file, as JSON; a live stream's header has each fact by its name
UNPRINTABLE = dict.fromkeys(i for i in range(32) if chr(i) not in "\t\n\r")  # which XML can't hold


def stream_header(
    name: str,
    kind: str,
    channels: Sequence[Mapping[str, Any]],
    rate_hz: float,
    form: str,
    own: Mapping[str, Any],
) -> ElementTree.Element:
    """Describe a stream as LSL does.

    Parameters
    ----------
    name, kind : str
        LSL's name and type.
    channels : sequence of mappings
        What is said of each channel: "label", "unit", "type" and more.
    rate_hz : float >= 0, Hz
        0 for a stream that is not regular.
    form : str
        LSL's channel format, such as "float32".
    own : mapping
        What spikeloop says of its own stream, such as "bin_size_s".
    """
    info = ElementTree.Element("info")
    entries = {
        "name": name,
        "type": kind,
        "channel_count": len(channels),
        "nominal_srate": rate_hz,
        "channel_format": form,
        "source_id": f"spikeloop-{name}",
        "version": "1.0000000000000000",
        "created_at": 0.0,
        "uid": "",
        "session_id": "default",
        "hostname": "",
        "desc": {"spikeloop": {"version": version("spikeloop"), **own}},
    }
    append_entries(info, entries)
    listed = ElementTree.Element("channels")
    for channel in channels:
        append_entries(listed, {"channel": channel})
    description = info.find("desc")
    assert description is not None
    description.insert(0, listed)
    return info


def append_entries(parent: ElementTree.Element, entries: Mapping[str, Any]) -> None:
    """Append texts, numbers, and nodes of their own to a node."""
    for key, value in entries.items():
        node = ElementTree.SubElement(parent, key)
        if isinstance(value, Mapping):
            append_entries(node, value)
        else:
            node.text = (value if isinstance(value, str) else repr(value)).translate(UNPRINTABLE)


def file_header(streams: Streams) -> ElementTree.Element:
    """Return the header of the file; empty where it can't be read."""
    content = streams.content
    try:
        length, place = read_length(content, len(MAGIC))
        if struct.unpack_from("<H", content, place)[0] == FILE_HEADER:
            return ElementTree.fromstring(content[place + 2 : place + length].decode("utf-8", "replace"))
    except (struct.error, ValueError, IndexError, ElementTree.ParseError):
        pass
    return ElementTree.Element("info")


def origin_of(info: ElementTree.Element) -> str:
    """Say which computer sent a stream, and its source id, as far as its header says."""
    facts = (("host", "hostname"), ("source_id", "source_id"))
    return ", ".join(f"{what} {said!r}" for what, key in facts if (said := info.findtext(key)))
