"""A simulated population in a process of its own, `spikeloop stream`: intended velocity in, spikes out, over LSL."""

import math
import time
from collections import deque
from contextlib import ExitStack
from typing import Any, Self

from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.stream_names import INTENTION
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.closedloop.real_time.lsl_log import LslLog
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.child import ChildCommand
from spikeloop.streamer.lsl.description import channel
from spikeloop.streamer.lsl.library import check_name_is_free, import_pylsl
from spikeloop.streamer.lsl.outlet import open_outlet
from spikeloop.streamer.lsl.spikes import LslSpikes

__all__ = ["LslPopulation"]


STARTS_WITHIN_S = 30.0  # a large model takes a while to load
SILENT_AFTER_S = 5.0
POLL_S = 0.0002
DROPPED_S = 0.5  # of bins that wait, beyond which the loop goes on with the newest
LATE_INPUT_S = 0.002  # before a bin's end, from when on an intended velocity may come too late for it


class LslPopulation:
    """A bundle's population in real time, from entering to leaving the context.

    It is `spikeloop stream BUNDLE --step-bins 1`, driven by NAME-Intention. The session that asks for its bins is
    clocked by them. Bins that wait, as the session took longer than a bin, are handed out one a call; where they are
    of more than half a second, as after a decoder's fit, all but the newest are skipped.

    Parameters
    ----------
    source : str
        The bundle's name or path, for the other process.
    bundle : Bundle
        The same, loaded.
    name : str
        Of the stream of counts.
    seed : int
        Of its spikes.
    device : {"auto", "cpu", "cuda"}
    start_delay_s : float from 0 to 3600, s
        From when its streams are there to its first bin.
    log : LslLog, optional
        Gets every bin that comes, and which of them the session has.

    Attributes
    ----------
    end_s, arrived_s : float, s
        Of the latest bin handed out, its end and when it came here, on LSL's clock; NaN before.
    sent_s : float, s
        When the latest intended velocity was sent.
    late_steps, dropped_steps, missed_steps, late_inputs : int
        As of `LoopLatency`.
    report : how the stream ran, as `spikeloop stream --json` prints; None before the end, or where it failed

    Raises
    ------
    BadInputError
        On making it, as of `VelocityEncoding`; on entering, if the name is taken or can't be one.
    FailureError
        On entering, if the other process does not come up; in `respond`, if it ended or is silent for 5 s.
    """

    def __init__(
        self,
        source: str,
        bundle: Bundle,
        name: str,
        seed: int,
        device: Device = "auto",
        start_delay_s: float = 0.0,
        log: LslLog | None = None,
    ) -> None:
        self.name, self._log = name, log
        self._start_delay_s = start_delay_s
        self.unit_names, self.bin_size_s = bundle.card.unit_names, bundle.card.bin_size_s
        self.end_s = self.arrived_s = self.sent_s = math.nan
        self.late_steps = self.dropped_steps = self.late_inputs = 0
        self.report: dict[str, Any] | None = None
        self._channels = bundle.card.channels
        self._encoding = VelocityEncoding(bundle)
        self._options = [source, "--name", name, "--seed", str(seed), "--device", device]
        self._options += ["--start-delay", str(start_delay_s)] if start_delay_s else []
        self._waiting: deque[tuple[NDArray[Any], float, float]] = deque()  # counts, end and arrival

    def __enter__(self) -> Self:
        check_name_is_free(self.name)
        self._now = import_pylsl().local_clock
        with ExitStack() as opened:
            labels = [channel(condition.name, condition.unit, "condition") for condition in self._channels]
            self._outlet = open_outlet(f"{self.name}{INTENTION}", "Condition", labels)
            opened.callback(self._close_outlet)
            if self._log is not None:
                opened.enter_context(self._log)
            options = [*self._options, "--condition", f"lsl:{self.name}{INTENTION}"]
            self._process = ChildCommand(["stream", *options, "--step-bins", "1"])
            opened.callback(self._keep_report)
            opened.enter_context(self._process)
            self._spikes = opened.enter_context(LslSpikes(self.name, wait=True))
            self._wait_for_stream()
            self._begins_s = self._now() + self._start_delay_s
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._log is not None:
                self._log.finish(self._spikes.description)
        finally:
            self._opened.close()

    @property
    def missed_steps(self) -> int:
        found = self._spikes.report()
        return found.lost_bins + found.invalid_bins + found.saturated_bins

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[Any]:
        """Counts, (units,), of the next bin, when it is over."""
        assert self._outlet is not None, "asked outside of the context"
        self.sent_s = self._now()
        self._outlet.push_sample(self._encoding.conditions(velocity_cm_s, position_cm), self.sent_s)
        self._pull()
        if math.isnan(self.end_s):
            self._waiting.clear()  # from before the session
        elif len(self._waiting) * self.bin_size_s > DROPPED_S:
            self._drop()
        if not self._waiting:
            self._wait()
        counts, self.end_s, self.arrived_s = self._waiting.popleft()
        self.late_steps += bool(self._waiting)
        self.late_inputs += self.sent_s > self.end_s - LATE_INPUT_S
        if self._log is not None:
            self._log.handed_out(self.end_s)
        return counts

    def _pull(self) -> None:
        while segments := self._spikes.pull():
            arrived_s = self._now()
            for segment in segments:
                if self._log is not None:
                    self._log.received(segment.counts, segment.ends_s)
                ends_s = segment.ends_s.tolist()
                self._waiting += zip(segment.counts, ends_s, [arrived_s] * len(ends_s), strict=True)

    def _drop(self) -> None:
        while len(self._waiting) > 1:
            self._waiting.popleft()
            self.dropped_steps += 1

    def _wait(self) -> None:
        """Until the next bin is here: asleep while it lasts, then looking often."""
        asked_s = self._now()
        ahead_s = self.end_s + self.bin_size_s - asked_s  # NaN before the first
        if 0 < ahead_s <= self.bin_size_s:
            time.sleep(ahead_s)
        while True:
            self._pull()
            if self._waiting:
                return
            if self._process.ended:
                raise FailureError(f"population lost: its process ended ({self._process.remark})")
            if self._now() > max(asked_s, self._begins_s) + SILENT_AFTER_S + self.bin_size_s:
                raise FailureError(
                    f"population lost: expected a bin of {self.name!r} every {1000 * self.bin_size_s:g} ms, found none"
                    f" for {SILENT_AFTER_S:g} s ({self._process.remark})"
                )
            time.sleep(POLL_S)

    def _wait_for_stream(self) -> None:
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while self._spikes.description is None:
            if self._process.ended:
                raise FailureError(f"the population's process did not come up ({self._process.remark})")
            if time.monotonic() > deadline_s:
                raise FailureError(
                    f"expected {self.name!r} within {STARTS_WITHIN_S:g} s, found no such stream"
                    f" ({self._spikes.report().refused or self._process.remark})"
                )
            time.sleep(0.01)
            self._spikes.pull()

    def _close_outlet(self) -> None:
        self._outlet = None

    def _keep_report(self) -> None:
        self.report = self._process.report
