"""Numbers that come live over LSL, from a stream that may fall silent, vanish, and return."""

import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl import import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslSamples"]

APPEARS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1
CHECK_EVERY_S = 0.5  # whether a stream that is connected still sends
CONNECT_S = 2.0  # comparing clocks alone takes 0.64 s
STALE_S = 10.0  # of silence, after which a connection is made anew: the old one may be cut without LSL's knowing
FORGET_S = 1.5  # streams that don't answer; LSL asks every half second
BUFFER_SAMPLES = 1000  # that wait in LSL at least; of a fast stream, those of a second
MOST_SAMPLES = 4096  # handled at once, about 0.3 ms; what is beyond is skipped
LONGEST_LIST = 10  # names of streams in a message


class LslSamples:
    """Follows the LSL stream of a name, from entering to leaving the context.

    A stream that ends, or is silent and no longer answers, gives way to any other of the same name, such as its
    sender's next run; one that is silent but answers keeps its place. Those with another number of channels, or of
    text, are ignored and reported. Of several, the first that connects is taken. Finding and connecting go on in a
    thread of their own; taking returns at once and belongs in one thread.

    Parameters
    ----------
    name : of the stream
    labels : of its channels
    appears_within_s : how long to wait for it on entering
    option : with which it was asked for, as told where it isn't there

    Attributes
    ----------
    absent : whether there is no stream
    refused : the latest stream that could not be used, and why

    Raises
    ------
    BadInputError
        On entering, if no such stream appears; tells what is on the network.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(
        self, name: str, labels: Sequence[str], appears_within_s: float = APPEARS_WITHIN_S, option: str = "--condition"
    ) -> None:
        self.name = name
        self.absent, self.refused = True, ""
        self._labels, self._appears_within_s, self._option = tuple(labels), appears_within_s, option
        self._inlet: pylsl.StreamInlet | None = None
        self._uid = ""
        self._received = 0
        self._follower: threading.Thread | None = None
        self._lost, self._closing = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        self._find_first()
        self._follower = threading.Thread(target=self._follow, name="spikeloop-samples", daemon=True)
        self._follower.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.give_up()
        if self._follower is not None:
            self._follower.join()

    def give_up(self) -> None:
        """End what goes on in other threads, also an entering, without waiting for it."""
        self._closing.set()
        self._lost.set()  # wakes it

    def now(self) -> float:
        """The present, s, on this machine's LSL clock."""
        return self._lsl.local_clock()

    def take(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """What has arrived since: stamps (samples,) on this machine's clock, and values (samples, channels)."""
        inlet = self._inlet
        if inlet is None:
            return self._nothing()
        try:
            values, stamps_s = inlet.pull_chunk(timeout=0.0, max_samples=MOST_SAMPLES, as_numpy=True)
        except RuntimeError:  # it ended
            if self._inlet is inlet:  # and no other that was connected meanwhile
                self._inlet, self.absent = None, True
            self._lost.set()
            return self._nothing()
        if not len(stamps_s):
            return self._nothing()
        self._received += len(stamps_s)
        if len(stamps_s) == MOST_SAMPLES:
            inlet.flush()
        return np.asarray(stamps_s), np.asarray(values)

    def _nothing(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        return np.empty(0), np.empty((0, len(self._labels)))

    def _find_first(self) -> None:
        deadline_s = time.monotonic() + self._appears_within_s
        names: set[str] = set()
        resolver = self._lsl.ContinuousResolver(forget_after=FORGET_S)
        while self._inlet is None and time.monotonic() < deadline_s and not self._closing.wait(LOOK_EVERY_S):
            found = resolver.results()
            names.update(info.name() for info in found)
            self._connect([info for info in found if info.name() == self.name])
        if self._inlet is None:
            listed = ", ".join(map(repr, sorted(names)[:LONGEST_LIST])) + ", ..." * (len(names) > LONGEST_LIST)
            advice = "let its sender send these" if self.refused else "start its sender first"
            raise BadInputError(
                f"{self._option}: expected an LSL stream named {self.name!r} of {len(self._labels)} numbers"
                f" ({', '.join(self._labels)}) within {self._appears_within_s:g} s, found"
                f" {self.refused or listed or 'no stream at all'}; {advice}"
            )

    def _follow(self) -> None:
        """Connect again whenever the stream is lost, or is silent and another of its name answers in its place."""
        owned = self._inlet  # so that the thread that takes, which closing could hold up, never closes one
        resolver = None
        last_heard_s = looking_since_s = time.monotonic()
        while not self._closing.is_set():
            received = self._received
            self._lost.wait(LOOK_EVERY_S if self._inlet is None else CHECK_EVERY_S)
            self._lost.clear()
            inlet = self._inlet
            if inlet is not None and (self._received > received or inlet.samples_available()):
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
                self._closing.wait(LOOK_EVERY_S)  # the other thread may be at work on the old one
                owned, last_heard_s = self._inlet, time.monotonic()
        self._inlet = inlet = None
        del owned

    def _connect(self, found: "list[pylsl.StreamInfo]") -> bool:
        """Take the first of these streams that fits and can be reached, the one that was lost last of all."""
        for info in sorted(found, key=lambda info: info.uid() == self._uid):
            if info.channel_count() != len(self._labels) or info.channel_format() == self._lsl.cf_string:
                kind = "texts" if info.channel_format() == self._lsl.cf_string else "numbers"
                self._refuse(info, f"expected {len(self._labels)} numbers, found {info.channel_count()} {kind}")
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
            self._inlet, self._uid, self.absent = inlet, info.uid(), False
            return True
        return False

    def _refuse(self, info: "pylsl.StreamInfo", why: str) -> None:
        self.refused = f"{info.name()!r} from {info.hostname()}: {why}"
