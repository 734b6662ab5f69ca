"""The Lab Streaming Layer wire: NAME carries counts, NAME-Events each spike with its own time."""

import asyncio
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, Self

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.streamer.loop import Step

if TYPE_CHECKING:
    import pylsl

__all__ = ["CountFormat", "LslSink", "Provenance", "check_name_is_free", "import_pylsl"]

CountFormat = Literal["float32", "int16", "int8"]

LOOK_FOR_NAMESAKES_S = 0.5
LINGER_S = 0.5  # an inlet loses what it is about to hand out when its stream closes
BACKLOG_S = 360  # of counts, for a consumer that stalls: LSL's default,
BACKLOG_BYTES = 2**28  # but no more memory than this
EVENTS_BACKLOG = 10_000  # of events, in hundreds, as LSL counts them in irregular streams
EVENTS = "-Events"  # appended to the name of the counts
NAME = re.compile(r"[\w][\w .:-]{0,63}")
QUIET = "[log]\nlevel = -2\n"  # errors only; its notices of every start would drown the status


@dataclass(frozen=True)
class Provenance:
    """What made a stream; travels in its description, so that a consumer can tell and repeat it.

    Attributes
    ----------
    start_s : when bin 0 begins, on LSL's clock: bin k ends at start_s + (k + 1) * bin_size_s
    """

    bundle: str
    sha256: str
    seed: int
    bin_size_s: float
    step_bins: int
    start_s: float


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
    """Make sure that no other stream has this name, or that of its events, on the network.

    Raises
    ------
    BadInputError
        If there is one, or the name can't be one.
    """
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"expected a stream name of at most 64 letters, digits, spaces and . : _ -, found {name!r:.80}"
        )
    predicate = f"name='{name}' or name='{name}{EVENTS}'"
    found = import_pylsl().resolve_bypred(predicate, timeout=LOOK_FOR_NAMESAKES_S)
    if found:
        raise BadInputError(
            f"a stream named {found[0].name()!r} is already on the network (from {found[0].hostname()}); stop it,"
            " or take another name with --name"
        )


class LslSink:
    """Two LSL outlets, open from entering to leaving the async context.

    Parameters
    ----------
    name : of the stream of counts; the one of events is NAME-Events
    unit_names : one per unit
    count_format : LSL format of the counts
    """

    def __init__(
        self, name: str, unit_names: tuple[str, ...], provenance: Provenance, count_format: CountFormat = "float32"
    ) -> None:
        self.name = name
        self._unit_names = unit_names
        self._provenance = provenance
        self._format = count_format

    async def __aenter__(self) -> Self:
        lsl = import_pylsl()
        rate_hz, units = 1 / self._provenance.bin_size_s, len(self._unit_names)
        host = platform.node()
        counts = lsl.StreamInfo(
            self.name, "Spikes", units, rate_hz, self._format, f"spikeloop-{host}-{self.name}-counts"
        )
        events = lsl.StreamInfo(
            f"{self.name}{EVENTS}", "SpikeEvents", 1, 0.0, "int32", f"spikeloop-{host}-{self.name}-events"
        )
        _describe(counts, self._unit_names, "count", "spikes", self._provenance)
        _describe(events, ("unit",), "index", "event", self._provenance)
        try:
            self._counts = lsl.StreamOutlet(counts, max_buffered=_backlog_s(units, rate_hz))
            self._events = lsl.StreamOutlet(events, max_buffered=EVENTS_BACKLOG)
        except RuntimeError as error:
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
            del self._counts, self._events  # closes both outlets

    def push(self, step: Step) -> None:
        self._counts.push_chunk(step.counts, step.stamps_s.tolist())
        if len(step.event_units):
            self._events.push_chunk(step.event_units[:, None], step.event_stamps_s.tolist())

    def has_consumers(self) -> bool:
        return self._counts.have_consumers() or self._events.have_consumers()


def _backlog_s(units: int, rate_hz: float) -> int:
    """Seconds of samples (at most 4 bytes a count) kept for a consumer that stalls."""
    return max(1, min(BACKLOG_S, int(BACKLOG_BYTES / (4 * units * rate_hz))))


def _describe(info: "pylsl.StreamInfo", labels: tuple[str, ...], unit: str, kind: str, provenance: Provenance) -> None:
    """Metadata after the XDF conventions, and a node of our own."""
    description = info.desc()
    channels = description.append_child("channels")
    for label in labels:
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
    }
    for key, value in entries.items():
        own.append_child_value(key, value)
