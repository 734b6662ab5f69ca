"""What drove a spikeloop stream, bin by bin, from its NAME-Condition: for a critic that judges spikes by it."""

from collections import deque
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.stream_names import CONDITION
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.connection import Connection, connect
from spikeloop.streamer.lsl.follower import Follower, named
from spikeloop.streamer.lsl.library import import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["ConditionTap"]

BUFFER_S = 360
KEPT_BINS = 2**14


class ConditionTap:
    """Follows NAME-Condition, as `Follower` does, from entering to leaving the context.

    Parameters
    ----------
    stream : str
        Name of the counts.
    channels : int
        Of the model's conditions; a stream of fewer is passed over, one of more has a stimulus after them.
    bin_size_s : float > 0, s
        Of its bins, whose stamps are those of the counts.
    kept_bins : int, optional
        How many are kept.
    """

    def __init__(self, stream: str, channels: int, bin_size_s: float, kept_bins: int | None = None) -> None:
        self._kept_bins = KEPT_BINS if kept_bins is None else kept_bins
        self.name = f"{stream}{CONDITION}"
        self._channels, self._bin_size_s = channels, bin_size_s
        self._chunks: deque[tuple[Floats, NDArray[np.float32]]] = deque()
        self._bins = 0  # of all chunks
        self._follower = Follower(named(self.name), self._connect, "spikeloop-condition-tap")

    def __enter__(self) -> Self:
        self._follower.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._follower.__exit__(*error)

    def pull(self) -> None:
        """Keep what has arrived since; at once."""
        chunk = self._follower.pull()
        if chunk is not None and len(chunk.local_s):
            driving = chunk.values.astype(np.float32)[:, : self._channels]
            self._chunks.append((chunk.local_s, driving))
            self._bins += len(driving)
            while self._bins - len(self._chunks[0][0]) >= self._kept_bins:
                self._bins -= len(self._chunks.popleft()[0])

    @property
    def latest_s(self) -> float:
        """The end of the bin that came last, s; -inf where none came."""
        return float(self._chunks[-1][0][-1]) if self._chunks else -np.inf

    @property
    def kept(self) -> tuple[Floats, NDArray[np.float32]]:
        """The ends of the bins that are kept, (bins,), s, and what drove them, (bins, channels)."""
        if not self._chunks:
            return np.zeros(0), np.zeros((0, self._channels), np.float32)
        if len(self._chunks) > 1 or self._bins > self._kept_bins:  # joined once, as `pull` must take no time
            ends_s, values = (np.concatenate(parts)[-self._kept_bins :] for parts in zip(*self._chunks, strict=True))
            self._chunks, self._bins = deque([(ends_s, values)]), len(ends_s)
        return self._chunks[0]

    def at(self, ends_s: Floats) -> NDArray[np.float32] | None:
        """Look up what drove bins.

        Parameters
        ----------
        ends_s : array of shape (bins,), float64, s
            Their ends on this machine's LSL clock.

        Returns
        -------
        array of shape (bins, channels), float32, or None
            None where it has not come for all of them.
        """
        kept_s, values = self.kept
        order = np.argsort(kept_s, kind="stable")
        known = kept_s[order]
        if not len(known):
            return None
        place = np.searchsorted(known, ends_s - self._bin_size_s / 2).clip(max=len(known) - 1)
        if np.any(np.abs(known[place] - ends_s) > self._bin_size_s / 2):
            return None
        return values[order][place]

    def _connect(self, info: "pylsl.StreamInfo") -> Connection:
        if info.channel_count() < self._channels or info.channel_format() == import_pylsl().cf_string:
            raise BadInputError(f"expected {self._channels} numbers")
        return connect(info, BUFFER_S, KEPT_BINS)
