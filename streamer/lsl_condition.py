"""A condition that comes live over LSL, from a stream that may fall silent, vanish, and return."""

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.condition import require_channels
from spikeloop.streamer.held_condition import ConditionReport, HeldCondition
from spikeloop.streamer.lsl import import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslCondition"]

APPEARS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1
CHECK_EVERY_S = 0.5  # whether a stream that is connected still sends
CONNECT_S = 2.0  # comparing clocks alone takes 0.64 s
STALE_S = 10.0  # of silence, after which a connection is made anew: the old one may be cut without LSL's knowing
FORGET_S = 1.5  # streams that don't answer; LSL asks every half second
BUFFER_SAMPLES = 1000  # that wait in LSL at least; of a fast stream, those of a second
MOST_SAMPLES = 4096  # handled at once, about 0.3 ms; what is beyond is skipped
LONGEST_LIST = 10  # names of streams in a message


class LslCondition:
    """Follows the LSL stream of a name, from entering to leaving the async context.

    A bin has the latest valid sample whose stamp, brought to this machine's clock, is not after the bin's end. When
    no later one comes, it holds for `hold_s` after its stamp and then decays, linearly and within `decay_s`, to rest;
    a stream that returns is live at once. Before the first sample the channels rest. A sample with NaN or infinity,
    or stamped more than 10 s off this machine's LSL clock, is ignored; a value further beyond a channel's range than
    half its width is clipped; all are counted.

    A stream that ends, or is silent and no longer answers, gives way to any other of the same name, such as its
    sender's next run; one that is silent but answers keeps its place. Those with another number of channels, or of
    text, are ignored and reported. Of several, the first that connects is taken. Finding and connecting go on in a
    thread of their own.

    Parameters
    ----------
    name : of the stream
    channels : of the model; the stream has as many, in this order
    hold_s, decay_s : float >= 0
    appears_within_s : how long to wait for it on entering

    Raises
    ------
    BadInputError
        If the model has no channels; on entering, if no such stream appears.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(
        self,
        name: str,
        channels: Sequence[Condition],
        hold_s: float = 0.5,
        decay_s: float = 0.5,
        appears_within_s: float = APPEARS_WITHIN_S,
    ) -> None:
        require_channels(channels)
        self.name = name
        self._channels = tuple(channels)
        self._held = HeldCondition(channels, hold_s, decay_s)
        self._appears_within_s = appears_within_s
        self._inlet: pylsl.StreamInlet | None = None
        self._uid = self._refused = ""
        self._absent = True
        self._received = 0
        self._lost, self._closing = threading.Event(), threading.Event()

    async def __aenter__(self) -> Self:
        self._follower = threading.Thread(target=self._follow, name="spikeloop-condition", daemon=True)
        try:
            await asyncio.to_thread(self._find_first)
        except BaseException:
            self._closing.set()
            raise
        self._follower.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._closing.set()
        self._lost.set()  # wakes it
        await asyncio.to_thread(self._follower.join)

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """The conditions of bins by their ends on LSL's clock, (bins,), ascending also from call to call.

        Returns
        -------
        (bins, channels); at once, from what has arrived.
        """
        self._receive()
        return self._held.at(ends_s)

    def report(self) -> ConditionReport:
        """The figures so far."""
        report = replace(self._held.report(), refused=self._refused)
        return replace(report, state="absent") if self._absent else report

    def _receive(self) -> None:
        inlet = self._inlet
        if inlet is None:
            return
        try:
            values, stamps_s = inlet.pull_chunk(timeout=0.0, max_samples=MOST_SAMPLES, as_numpy=True)
        except RuntimeError:  # it ended
            if self._inlet is inlet:  # and no other that was connected meanwhile
                self._inlet, self._absent = None, True
            self._lost.set()
            return
        if len(stamps_s):
            self._received += len(stamps_s)
            self._held.offer(np.asarray(stamps_s), np.asarray(values), self._lsl.local_clock())
            if len(stamps_s) == MOST_SAMPLES:
                inlet.flush()

    def _find_first(self) -> None:
        """Connect.

        Raises
        ------
        BadInputError
            If there is nothing to connect to; tells what is on the network.
        FailureError
            If pylsl or liblsl is missing.
        """
        self._lsl = import_pylsl()
        deadline_s = time.monotonic() + self._appears_within_s
        names: set[str] = set()
        resolver = self._lsl.ContinuousResolver(forget_after=FORGET_S)
        while self._inlet is None and time.monotonic() < deadline_s and not self._closing.wait(LOOK_EVERY_S):
            found = resolver.results()
            names.update(info.name() for info in found)
            self._connect([info for info in found if info.name() == self.name])
        if self._inlet is None:
            listed = ", ".join(map(repr, sorted(names)[:LONGEST_LIST])) + ", ..." * (len(names) > LONGEST_LIST)
            advice = "let its sender send these" if self._refused else "start its sender first"
            raise BadInputError(
                f"--condition: expected an LSL stream named {self.name!r} of {len(self._channels)} numbers"
                f" ({', '.join(each.name for each in self._channels)}) within {self._appears_within_s:g} s, found"
                f" {self._refused or listed or 'no stream at all'}; {advice}"
            )

    def _follow(self) -> None:
        """Connect again whenever the stream is lost, or is silent and another of its name answers in its place."""
        owned = self._inlet  # so that the event loop, which closing could hold up, never closes one
        resolver = None
        last_heard_s = looking_since_s = time.monotonic()
        while not self._closing.is_set():
            received = self._received
            self._lost.wait(LOOK_EVERY_S if self._inlet is None else CHECK_EVERY_S)
            self._lost.clear()
            if self._inlet is not None and self._received > received:
                last_heard_s, resolver = time.monotonic(), None
                continue
            if resolver is None:
                resolver, looking_since_s = self._lsl.ContinuousResolver(forget_after=FORGET_S), time.monotonic()
            found = [info for info in resolver.results() if info.name() == self.name]
            if self._inlet is not None:  # but silent
                same = [info for info in found if info.uid() == self._uid]
                until_s = last_heard_s + STALE_S if same else looking_since_s + FORGET_S  # its answer may be on the way
                if time.monotonic() < until_s:
                    continue
                found = same or found
            if self._connect(found):
                self._closing.wait(LOOK_EVERY_S)  # the event loop may be at work on the old one
                owned, last_heard_s = self._inlet, time.monotonic()
        self._inlet = None
        del owned

    def _connect(self, found: "list[pylsl.StreamInfo]") -> bool:
        """Take the first of these streams that fits and can be reached, the one that was lost last of all."""
        for info in sorted(found, key=lambda info: info.uid() == self._uid):
            if info.channel_count() != len(self._channels) or info.channel_format() == self._lsl.cf_string:
                kind = "texts" if info.channel_format() == self._lsl.cf_string else "numbers"
                self._refuse(info, f"expected {len(self._channels)} numbers, found {info.channel_count()} {kind}")
                continue
            rate_hz = info.nominal_srate()
            rate_hz = rate_hz if rate_hz > 0 else 100  # LSL counts the samples of irregular streams in hundreds
            buffer_s = min(BUFFER_SAMPLES, max(1, math.ceil(BUFFER_SAMPLES / rate_hz)))
            try:
                inlet = self._lsl.StreamInlet(
                    info, max_buflen=buffer_s, recover=False, processing_flags=self._lsl.proc_clocksync
                )
                inlet.open_stream(CONNECT_S)
                inlet.time_correction(CONNECT_S)  # now, as the first pull would wait for it
            except RuntimeError as error:
                if info.uid() != self._uid:  # the one that was lost is remembered for a while
                    self._refuse(info, f"could not be reached ({error})")
                continue
            self._inlet, self._uid, self._absent = inlet, info.uid(), False
            return True
        return False

    def _refuse(self, info: "pylsl.StreamInfo", why: str) -> None:
        self._refused = f"{info.name()!r} from {info.hostname()}: {why}"
