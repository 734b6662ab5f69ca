"""Numbers that come live over LSL, from a stream that may fall silent, vanish, and return."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.connection import Connection, connect
from spikeloop.streamer.lsl.follower import Follower, list_streams, named
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.lsl.notices import namesakes_notice
from spikeloop.streamer.lsl.stream_query import StreamQuery

if TYPE_CHECKING:
    import pylsl

__all__ = ["LslSamples"]

APPEARS_WITHIN_S = 5.0
BUFFER_SAMPLES = 1000  # that wait in LSL at least; of a fast stream, those of a second
MOST_SAMPLES = 4096  # handled at once, about 0.3 ms; what is beyond is discarded


class LslSamples:
    """Follows the LSL stream of a name, as `Follower` does, from entering to leaving the context.

    Streams with another number of channels, or of text, are not followed, and reported.

    Parameters
    ----------
    name : str
        Of the stream; `NAME?source_id=ID&host=HOST` where several have the name.
    labels : sequence of str
        Of its channels.
    appears_within_s : float > 0, s
        How long to wait for it on entering.
    option : str
        The command line's option that asked for it, named in the error where it is not there.

    Raises
    ------
    BadInputError
        If the name is none; on entering, if no such stream appears; lists what is on the network.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    def __init__(
        self, name: str, labels: Sequence[str], appears_within_s: float = APPEARS_WITHIN_S, option: str = "--condition"
    ) -> None:
        self._query = StreamQuery.parse(name, option)
        self.name = self._query.name
        self._labels, self._appears_within_s, self._option = tuple(labels), appears_within_s, option
        self._follower = Follower(named(self._query), self._connect, "spikeloop-samples")

    def __enter__(self) -> Self:
        self._lsl = import_pylsl()
        with ExitStack() as opened:
            if not opened.enter_context(self._follower).wait(self._appears_within_s):
                raise BadInputError(self._nothing_found())
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @property
    def absent(self) -> bool:
        """Whether there is no stream."""
        return self._follower.absent

    @property
    def refused(self) -> str:
        """The latest stream that could not be followed, and why; empty once one is."""
        return self._follower.refused

    @property
    def connections(self) -> int:
        """Times that a connection was made."""
        return self._follower.connections

    @property
    def namesakes(self) -> str:
        """Which other streams have the name, and what to do, in a sentence; empty where none has."""
        if not self._follower.namesakes or self.name is None:
            return ""
        return namesakes_notice(self.name, self._follower, f"lsl:{self.name}?source_id=ID&host=HOST")

    def give_up(self) -> None:
        """End what goes on in other threads, also an entering, without waiting for it."""
        self._follower.give_up()

    def now(self) -> float:
        """The present, s, on this machine's LSL clock."""
        return self._lsl.local_clock()

    def pull(self) -> tuple[Floats, NDArray[Any]]:
        """Pull what has arrived since; at once.

        Returns
        -------
        stamps_s : array of shape (samples,), float64, s
            On this machine's LSL clock.
        values : array of shape (samples, channels)
        """
        chunk = self._follower.pull()
        if chunk is None:
            return np.empty(0), np.empty((0, len(self._labels)))
        if len(chunk.stamps_s) == MOST_SAMPLES:
            chunk.connection.inlet.flush()
        return chunk.local_s, chunk.values

    def _connect(self, info: "pylsl.StreamInfo") -> Connection:
        is_text = info.channel_format() == self._lsl.cf_string
        if info.channel_count() != len(self._labels) or is_text:
            found = f"{info.channel_count()} {'texts' if is_text else 'numbers'}"
            raise BadInputError(f"expected {len(self._labels)} numbers, found {found}")
        rate_hz = info.nominal_srate()
        rate_hz = rate_hz if rate_hz > 0 else 100  # LSL counts the samples of irregular streams in hundreds
        buffer_s = min(BUFFER_SAMPLES, max(1, math.ceil(BUFFER_SAMPLES / rate_hz)))
        return connect(info, buffer_s, MOST_SAMPLES)

    def _nothing_found(self) -> str:
        refused = self._follower.refused
        found = refused or list_streams(self._follower.on_network) or "no stream at all"
        advice = "let its sender send these" if refused else "start its sender first"
        return (
            f"{self._option}: expected an LSL stream named {self._query} of {len(self._labels)} numbers"
            f" ({', '.join(self._labels)}) within {self._appears_within_s:g} s, found {found}; {advice}"
        )
