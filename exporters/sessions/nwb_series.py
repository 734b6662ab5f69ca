"""Streams of numbers of a recorded session, as series of an NWB file; large ones are copied block by block."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.nwb.closed_loop import Shown
from spikeloop.exporters.formats.nwb.writer import NO_UNIT
from spikeloop.exporters.formats.xdf.blocks import blocks, synchronised
from spikeloop.exporters.formats.xdf.chunk_stamps import stamps_of_chunks
from spikeloop.exporters.formats.xdf.chunks import Stream, Streams
from spikeloop.exporters.formats.xdf.header import origin_of
from spikeloop.exporters.formats.xdf.other_clocks import other_clock_words
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.models.arrays import Floats
from spikeloop.models.packages import import_package

__all__ = [
    "add_broadband",
    "add_series",
    "add_stamps_as_sent",
    "described",
    "safe_name",
    "shown_in",
    "times_of",
]

EXACT_S = 1e-6  # by which stamps may be off where a rate stands for them
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "microvolts": 1e-6}


def safe_name(session: Any, name: str) -> str:
    """Return a name for an object, without what paths can't hold, that no other object of the acquisition has."""
    name = re.sub(r"[/:\\]", "_", name).lstrip(".") or "stream"
    taken = {*session.acquisition, *(session.events or {})} if hasattr(session, "events") else {*session.acquisition}
    number = next(i for i in range(1, 10_000) if (name if i == 1 else f"{name} {i}") not in taken)
    return name if number == 1 else f"{name} {number}"


def add_series(session: Any, file: OpenFile, stream: Stream) -> str:
    """Add a stream as it is; return its place."""
    pynwb = import_package("pynwb", "writing NWB files")
    units, name = set(stream.of_channels("unit")), safe_name(session, stream.name)
    session.add_acquisition(
        pynwb.TimeSeries(
            name=name,
            description=described(file, stream),
            comments=ElementTree.tostring(stream.info, "unicode"),
            data=_data(file.streams, stream),
            unit=units.pop() or NO_UNIT if len(units) == 1 else NO_UNIT,
            **times_of(file, stream),
        )
    )
    return f"acquisition/{name}"


def add_stamps_as_sent(session: Any, file: OpenFile, stream: Stream) -> None:
    """Add the stamps of a stream that are of another clock than LSL's, at the times of their samples."""
    if stream.number not in file.other_clocks:
        return
    pynwb = import_package("pynwb", "writing NWB files")
    stamps_s = np.concatenate([stamps for _, stamps in stamps_of_chunks(file.streams, stream)])
    session.add_acquisition(
        pynwb.TimeSeries(
            name=safe_name(session, f"{stream.name} stamps"),
            description=f"Stamps of LSL stream {stream.name} as they were sent, by the clock of its sender.",
            data=stamps_s,
            unit="seconds",
            **times_of(file, stream),
        )
    )


def shown_in(file: OpenFile, stream: Stream) -> list[Shown]:
    """Read what a closed loop showed; "position x" and "position y" are put together, as all x and y are."""
    values = np.concatenate([block for block, _ in blocks(file.streams, stream)])
    labels, units = stream.of_channels("label"), stream.of_channels("unit")
    columns: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        name = re.sub(r" [xy]$", "", label) or f"channel {number}"
        columns.setdefault({"position": "cursor", "velocity": "cursor_velocity"}.get(name, name), []).append(number)
    return [
        Shown(
            re.sub(r"[/:\\ ]", "_", name),
            values[:, column] if len(column) > 1 else values[:, column[0]],
            units[column[0]],
            f"{', '.join(labels[i] for i in column)}; of {stream.name}",
        )
        for name, column in columns.items()
    ]


