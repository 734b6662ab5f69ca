"""The account of a run of a stream at one consumer: which bins came, and which are missing, doubled, late or wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Account", "Span", "account", "excused", "spans_of"]


@dataclass(frozen=True)
class Span:
    """Bins in a row.

    Attributes
    ----------
    first, last : int
        Numbers of the first and of the last one.
    """

    first: int
    last: int

    @property
    def bins(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Of each of them."""
        return np.arange(self.first, self.last + 1)


@dataclass(frozen=True)
class Account:
    """What came of a run.

    Attributes
    ----------
    bins : int
        That came, each counted once.
    first, last : int
        Numbers of the first and of the last one; -1 where none came.
    missing : tuple of Span
        Between the first and the last one.
    doubled : int
        That came once more.
    disordered : int
        That came after a later one, for the first time.
    wrong : int
        Whose counts are not those that the seed gives, or whose stamp is the end of no bin.
    """

    bins: int
    first: int
    last: int
    missing: tuple[Span, ...] = ()
    doubled: int = 0
    disordered: int = 0
    wrong: int = 0

    @property
    def missing_bins(self) -> int:
        """How many are missing."""
        return sum(span.bins for span in self.missing)


def account(numbers: NDArray[np.int64], sums: NDArray[np.uint32], truth: NDArray[np.uint32]) -> Account:
    """Account for the bins of a run.

    Parameters
    ----------
    numbers : array of shape (arrivals,)
        Of the bins, in the order in which they came; negative where there is no such bin.
    sums : array of shape (arrivals,)
        Checksums of their counts.
    truth : array of shape (bins,)
        Checksums of all bins of the run.
    """
    sound = (numbers >= 0) & (numbers < len(truth))
    right = sound.copy()
    right[sound] = truth[numbers[sound]] == sums[sound]
    came = numbers[sound]
    if not len(came):
        return Account(0, -1, -1, wrong=int((~right).sum()))
    present, first_places = np.unique(came, return_index=True)
    latest = np.maximum.accumulate(came)
    return Account(
        len(present),
        int(present[0]),
        int(present[-1]),
        spans_of(np.setdiff1d(np.arange(present[0], present[-1] + 1), present)),
        doubled=len(came) - len(present),
        disordered=int((came[first_places] < latest[first_places]).sum()),
        wrong=int((~right).sum()),
    )


def spans_of(numbers: NDArray[np.int64]) -> tuple[Span, ...]:
    """Join numbers, ascending, to spans."""
    if not len(numbers):
        return ()
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return tuple(Span(int(part[0]), int(part[-1])) for part in parts)


def excused(
    ends_s: NDArray[np.float64], sent_s: NDArray[np.float64], times: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """Say of each bin whether it could be lost in one of these times: whether it was sent in it, or should have been.

    Parameters
    ----------
    ends_s, sent_s : arrays of shape (bins,), s
        When bins ended, and when they were sent, which is later on a busy machine; of LSL's clock.
    times : sequence of (float, float), s
        From when until when bins may have been lost.

    Returns
    -------
    array of shape (bins,), bool
    """
    found = np.zeros(len(ends_s), np.bool_)
    for from_s, until_s in times:
        found |= (sent_s >= from_s) & (ends_s <= until_s)
    return found
