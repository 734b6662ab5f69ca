"""The Lab Streaming Layer wire: NAME carries counts, NAME-Events each spike, NAME-Condition what drove each bin.

NAME-Markers tells what was done to a stream that others can reach into.
"""

import asyncio
import os
import platform
import re
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Signal
from spikeloop.streamer.loop import Step

if TYPE_CHECKING:
    import pylsl

__all__ = ["CountFormat", "LslSink", "Provenance", "check_name_is_free", "import_pylsl", "open_outlet"]

CountFormat = Literal["float32", "int16", "int8"]

LOOK_FOR_NAMESAKES_S = 0.5
LINGER_S = 0.5  # an inlet loses what it is about to hand out when its stream closes
BACKLOG_S = 360  # of counts, for a consumer that stalls: LSL's default,
BACKLOG_BYTES = 2**28  # but no more memory than this
EVENTS_BACKLOG = 10_000  # of events, in hundreds, as LSL counts them in irregular streams
LARGEST_INT8 = 127  # more would come out negative
EVENTS, CONDITION, MARKERS, BROADBAND = "-Events", "-Condition", "-Markers", "-Broadband"  # after the counts' name
NAME = re.compile(r"[\w][\w .:-]{0,63}")
QUIET = "[log]\nlevel = -3\n"  # what fails is raised as well; its notices would drown the status


@dataclass(frozen=True)
class Provenance:
    """What made a stream; travels in its description, so that a consumer can tell and repeat it.

    Attributes
    ----------
    start_s : when bin 0 begins, on LSL's clock: bin k ends at start_s + (k + 1) * bin_size_s
    condition : what drives it, as the user asked for it; empty where nothing does
    latency_bins : bins by which its spikes come later, relative to what drives them, than in the recording
    signal : "spikes" or "fluorescence"
    """

    bundle: str
    sha256: str
    seed: int
    bin_size_s: float
    step_bins: int
    start_s: float
    condition: str = ""
    latency_bins: int = 0
    signal: Signal = "spikes"


def import_pylsl() -> ModuleType:
    """Import pylsl late, as it loads liblsl at once.

    Raises
    ------
    FailureError
        If pylsl or liblsl is missing; says what to install.
    """
    try:
        with hold_interrupts():
            import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise FailureError(
            "LSL's library could not be loaded; install it (conda install -c conda-forge liblsl, brew install"
            " labstreaminglayer/tap/lsl, or the liblsl package for your Linux) and set PYLSL_LIB to its file"
            f" ({str(error).strip().splitlines()[0]})"
        ) from error
    own = [os.environ.get("LSLAPICFG"), "lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg"]
    if not any(path and Path(path).expanduser().is_file() for path in own):
        with suppress(NotImplementedError):  # liblsl before 1.17.7 stays talkative
            pylsl.set_config_content(QUIET)
    return pylsl


