"""What an LSL stream of spike counts tells about itself."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from spikeloop.models.errors import BadInputError

if TYPE_CHECKING:
    import pylsl

__all__ = ["StreamDescription", "check_same", "describe"]


@dataclass(frozen=True)
class StreamDescription:
    """What a stream tells about itself; from `bundle` on None for one that isn't spikeloop's.

    Attributes
    ----------
    type : "Spikes" for spikeloop's own
    unit_names : by default "unit 0", "unit 1", ...
    bin_size_s : 1 / nominal rate
    uid : of this run of the stream
    bundle, sha256, seed, step_bins, start_s, condition, latency_bins : as in `Provenance`
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

    @property
    def step_s(self) -> float:
        """How often it sends; of a foreign one, what isn't told is taken for a bin."""
        return (self.step_bins or 1) * self.bin_size_s


def check_same(found: StreamDescription, first: StreamDescription) -> None:
    """Raise BadInputError where units or bins are not those that the stream had at first."""
    if len(found.unit_names) != len(first.unit_names):
        raise BadInputError(f"expected {len(first.unit_names)} units as before, found {len(found.unit_names)}")
    if not math.isclose(found.bin_size_s, first.bin_size_s, rel_tol=1e-6):
        sizes_ms = 1e3 * first.bin_size_s, 1e3 * found.bin_size_s
        raise BadInputError("expected bins of {:g} ms as before, found {:g} ms".format(*sizes_ms))
    for name, before in zip(found.unit_names, first.unit_names, strict=True):
        if name != before:
            raise BadInputError(f"expected the unit {before!r} as before, found {name!r}")


def describe(info: "pylsl.StreamInfo") -> StreamDescription:
    """What the stream's full description tells; what can't be read counts as not told."""
    units = info.channel_count()
    try:
        told = ElementTree.fromstring(info.as_xml())
    except ElementTree.ParseError:
        told = ElementTree.Element("info")
    labels = tuple(each.findtext("label", "") for each in told.iterfind("desc/channels/channel"))
    if len(labels) != units or not all(labels):
        labels = tuple(f"unit {i}" for i in range(units))
    of_any = (info.name(), info.type(), labels, 1 / info.nominal_srate(), info.hostname(), info.uid())
    own = {each.tag: each.text or "" for each in told.iterfind("desc/spikeloop/*")}
    try:
        return StreamDescription(
            *of_any,
            bundle=own["bundle"],
            sha256=own["sha256"],
            seed=int(own["seed"]),
            step_bins=int(own["step_bins"]),
            start_s=float(own["start_s"]),
            condition=own["condition"],
            latency_bins=int(own["latency_bins"]),
        )
    except (KeyError, ValueError):
        return StreamDescription(*of_any)
