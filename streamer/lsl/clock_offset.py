"""By how much the clock of a stream's computer differs from this one's, however long it is followed."""

import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from spikeloop.models.clocks import SAME_CLOCK_S
from spikeloop.streamer.lsl.library import buffer_seconds, import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["ClockOffset", "is_here"]

RENEWED_AFTER_S = 600.0
LEAST_BUFFER_S = 1  # of an inlet that receives nothing


class ClockOffset:
    """Compares the clock of a stream's computer with this one's, by an inlet that receives no samples.

    From the first comparison on, LSL measures every two seconds until the inlet closes, and each time keeps some 150
    bytes: one more request to receive an answer. The inlet therefore gives way to a new one every ten minutes. Of a
    stream of this computer, whose clock is the same, one comparison is enough.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As LSL found the stream.
    open_inlet : callable, optional
        Opens an inlet of it; a parameter so that tests can set it.
    now : callable, optional
        The time, s.
    """

    def __init__(
        self,
        info: "pylsl.StreamInfo",
        open_inlet: "Callable[[pylsl.StreamInfo], pylsl.StreamInlet] | None" = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._info, self._open, self._now = info, open_inlet or _open, now
        self._is_here, self._is_same = is_here(info.hostname()), False
        self._inlet: pylsl.StreamInlet | None = None
        self._opened_s = 0.0

    def measure(self, within_s: float) -> float:
        """Return what has to be added to a stamp of the stream to have it on this computer's clock, s.

        A new inlet takes most of a second; others answer at once.

        Raises
        ------
        RuntimeError
            If the stream does not answer in time.
        """
        if self._is_same:
            return 0.0
        inlet = self._inlet
        if inlet is None or self._now() - self._opened_s >= RENEWED_AFTER_S:
            inlet = self._open(self._info)
        offset_s = inlet.time_correction(within_s)
        if inlet is not self._inlet:
            self._inlet, self._opened_s = inlet, self._now()
        self._is_same = self._is_here and abs(offset_s) < SAME_CLOCK_S
        if not self._is_same:
            return offset_s
        self._inlet = None
        return 0.0


def is_here(hostname: str) -> bool:
    """Whether a stream comes from this computer, by its name."""
    return hostname == platform.node()


def _open(info: "pylsl.StreamInfo") -> "pylsl.StreamInlet":
    buffer_s = buffer_seconds(LEAST_BUFFER_S, info.nominal_srate())
    return import_pylsl().StreamInlet(info, max_buflen=buffer_s, recover=False)
