"""What the population of a session gave, bin by bin, and what drove it: enough to make it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.card import Card
from spikeloop.models.arrays import Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import lengths_of, pad_repeats
from spikeloop.streamer.stream.step import MOST_SPIKES, bin_end_s, timed_spikes

__all__ = ["Generated", "GeneratedLog", "counts_held"]


@dataclass(frozen=True, eq=False)
class Generated:
    """The population's own spikes, of all its units, whatever of them reached the decoder.

    Attributes
    ----------
    provenance : Provenance
    unit_names : tuple of str
    channels : tuple of Condition
    bins : array of shape (bins,), int64
        The number of each bin, from 0 at the population's start.
    counts : array of shape (bins, units), uint8
    conditions : array of shape (bins, channels), float32
        NaN where it is not known what drove a bin.
    session_bins : array of shape (bins of the session,), int64
        The numbers of those that the session had, in its order.
    acts : tuple of str
        What was done to the population's stream, as NAME-Markers has it.
    """

    provenance: Provenance
    unit_names: tuple[str, ...]
    channels: tuple[Condition, ...]
    bins: NDArray[np.int64]
    counts: NDArray[np.uint8]
    conditions: NDArray[np.float32]
    session_bins: NDArray[np.int64]
    acts: tuple[str, ...] = ()

    @property
    def session_ends_s(self) -> Floats:
        """When each bin of the session ended, s, by the clock of the provenance."""
        return bin_end_s(self.provenance.start_s, self.provenance.bin_size_s, self.session_bins)

    def recording(self) -> Recording:
        """Return the session as a recording: a repeat for each run of bins without a gap.

        Bins of which it is not known what drove them are left out. The spikes' own times are those of the seed, where
        no bin is missing and nothing was done to the stream.
        """
        made_by, known = self.provenance, np.isfinite(self.conditions).all(axis=1)
        bins, counts, conditions = self.bins[known], self.counts[known], self.conditions[known]
        cuts = np.flatnonzero(np.diff(bins) != 1) + 1
        parts = np.split(counts, cuts)
        first = bins[np.concatenate([[0], cuts]).astype(int)]
        whole = len(parts) == 1 and bins[0] == 0 and not self.acts
        random = random_stream(made_by.seed, Purpose.EVENT_TIMES)
        return Recording(
            pad_repeats(parts),
            made_by.bin_size_s,
            self.unit_names,
            name=made_by.bundle,
            origin=f"a closed loop of {made_by.bundle} ({made_by.sha256[:12]}), seed {made_by.seed}",
            channels=self.channels,
            driven_by=pad_repeats(np.split(conditions, cuts)),
            lengths=lengths_of(map(len, parts)),
            starts_s=tuple((made_by.start_s + first * made_by.bin_size_s).tolist()),
            provenance=made_by,
            spike_times=timed_spikes(counts, 0, made_by.start_s, made_by.bin_size_s, random) if whole else None,
        )


def counts_held(counts: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    """Put the counts of bins together, (bins, units); of more than 255 of a unit in a bin, the first 255."""
    return np.array(counts).clip(max=MOST_SPIKES).astype(np.uint8)


class GeneratedLog:
    """Gathers what a population gives, bin after bin from its start.

    Parameters
    ----------
    card : Card
    provenance : Provenance
    """

    def __init__(self, card: Card, provenance: Provenance) -> None:
        self.card, self.provenance = card, provenance
        self._counts: list[NDArray[Any]] = []
        self._conditions: list[NDArray[np.float32]] = []

    def add(self, counts: NDArray[Any], conditions: NDArray[np.float32]) -> None:
        """Add the next bin: counts, (units,), and what drove it, (channels,)."""
        self._counts.append(counts)
        self._conditions.append(conditions)

    def generated(self) -> Generated | None:
        """Return all bins so far; None where there are none."""
        if not self._counts:
            return None
        bins = np.arange(len(self._counts))
        counts, conditions = counts_held(self._counts), np.array(self._conditions, np.float32)
        return Generated(self.provenance, self.card.unit_names, self.card.channels, bins, counts, conditions, bins)
