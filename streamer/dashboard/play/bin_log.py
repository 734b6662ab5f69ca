"""What a stream gave, what drove it and what was done to it, bin by bin since it began; for files of sessions."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.card import Card
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.capture.acts import parse_act
from spikeloop.streamer.closedloop.experiment.generated import Generated, counts_held

__all__ = ["BinLog"]

MOST_BINS = 2**20  # that are kept; hours, and 100 MB of 96 units


class BinLog:
    """Counts and conditions of a run of a stream; of too many bins, the oldest are forgotten.

    Parameters
    ----------
    units : int
    rest : array of shape (channels,)
        What drives the stream until somebody steers it: where the conditions come later than the first counts, and
        begin with this, it drove those too.
    """

    def __init__(self, units: int, rest: NDArray[np.float32]) -> None:
        self._first: int | None = None
        self._rest, self._driven, channels = rest, False, len(rest)
        self._counts = np.zeros((0, units), np.uint8)
        self._conditions = np.zeros((0, channels), np.float32)
        self._came = np.zeros(0, bool)
        self._bins = 0  # of the arrays, that are in use
        self._acts: list[str] = []

    def add_counts(self, first_bin: int, counts: Counts) -> None:
        """Add bins from this number on."""
        place = self._place(first_bin, len(counts))
        if place is not None:
            self._counts[place] = counts_held(list(counts))
            self._came[place] = True

    def add_conditions(self, first_bin: int, values: NDArray[np.float32]) -> None:
        """Add what drove bins from this number on; further channels than the model's are left out."""
        if self._first is None:
            return
        known = values[max(0, self._first - first_bin) :, : self._conditions.shape[1]]
        place = self._place(max(first_bin, self._first), len(known))
        if place is not None:
            self._conditions[place] = known
            if not self._driven and np.array_equal(known[0], self._rest):
                self._conditions[: place.start] = self._rest
            self._driven = True

    def add_marker(self, text: str) -> None:
        """Add a marker; only those of acts on the stream are kept."""
        if parse_act(text) is not None:
            self._acts.append(text)

    def counts_of(self, bins: NDArray[np.integer]) -> Counts:
        """Return the counts of these bins, (bins, units); BadInputError where they are forgotten."""
        return self._counts[self._rows(bins)]

    def conditions_of(self, bins: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return what drove these bins, (bins, channels); NaN where that is not known, and errors as of counts."""
        return self._conditions[self._rows(bins)]

    def generated(self, made_by: Provenance, card: Card, session_bins: NDArray[np.int64]) -> Generated:
        """Return all bins up to the session's last, of which the session had those; errors as of counts."""
        upto = int(self._rows(session_bins)[-1]) + 1
        assert self._first is not None
        came = np.flatnonzero(self._came[:upto])
        return Generated(
            made_by, card.unit_names, card.channels, came + self._first, self._counts[came], self._conditions[came],
            session_bins, tuple(self._acts),
        )  # fmt: skip

    def _rows(self, bins: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return where bins are held; BadInputError where they are forgotten."""
        if self._first is None or np.min(bins, initial=self._first) < self._first:
            raise BadInputError("this was too long ago to be saved; save a game soon after it is over")
        return np.asarray(bins) - self._first

    def _place(self, first_bin: int, bins: int) -> slice | None:
        """Make room for bins, and say where; None where they were forgotten."""
        if self._first is None:
            self._first = first_bin
        begin = first_bin - self._first
        if begin < 0 or not bins:
            return None
        if begin - self._bins > MOST_BINS:  # the stream has jumped: nothing of before is near it
            self._first, self._bins, begin = first_bin, 0, 0
            self._counts, self._conditions, self._came = self._counts[:0], self._conditions[:0], self._came[:0]
        if begin + bins > len(self._came):
            self._grow(begin + bins)
            begin = first_bin - self._first
        self._bins = max(self._bins, begin + bins)
        return slice(begin, begin + bins)

    def _grow(self, bins: int) -> None:
        assert self._first is not None
        forgotten = min(self._bins, max(0, bins - MOST_BINS))
        forgotten = max(forgotten, self._bins // 2) if forgotten else 0  # rarely, as it takes a moment
        more = max(4096, min(bins, MOST_BINS)) + bins - len(self._came)
        for name, fill in (("_counts", 0), ("_conditions", np.nan), ("_came", False)):
            kept = getattr(self, name)[forgotten:]
            added = np.full((more, *kept.shape[1:]), fill, kept.dtype)
            setattr(self, name, np.concatenate([kept, added]))
        self._first += forgotten
        self._bins -= forgotten