def check_name_is_free(name: str) -> None:
    """Make sure that no other stream has this name, or that of its events, conditions or markers, on the network.

    Raises
    ------
    BadInputError
        If there is one, or the name can't be one.
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"expected a stream name of at most 64 letters, digits, spaces and . : _ -, found {name!r:.80}"
        )
    predicate = " or ".join(f"name='{name}{suffix}'" for suffix in ("", EVENTS, CONDITION, MARKERS, BROADBAND))
    found = import_pylsl().resolve_bypred(predicate, timeout=LOOK_FOR_NAMESAKES_S)
    if found:
        raise BadInputError(
            f"a stream named {found[0].name()!r} is already on the network (from {found[0].hostname()}); stop it,"
            " or take another name with --name"
        )


def open_outlet(
    name: str, kind: str, channels: Sequence[tuple[str, str]], rate_hz: float = 0.0, form: str = "float32"
) -> "pylsl.StreamOutlet":
    """Open an LSL stream; it closes when nothing refers to it.

    Parameters
    ----------
    kind, form : LSL's type and channel format
    channels : label and unit of each
    rate_hz : 0 for an irregular one

    Raises
    ------
    BadInputError
        If the name is on the network already.
    FailureError
        If pylsl or liblsl is missing, or LSL can't open the stream.
    """
    lsl = import_pylsl()
    others = lsl.resolve_byprop("name", name, timeout=LOOK_FOR_NAMESAKES_S)
    if others:
        raise BadInputError(
            f"a stream named {name!r} is already on the network (from {others[0].hostname()}); stop its session, or"
            " take another name with --name"
        )
    info = lsl.StreamInfo(name, kind, len(channels), rate_hz, form, f"spikeloop-{platform.node()}-{name}")
    described = info.desc().append_child("channels")
    for label, unit in channels:
        channel = described.append_child("channel")
        channel.append_child_value("label", label).append_child_value("unit", unit)
        channel.append_child_value("type", kind.lower())
    try:
        return lsl.StreamOutlet(info)
    except RuntimeError as error:
        raise FailureError(f"LSL could not open {name!r} ({error}); stop other programs that use LSL") from error


class LslSink:
    """LSL outlets, open from entering to leaving the async context.

    Parameters
    ----------
    name : of the stream of counts; NAME-Events carries spikes, and NAME-Condition what drove each bin, if anything did
    unit_names : one per unit
    count_format : LSL format of the counts; int8 holds up to 127, and what is more goes out as 127
    channels : of the conditions
    markers : whether there is NAME-Markers, for `mark`
    """

    def __init__(
        self,
        name: str,
        unit_names: tuple[str, ...],
        provenance: Provenance,
        count_format: CountFormat = "float32",
        channels: tuple[Condition, ...] = (),
        markers: bool = False,
    ) -> None:
        self.name = name
        self._unit_names = unit_names
        self._provenance = provenance
        self._format = count_format
        self._channels, self._markers = channels, markers
        self._marking = threading.Lock()
        self._outlets: dict[str, pylsl.StreamOutlet] = {}  # by what is added to the name

    async def __aenter__(self) -> Self:
        lsl = import_pylsl()
        made, rate_hz, units = self._provenance, 1 / self._provenance.bin_size_s, len(self._unit_names)
        source = f"spikeloop-{platform.node()}-{self.name}"
        kind = "Spikes" if made.signal == "spikes" else "Fluorescence"
        counts = lsl.StreamInfo(self.name, kind, units, rate_hz, self._format, f"{source}-counts")
        unit = "count" if made.signal == "spikes" else "a.u."
        _describe(counts, [(label, unit, made.signal) for label in self._unit_names], made)
        events = lsl.StreamInfo(f"{self.name}{EVENTS}", "SpikeEvents", 1, 0.0, "int32", f"{source}-events")
        _describe(events, [("unit", "index", "event")], made)
        try:
            self._outlets[""] = lsl.StreamOutlet(counts, max_buffered=_backlog_s(units, rate_hz))
            if made.signal == "spikes":
                self._outlets[EVENTS] = lsl.StreamOutlet(events, max_buffered=EVENTS_BACKLOG)
            if self._channels:
                width, name = len(self._channels), f"{self.name}{CONDITION}"
                condition = lsl.StreamInfo(name, "Condition", width, rate_hz, "float32", f"{source}-condition")
                _describe(condition, [(each.name, each.unit, "condition") for each in self._channels], made)
                self._outlets[CONDITION] = lsl.StreamOutlet(condition, max_buffered=_backlog_s(width, rate_hz))
            if self._markers:
                markers = lsl.StreamInfo(f"{self.name}{MARKERS}", "Markers", 1, 0.0, "string", f"{source}-markers")
                _describe(markers, [("marker", "JSON", "marker")], made)
                self._outlets[MARKERS] = lsl.StreamOutlet(markers)
        except RuntimeError as error:
            self._outlets.clear()
            raise FailureError(
                f"LSL could not open {self.name!r} ({error}); other programs may hold all of LSL's ports"
                " (16572 to 16604): stop some, or widen PortRange in lsl_api.cfg"
            ) from error
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            if self.has_consumers():
                await asyncio.sleep(LINGER_S)
        finally:
            with self._marking:
                self._outlets.clear()  # an outlet closes when nothing refers to it

    def push(self, step: Step) -> None:
        stamps_s = step.stamps_s.tolist()
        counts = step.counts if self._format != "int8" else np.minimum(step.counts, LARGEST_INT8)
        self._outlets[""].push_chunk(counts, stamps_s)
        if CONDITION in self._outlets:
            self._outlets[CONDITION].push_chunk(step.conditions, stamps_s)
        if len(step.event_units):
            self._outlets[EVENTS].push_chunk(step.event_units[:, None], step.event_stamps_s.tolist())

    def mark(self, text: str, stamp_s: float) -> None:
        """Send a marker with its own time; from any thread, and in vain where the sink is not open."""
        with self._marking:  # an outlet is for one thread at a time
            outlet = self._outlets.get(MARKERS)
            if outlet is not None:
                outlet.push_sample([text], stamp_s)

    def has_consumers(self) -> bool:
        return any(outlet.have_consumers() for outlet in self._outlets.values())


def _backlog_s(units: int, rate_hz: float) -> int:
    """Seconds of samples (at most 4 bytes a count) kept for a consumer that stalls."""
    return max(1, min(BACKLOG_S, int(BACKLOG_BYTES / (4 * units * rate_hz))))


def _describe(info: "pylsl.StreamInfo", labels: Iterable[tuple[str, str, str]], provenance: Provenance) -> None:
    """Metadata after the XDF conventions, a label, unit and type for every channel, and a node of our own."""
    description = info.desc()
    channels = description.append_child("channels")
    for label, unit, kind in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label).append_child_value("unit", unit).append_child_value("type", kind)
    acquisition = description.append_child("acquisition")
    acquisition.append_child_value("manufacturer", "spikeloop").append_child_value("model", provenance.bundle)
    own = description.append_child("spikeloop")
    entries = {
        "version": version("spikeloop"),
        "bundle": provenance.bundle,
        "sha256": provenance.sha256,
        "seed": str(provenance.seed),
        "bin_size_s": repr(provenance.bin_size_s),
        "step_bins": str(provenance.step_bins),
        "start_s": repr(provenance.start_s),
        "condition": provenance.condition,
        "latency_bins": str(provenance.latency_bins),
    }
    for key, value in entries.items():
        own.append_child_value(key, value)