def add_broadband(session: Any, file: OpenFile, stream: Stream) -> str:
    """Add voltage, with an electrode for each channel; return its place."""
    pynwb = import_package("pynwb", "writing NWB files")
    device = session.create_device(name=safe_name(session, f"{stream.name} probe"), description="Of an LSL stream.")
    group = session.create_electrode_group(
        name=f"{device.name} electrodes", description="All electrodes.", location="unknown", device=device
    )
    first = 0 if session.electrodes is None else len(session.electrodes)
    nodes = stream.info.findall("desc/channels/channel")
    places = [(_number(node, "location/X"), _number(node, "location/Y")) for node in nodes]
    known = len(places) == stream.channels and np.isfinite(places).all()
    for number in range(stream.channels):
        place = {"rel_x": places[number][0] * 1000, "rel_y": places[number][1] * 1000} if known else {}
        session.add_electrode(location="unknown", group=group, **place)
    region = session.create_electrode_table_region(list(range(first, first + stream.channels)), "All of the probe.")
    node = nodes[0] if nodes else None
    unit = (node.findtext("unit") or "uV") if node is not None else "uV"
    name = safe_name(session, stream.name)
    session.add_acquisition(
        pynwb.ecephys.ElectricalSeries(
            name=name,
            description=described(file, stream),
            comments=ElementTree.tostring(stream.info, "unicode"),
            data=_data(file.streams, stream),
            electrodes=region,
            conversion=_number(node, "scaling_factor", 1.0) * VOLTS.get(unit.lower(), 1.0),
            **times_of(file, stream),
        )
    )
    return f"acquisition/{name}"


def _number(node: Any, path: str, default: float = np.nan) -> float:
    try:
        return float(node.findtext(path))
    except (AttributeError, TypeError, ValueError):
        return default


def described(file: OpenFile, stream: Stream) -> str:
    """Describe a stream: its type, where it comes from, its channels, and what its times are."""
    labels, origin = [label for label in stream.of_channels("label") if label], origin_of(stream.info)
    parts = [f"LSL stream {stream.name} of type {stream.type or 'unknown'}" + f" from {origin}" * bool(origin)]
    parts += [f"channels are {', '.join(labels[:100])}"] if labels else []
    if (clocks := file.other_clocks.get(stream.number)) is not None:
        parts.append(f"{other_clock_words('times', clocks)}; stamps as sent are in {stream.name} stamps")
    return f"{'; '.join(parts)}."


def times_of(file: OpenFile, stream: Stream) -> dict[str, Any]:
    """Say when samples came, on the recorder's clock: by a rate where that says the same, else one by one."""
    stamps = synchronised(file.streams, stream, file.other_clocks.get(stream.number, ()))
    if stream.rate_hz and len(stamps) > 1:
        measured = (len(stamps) - 1) / (stamps[-1] - stamps[0]) if stamps[-1] > stamps[0] else stream.rate_hz
        for rate in (stream.rate_hz, measured):
            if np.abs(stamps - (stamps[0] + np.arange(len(stamps)) / rate)).max() < EXACT_S:
                return {"starting_time": float(stamps[0]), "rate": float(rate)}
    return {"timestamps": stamps}


def _data(streams: Streams, stream: Stream) -> Any:
    """Return the samples for HDMF, which asks for one block after the other."""
    return _iterator()(streams, stream)


@cache
def _iterator() -> Any:
    data_utils = import_package("hdmf.data_utils", "writing NWB files")

    class Blocks(data_utils.AbstractDataChunkIterator):
        """The samples of a stream, block by block."""

        def __init__(self, streams: Streams, stream: Stream) -> None:
            self._shape = (stream.samples, stream.channels)
            self._dtype = np.dtype("float64" if stream.form == "double64" else stream.form)
            self._blocks: Iterator[tuple[NDArray[Any], Floats]] = blocks(streams, stream)
            self._at = 0

        def __iter__(self) -> "Blocks":
            return self

        def __next__(self) -> Any:
            values, _ = next(self._blocks)
            place = slice(self._at, self._at + len(values))
            self._at += len(values)
            return data_utils.DataChunk(data=values.astype(self._dtype), selection=(place, slice(None)))

        @property
        def dtype(self) -> np.dtype[Any]:
            return self._dtype

        @property
        def maxshape(self) -> tuple[int, int]:
            return self._shape

        def recommended_data_shape(self) -> tuple[int, int]:
            return self._shape

        def recommended_chunk_shape(self) -> tuple[int, int]:
            width = self._dtype.itemsize * self._shape[1]
            return (max(1, min(self._shape[0], 2**20 // width)), self._shape[1])

    return Blocks
