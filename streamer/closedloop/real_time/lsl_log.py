"""What a population over LSL gave and what drove it, kept for the file of a session."""

import time
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.card import Card
from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.provenance import Provenance, bin_numbers, parse_provenance
from spikeloop.streamer.closedloop.experiment.generated import Generated, counts_held
from spikeloop.streamer.lsl.condition_tap import ConditionTap
from spikeloop.streamer.lsl.description import FACTS, StreamDescription

__all__ = ["LslLog", "made_by_of"]

PULL_EVERY = 50  # bins, in which the conditions wait in LSL's buffer
KEPT_BINS = 2**24
LATEST_WITHIN_S = 1.0  # in which the last conditions come, as they are on another connection than the counts


class LslLog:
    """Follows NAME-Condition, and takes the counts that come beside it, from entering to leaving the context.

    Parameters
    ----------
    name : str
        Of the stream of counts.
    card : Card
        Of its bundle.
    """

    def __init__(self, name: str, card: Card) -> None:
        self._card = card
        self._tap = ConditionTap(name, len(card.channels), card.bin_size_s, KEPT_BINS)
        self._counts: list[NDArray[Any]] = []
        self._ends_s: list[float] = []
        self._session_s: list[float] = []
        self._generated: Generated | None = None

    def __enter__(self) -> Self:
        self._tap.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._tap.__exit__(*error)

    def received(self, counts: NDArray[Any], ends_s: Floats) -> None:
        """Keep bins that came: counts, (bins, units), and their ends, (bins,), s."""
        self._counts += list(counts)
        self._ends_s += ends_s.tolist()

    def handed_out(self, end_s: float) -> None:
        """Note that the session has the bin that ended then."""
        self._session_s.append(end_s)
        if len(self._session_s) % PULL_EVERY == 0:
            self._tap.pull()

    def finish(self, description: StreamDescription | None) -> None:
        """Wait a moment for the last conditions, and put all together; before the streams are closed."""
        made_by = made_by_of(description, self._card.bin_size_s)
        if not self._session_s or made_by is None:
            return
        deadline_s = time.monotonic() + LATEST_WITHIN_S
        self._tap.pull()
        last_s = self._ends_s[-1] - self._card.bin_size_s / 2
        while self._tap.latest_s < last_s and time.monotonic() < deadline_s:
            time.sleep(0.01)
            self._tap.pull()
        bins, session = (bin_numbers(np.array(ends_s), made_by) for ends_s in (self._ends_s, self._session_s))
        driven_s, driving = self._tap.kept
        driven = dict(zip(bin_numbers(driven_s, made_by).tolist(), driving, strict=True))
        unknown = np.full(len(self._card.channels), np.nan, np.float32)
        conditions = np.array([driven.get(number, unknown) for number in bins.tolist()], np.float32)
        if not np.isfinite(conditions).any():
            return
        counts = counts_held(self._counts)
        names, channels = self._card.unit_names, self._card.channels
        self._generated = Generated(made_by, names, channels, bins, counts, conditions, session)

    def generated(self) -> Generated | None:
        """Return all bins, when the streams are closed; None where none came."""
        return self._generated


def made_by_of(description: StreamDescription | None, bin_size_s: float) -> Provenance | None:
    """Return what a stream says that made its spikes; None where it does not say all of it."""
    if description is None or None in (said := [getattr(description, name) for name in FACTS]):
        return None
    facts = dict(zip(FACTS, said, strict=True))
    return parse_provenance(facts | {"bin_size_s": bin_size_s, "signal": "spikes"})
