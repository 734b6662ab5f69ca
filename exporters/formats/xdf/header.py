"""Headers of the streams of an XDF file, as LSL and spikeloop's live streams write them."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any
from xml.etree import ElementTree

__all__ = ["LABELS", "PROVENANCE", "UNPRINTABLE", "append_entries", "stream_header"]

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
