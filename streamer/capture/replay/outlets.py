"""LSL outlets of recorded streams: the same name, type, format and description again."""

import asyncio
import platform
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree

from spikeloop.exporters.formats.xdf.chunks import FORMATS
from spikeloop.models.arrays import Floats
from spikeloop.streamer.capture.replay.file_streams import FileStream
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.lsl.library import LINGER_S, import_pylsl
from spikeloop.streamer.lsl.outlet import open_described

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslOutlet", "LslOutlets", "names_of"]


def names_of(streams: Iterable[FileStream], name: str | None) -> list[str]:
    """Return the names under which streams go out.

    Parameters
    ----------
    streams : iterable of FileStream
    name : str or None
        Replaces the name of a single stream, or of one source whose streams are NAME, NAME-Events and the like; else
        it is put before each name. None keeps the names.
    """
    recorded = [stream.name for stream in streams]
    if name is None:
        return recorded
    base = min(recorded, key=len)
    if all(other == base or other.startswith(f"{base}-") for other in recorded):
        return [name + other.removeprefix(base) for other in recorded]
    return [f"{name}-{other}" for other in recorded]


class LslOutlet:
    """The outlet of one recorded stream, open until `close`.

    Its nominal rate is the recorded one times the speed, as its stamps are that much denser; what spikeloop's own
    description says of times (`start_s`, `bin_size_s`) follows the stamps, too. All else is as recorded.

    Parameters
    ----------
    stream : FileStream
    name : str
    playhead : Playhead
    number : int >= 1
        Of the streams of this name.
    """

    def __init__(self, stream: FileStream, name: str, playhead: Playhead, number: int = 1) -> None:
        lsl = import_pylsl()
        rate_hz = stream.rate_hz * playhead.speed
        source = f"spikeloop-replay-{platform.node()}-{name}"  # the sender's own would draw its receivers over to us
        source += f"#{number}" * (number > 1)
        info = lsl.StreamInfo(name, stream.type, stream.channels, rate_hz, stream.form, source)
        described = stream.info.find("desc")
        if described is not None:
            _copy(_moved(described, stream, playhead), info.desc())
        self._outlet: pylsl.StreamOutlet | None = open_described(info, FORMATS[stream.form] * stream.channels)

    def push(self, values: Any, stamps_s: Floats) -> None:
        if self._outlet is not None:
            self._outlet.push_chunk(values, stamps_s.tolist())

    def has_consumers(self) -> bool:
        return self._outlet is not None and self._outlet.have_consumers()

    def close(self) -> None:
        """End the stream on the network."""
        self._outlet = None  # which closes when nothing refers to it


class LslOutlets:
    """The outlets of several streams, open from entering to leaving the async context.

    Raises
    ------
    FailureError
        On entering, if pylsl or liblsl is missing, or LSL can't open a stream.
    """

    def __init__(self, streams: Iterable[FileStream], names: Iterable[str], playhead: Playhead) -> None:
        listed = list(names)
        numbers = [listed[: i + 1].count(name) for i, name in enumerate(listed)]
        self._planned = list(zip(streams, listed, numbers, strict=True))
        self._playhead = playhead
        self.outlets: list[LslOutlet] = []

    async def __aenter__(self) -> Self:
        self.outlets = [LslOutlet(stream, name, self._playhead, number) for stream, name, number in self._planned]
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            if self.has_consumers():
                await asyncio.sleep(LINGER_S)
        finally:
            for outlet in self.outlets:
                outlet.close()

    def has_consumers(self) -> bool:
        """Whether anybody receives one of the streams."""
        return any(outlet.has_consumers() for outlet in self.outlets)


def _moved(described: ElementTree.Element, stream: FileStream, playhead: Playhead) -> ElementTree.Element:
    """Return the description with the times that it states moved to the clock of the replay."""
    moved = deepcopy(described)
    new = {
        "start_s": lambda stated: playhead.due_s(stated - stream.clock_s),
        "bin_size_s": lambda stated: stated / playhead.speed,
    }
    for node in moved.iterfind("spikeloop/*"):
        if node.tag in new:
            with suppress(ValueError):  # what is no number stays as it is
                node.text = repr(float(new[node.tag](float(node.text or ""))))
    return moved


def _copy(source: ElementTree.Element, target: "pylsl.info.XMLElement") -> None:
    """Copy what is inside a node, in its order."""
    for child in source:
        tag = child.tag.rpartition("}")[2]  # a namespace has no place in LSL
        if len(child):
            _copy(child, target.append_child(tag))
        else:
            target.append_child_value(tag, child.text or "")
