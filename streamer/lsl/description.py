"""Describe LSL streams: what a source writes about itself, and its consumers read, from one table of facts."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import Provenance, Replayed, parse_provenance
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.stream_xml import xml_of

if TYPE_CHECKING:
    import pylsl

__all__ = [
    "FACTS",
    "LARGEST_INT8",
    "Provenance",
    "StreamDescription",
    "channel",
    "check_same",
    "describe",
    "write_description",
]

Entries = Mapping[str, Any]  # of a node: its texts, numbers, and nodes of its own
MAKER = ("bundle", "sha256", "seed")  # that a recording which is replayed does not have
FACTS = (*MAKER, "step_bins", "start_s", "condition", "latency_bins", "version")  # that both say
NOT_HELD = {"bin_size_s": 1.0, "signal": "spikes"}  # by a description, which does without them
LARGEST_INT8 = 127  # stands for this count or a larger one, which would come out negative


@dataclass(frozen=True)
class StreamDescription:
    """What a stream says about itself; from `bundle` on None for one that is not spikeloop's.

    Of a recording that spikeloop replays, `bundle`, `sha256` and `seed` are None.

    Attributes
    ----------
    name : str
    type : str
        "Spikes" for spikeloop's own counts.
    unit_names : tuple of str
        By default "unit 0", "unit 1", ...
    bin_size_s : float >= 0, s
        1 / nominal rate; 0 where the stream has no regular rate.
    hostname : str
    uid : str
        Of this run of the stream.
    bundle, sha256, seed, step_bins, start_s, condition, latency_bins, version
        As in `Provenance`.
    saturates : bool
        Whether a count of 127 stands for 127 or more, as in int8.
    """

    name: str
    type: str
    unit_names: tuple[str, ...]
    bin_size_s: float
    hostname: str
    uid: str
    bundle: str | None = None
    sha256: str | None = None
    seed: int | None = None
    step_bins: int | None = None
    start_s: float | None = None
    condition: str | None = None
    latency_bins: int | None = None
    version: str | None = None
    saturates: bool = False

    @property
    def step_s(self) -> float:
        """How often it sends; for a foreign stream, a bin."""
        return (self.step_bins or 1) * self.bin_size_s


def check_same(found: StreamDescription, first: StreamDescription) -> None:
    """Raise BadInputError where units or bins are not those that the stream had at first."""
    if len(found.unit_names) != len(first.unit_names):
        raise BadInputError(f"expected {len(first.unit_names)} units as before, found {len(found.unit_names)}")
    if not same_bin_size(found.bin_size_s, first.bin_size_s):
        sizes_ms = 1e3 * first.bin_size_s, 1e3 * found.bin_size_s
        raise BadInputError("expected bins of {:g} ms as before, found {:g} ms".format(*sizes_ms))
    for name, before in zip(found.unit_names, first.unit_names, strict=True):
        if name != before:
            raise BadInputError(f"expected the unit {before!r} as before, found {name!r}")


def describe(info: "pylsl.StreamInfo") -> StreamDescription:
    """Read a stream's full description; what can't be read counts as absent.

    Parameters
    ----------
    info : pylsl.StreamInfo
        From an inlet, as only that holds the description.
    """
    units, rate_hz = info.channel_count(), info.nominal_srate()
    try:
        root = ElementTree.fromstring(xml_of(info))
    except ElementTree.ParseError:
        root = ElementTree.Element("info")
    labels = tuple(node.findtext("label", "") for node in root.iterfind("desc/channels/channel"))
    if len(labels) != units or not all(labels):
        labels = tuple(f"unit {i}" for i in range(units))
    return StreamDescription(
        info.name(),
        info.type(),
        labels,
        1 / rate_hz if rate_hz > 0 and math.isfinite(1 / rate_hz) else 0.0,
        info.hostname(),
        info.uid(),
        saturates=info.channel_format() == import_pylsl().cf_int8,
        **_read_facts({node.tag: node.text or "" for node in root.iterfind("desc/spikeloop/*")}),
    )


def channel(label: str, unit: str, kind: str, **more: Any) -> dict[str, Any]:
    """The entries of a channel after the XDF conventions, for `write_description`."""
    return {"label": label, "unit": unit, "type": kind, **more}


def write_description(
    info: "pylsl.StreamInfo", channels: Iterable[Entries], provenance: Provenance | Replayed | None = None, **more: Any
) -> None:
    """Write metadata after the XDF conventions, and a node of spikeloop's own where the provenance is known.

    Parameters
    ----------
    info : pylsl.StreamInfo
    channels : iterable of mappings
        One for each channel, as of `channel`.
    provenance : Provenance or Replayed, optional
    **more
        Entries beside those of the provenance.
    """
    description = info.desc()
    listed = description.append_child("channels")
    for entries in channels:
        _append(listed, "channel", entries)
    if provenance is not None:
        model = provenance.bundle if isinstance(provenance, Provenance) else provenance.recording
        _append(description, "acquisition", {"manufacturer": "spikeloop", "model": model})
        stated = {name: fact for name, fact in asdict(provenance).items() if fact is not None}
        _append(description, "spikeloop", {**stated, **more})


def _append(parent: "pylsl.info.XMLElement", name: str, entries: Entries) -> None:
    node = parent.append_child(name)
    for key, value in entries.items():
        if isinstance(value, Mapping):
            _append(node, key, value)
        else:
            node.append_child_value(key, value if isinstance(value, str) else repr(value))


def _read_facts(own: Mapping[str, str]) -> dict[str, Any]:
    """Read the facts that `StreamDescription` holds; none of them where one is absent or can't be what it should."""
    replayed = "recording" in own and "bundle" not in own
    found = parse_provenance({"version": "", **own, **NOT_HELD, **(dict.fromkeys(MAKER, "0") if replayed else {})})
    held = [name for name in FACTS if not replayed or name not in MAKER]
    return {} if found is None else {name: getattr(found, name) for name in held}
