"""A brain in a process of its own, `spikeloop stream`, that is told intentions and sends spikes, both over LSL."""

import json
import math
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.brain import Intention
from spikeloop.streamer.closedloop.outlets import INTENTION
from spikeloop.streamer.lsl import check_name_is_free, import_pylsl, open_outlet
from spikeloop.streamer.lsl_spikes import LslSpikes
from spikeloop.streamer.session import Device

__all__ = ["LslBrain"]

Floats = NDArray[np.float64]

STARTS_WITHIN_S = 30.0  # a large model takes a while to load
SILENT_AFTER_S = 5.0
ENDS_WITHIN_S = 5.0
POLL_S = 0.0002
SKIPPED_S = 0.5  # of bins that wait, beyond which the loop goes on with the newest
UNTIMELY_S = 0.002  # before a bin's end, from when on an intention may come too late for it

# Ends as by Ctrl-C when this process closes its end of the pipe, or dies; the terminal's own Ctrl-C doesn't reach it.
PROGRAM = """
import signal, sys, threading, _thread
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=lambda: (sys.stdin.read(), _thread.interrupt_main()), daemon=True).start()
from spikeloop.streamer.commands.main import main
main()
"""


class LslBrain:
    """A bundle's population in real time, from entering to leaving the context.

    It is `spikeloop stream BUNDLE --step-bins 1`, driven by NAME-Intention. The session that asks for its bins is
    clocked by them. Bins that wait, as the session took longer than a bin, are handed out one a call; where they are
    of more than half a second, as after a decoder's fit, all but the newest are skipped.

    Parameters
    ----------
    source : the bundle's name or path, for the other process
    bundle : the same, read
    name : of the stream of counts
    extent_cm : side of the workspace
    seed : of its spikes

    Attributes
    ----------
    end_s, arrived_s : of the latest bin handed out, its end and when it came here, on LSL's clock; NaN before
    sent_s : when the latest intention was sent
    behind : bins handed out while others waited
    skipped : bins left out, as the session was busy for longer
    missed : bins that never came, or held no counts
    untimely : bins of which the intention was sent less than 2 ms before their end, or later: they may have been
        driven by the one before
    report : how the stream ran, as `spikeloop stream --json` tells; None before the end, or where it failed

    Raises
    ------
    BadInputError
        On making it, as of `Intention`; on entering, if the name is taken or can't be one.
    FailureError
        On entering, if the other process does not come up; in `respond`, if it ended or is silent for 5 s.
    """

    def __init__(
        self, source: str, bundle: Bundle, name: str, extent_cm: float, seed: int, device: Device = "auto"
    ) -> None:
        self.name = name
        self.unit_names, self.bin_size_s = bundle.card.unit_names, bundle.card.bin_size_s
        self.end_s = self.arrived_s = self.sent_s = math.nan
        self.behind = self.skipped = self.untimely = 0
        self.report: dict[str, Any] | None = None
        self._channels = bundle.card.channels
        self._intention = Intention(bundle, extent_cm)
        self._options = [source, "--name", name, "--seed", str(seed), "--device", device]
        self._waiting: deque[tuple[NDArray[Any], float, float]] = deque()  # counts, end and arrival

    def __enter__(self) -> Self:
        check_name_is_free(self.name)
        self._now = import_pylsl().local_clock
        with ExitStack() as opened:
            labels = [(each.name, each.unit) for each in self._channels]
            self._outlet = open_outlet(f"{self.name}{INTENTION}", "Condition", labels)
            opened.callback(self._close_outlet)
            self._process = _Process([*self._options, "--condition", f"lsl:{self.name}{INTENTION}"])
            opened.callback(self._end_process)
            self._spikes = opened.enter_context(LslSpikes(self.name, wait=True))
            self._wait_for_stream()
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @property
    def missed(self) -> int:
        found = self._spikes.report()
        return found.lost_bins + found.invalid_bins + found.saturated_bins

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> NDArray[Any]:
        """Counts, (units,), of the next bin, when it is over."""
        assert self._outlet is not None, "asked outside of the context"
        self.sent_s = self._now()
        self._outlet.push_sample(self._intention.conditions(velocity_cm_s, position_cm), self.sent_s)
        self._take()
        if math.isnan(self.end_s):
            self._waiting.clear()  # from before the session
        elif len(self._waiting) * self.bin_size_s > SKIPPED_S:
            self._skip()
        if not self._waiting:
            self._wait()
        counts, self.end_s, self.arrived_s = self._waiting.popleft()
        self.behind += bool(self._waiting)
        self.untimely += self.sent_s > self.end_s - UNTIMELY_S
        return counts

    def _take(self) -> None:
        while pieces := self._spikes.take():
            arrived_s = self._now()
            for piece in pieces:
                ends_s = piece.ends_s.tolist()
                self._waiting += zip(piece.counts, ends_s, [arrived_s] * len(ends_s), strict=True)

    def _skip(self) -> None:
        while len(self._waiting) > 1:
            self._waiting.popleft()
            self.skipped += 1

    def _wait(self) -> None:
        """Until the next bin is here: asleep while it lasts, then looking often."""
        asked_s = self._now()
        ahead_s = self.end_s + self.bin_size_s - asked_s  # NaN before the first
        if 0 < ahead_s <= self.bin_size_s:
            time.sleep(ahead_s)
        while True:
            self._take()
            if self._waiting:
                return
            if self._process.ended:
                raise FailureError(f"brain lost: its process ended ({self._process.remark})")
            if self._now() > asked_s + SILENT_AFTER_S + self.bin_size_s:
                raise FailureError(
                    f"brain lost: expected a bin of {self.name!r} every {1000 * self.bin_size_s:g} ms, found none for"
                    f" {SILENT_AFTER_S:g} s ({self._process.remark})"
                )
            time.sleep(POLL_S)

    def _wait_for_stream(self) -> None:
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while self._spikes.description is None:
            if self._process.ended:
                raise FailureError(f"the brain's process did not come up ({self._process.remark})")
            if time.monotonic() > deadline_s:
                raise FailureError(
                    f"expected {self.name!r} within {STARTS_WITHIN_S:g} s, found no such stream"
                    f" ({self._spikes.report().refused or self._process.remark})"
                )
            time.sleep(0.01)
            self._spikes.take()

    def _close_outlet(self) -> None:
        self._outlet = None

    def _end_process(self) -> None:
        self.report = self._process.end()


class _Process:
    """`spikeloop stream OPTIONS --step-bins 1 --json`."""

    def __init__(self, options: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "stream", *options, "--step-bins", "1", "--json"],
            stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._told, self._printed = "said nothing", ""
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._read)]
        for thread in self._threads:
            thread.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def remark(self) -> str:
        """The latest line that it told; of one that ended, its last, or the signal that killed it."""
        code = self._process.poll()
        if code is None:
            return self._told
        self._threads[0].join()
        return self._told if code >= 0 else f"killed by signal {-code}"

    def end(self) -> dict[str, Any] | None:
        """End it; gives the JSON document that it ended with, None where it failed."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()
        with suppress(ValueError):
            return json.loads(self._printed)
        return None

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._told = line.strip() or self._told

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            self._printed = printed.read()
