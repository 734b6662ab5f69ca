"""Whether memory, descriptors and threads of a process stay flat after it has warmed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "Flatness", "flatness", "thinned"]

WARM_UP_S = 600.0
LEAST_S = 1500.0  # behind the warm-up, for a verdict
MOST_POINTS = 300  # of which every two give a slope
MOST_GROWTH_MB_H = 1.0
MOST_MORE = 2  # descriptors or threads, of connections that come and go


class Figures(NamedTuple):
    """Of a process at one time; resident memory in bytes, time in s."""

    at_s: float
    rss_bytes: int
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Flatness:
    """How the figures of a process went.

    Attributes
    ----------
    followed_s : float, s
        Time behind the warm-up.
    rss_mb : float, MB
        The median of all.
    growth_mb_h : float, MB an hour
        Slope of its resident memory: the median over every two times (Theil and Sen), which a few steps don't move.
    descriptors, threads : int
        Median at the end minus median at the beginning.
    judged : bool
        Whether it was followed for long enough.
    """

    followed_s: float
    rss_mb: float
    growth_mb_h: float
    descriptors: int
    threads: int
    judged: bool

    @property
    def holds(self) -> bool:
        """Whether nothing grew; true where it was not followed for long enough."""
        flat = self.growth_mb_h < MOST_GROWTH_MB_H and max(self.descriptors, self.threads) <= MOST_MORE
        return flat or not self.judged


def flatness(figures: Sequence[Figures], warm_up_s: float = WARM_UP_S, least_s: float = LEAST_S) -> Flatness | None:
    """Judge figures of a process, from its start on; None where there are not enough of them.

    Parameters
    ----------
    figures : sequence of Figures
        In the order of time.
    warm_up_s : float, s
        Left out at the beginning; of a short run, its first third.
    least_s : float, s
        For a verdict, behind the warm-up.
    """
    if len(figures) < 3:
        return None
    table = np.array(figures, np.float64)
    passed_s = table[:, 0] - table[0, 0]
    table = table[passed_s >= min(warm_up_s, passed_s[-1] / 3)]
    followed_s = float(table[-1, 0] - table[0, 0])
    third = max(1, len(table) // 3)
    more = np.median(table[-third:], axis=0) - np.median(table[:third], axis=0)
    return Flatness(
        followed_s,
        float(np.median(table[:, 1])) / 1e6,
        _slope(table[:, 0], table[:, 1]) * 3600 / 1e6,
        round(float(more[2])),
        round(float(more[3])),
        followed_s >= least_s,
    )


def thinned(figures: Sequence[Figures]) -> tuple[Figures, ...]:
    """Return some of the figures of a process, evenly chosen, with times since the first."""
    chosen = figures[:: max(1, len(figures) // MOST_POINTS)]
    return tuple(each._replace(at_s=each.at_s - figures[0].at_s) for each in chosen)


def _slope(times: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    chosen = np.unique(np.linspace(0, len(times) - 1, min(len(times), MOST_POINTS)).astype(int))
    times, values = times[chosen], values[chosen]
    one, other = np.triu_indices(len(times), 1)
    passed = times[other] - times[one]
    return float(np.median((values[other] - values[one])[passed > 0] / passed[passed > 0]))
