"""What drove a spikeloop stream, bin by bin, from its NAME-Condition: for a critic that judges spikes by it."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.lsl import CONDITION, import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["ConditionTap"]

LOOK_S = 1.0
CONNECT_S = 2.0
KEPT_BINS = 2**14


class ConditionTap:
    """Follows NAME-Condition, from entering to leaving the context; finding it goes on in a thread of its own.

    Parameters
    ----------
    stream : name of the counts
    channels : of its conditions; a stream of others is passed over
    bin_size_s : of its bins, whose stamps are those of the counts
    """

    def __init__(self, stream: str, channels: int, bin_size_s: float) -> None:
        self.name = f"{stream}{CONDITION}"
        self._channels, self._bin_size_s = channels, bin_size_s
        self._inlet: pylsl.StreamInlet | None = None
        self._correction_s = 0.0
        self._ends_s = np.zeros(0)
        self._values = np.zeros((0, channels), np.float32)
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        self._follower = threading.Thread(target=self._follow, name="spikeloop-condition-tap", daemon=True)
        self._follower.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._follower.join()

    def take(self) -> None:
        """Keep what has arrived since; at once."""
        inlet = self._inlet
        if inlet is None:
            return
        try:
            values, stamps_s = inlet.pull_chunk(timeout=0.0, max_samples=KEPT_BINS, as_numpy=True)
        except RuntimeError:  # it ended
            self._inlet = None
            return
        if len(stamps_s):
            ends_s = np.asarray(stamps_s) + self._correction_s
            self._ends_s = np.concatenate([self._ends_s, ends_s])[-KEPT_BINS:]
            driving = np.asarray(values, np.float32)[:, : self._channels]  # a stimulus may stand after them
            self._values = np.concatenate([self._values, driving])[-KEPT_BINS:]

    def renew(self) -> None:
        """Look for it anew, as that of another run of the stream."""
        self._inlet = None

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32] | None:
        """What drove bins by their ends, (bins,), as (bins, channels); None where it has not come for all of them."""
        order = np.argsort(self._ends_s, kind="stable")
        known = self._ends_s[order]
        if not len(known):
            return None
        place = np.searchsorted(known, ends_s - self._bin_size_s / 2).clip(max=len(known) - 1)
        if np.any(np.abs(known[place] - ends_s) > self._bin_size_s / 2):
            return None
        return self._values[order][place]

    def _follow(self) -> None:
        while not self._closing.is_set():
            inlet = self._inlet
            if inlet is not None:
                self._closing.wait(LOOK_S)
                with suppress(RuntimeError):  # it ended; who takes will see
                    self._correction_s = inlet.time_correction(CONNECT_S)  # at once: LSL keeps it up to date
                continue
            for info in self._lsl.resolve_byprop("name", self.name, timeout=LOOK_S):
                if info.channel_count() < self._channels or info.channel_format() == self._lsl.cf_string:
                    continue
                try:
                    inlet = self._lsl.StreamInlet(info, recover=False)
                    inlet.open_stream(CONNECT_S)
                    self._correction_s = inlet.time_correction(CONNECT_S)
                except RuntimeError:
                    continue
                self._inlet = inlet
                break
            self._closing.wait(0.1)
        self._inlet = None
