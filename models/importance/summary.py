"""What importance maps say of a population: which units matter, after whom, and in which patterns.

All of it comes from sums over windows that can be added, so that a running summary is that of all windows so far. A bin
in which a unit fires counts once, as it does in a map, however many spikes it holds; it is called a spike here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats, Windows
from spikeloop.models.importance.maps import SPAN_BINS

__all__ = [
    "MOST_WORDS",
    "Agreement",
    "ImportanceSummary",
    "ImportanceSums",
    "Pattern",
    "RatioSums",
    "agreement",
    "importance_sums",
    "summarise_importance",
]

Words = Mapping[bytes, tuple[float, float]]

MOST_WORDS = 4096  # that sums keep; the rarest beyond are forgotten
LEAST_SPIKES = 2  # of a pattern: a single spike adds nothing to the importance of its unit
PATTERNS = 20


@dataclass(frozen=True, eq=False)
class RatioSums:
    """Sums over windows of a total and a number whose ratio is wanted; arrays of one shape.

    Attributes
    ----------
    total, number : of each window, summed
    total_squares, products, number_squares : their squares and products, summed
    """

    total: Floats
    number: Floats
    total_squares: Floats
    products: Floats
    number_squares: Floats

    def __add__(self, other: "RatioSums") -> "RatioSums":
        return RatioSums(
            *(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    @property
    def mean(self) -> Floats:
        """Total over number; NaN where there is nothing."""
        return _ratio(self.total, self.number)

    def standard_error(self, windows: int) -> Floats:
        """Of the mean, from the spread of so many windows, as spikes of one depend on each other.

        That of a ratio estimate (Cochran 1977, chapter 6). NaN where there is nothing, or only one window.
        """
        mean = self.mean
        squares = self.total_squares - 2 * mean * self.products + mean**2 * self.number_squares
        return _ratio(np.sqrt(np.maximum(0.0, squares) * _bessel(windows)), self.number)


@dataclass(frozen=True, eq=False)
class ImportanceSums:
    """Sums over windows and their maps; those of some windows and of others add up to those of all.

    Attributes
    ----------
    windows : how many
    units : of each unit's spikes, (units,)
    lags : of spikes that come 0, 1, ... bins after one of another unit, once for each of these, (lags,)
    own_lags : the same after one of the unit itself, (lags,); none at lag 0
    words : by which units fire, how often that is so and the total importance of these spikes; see `importance_sums`
    word_bins : bins of a word
    """

    windows: int
    units: RatioSums
    lags: RatioSums
    own_lags: RatioSums
    words: Words
    word_bins: int

    def __add__(self, other: "ImportanceSums") -> "ImportanceSums":
        mine, theirs = (
            (len(summary.units.total), len(summary.lags.total), summary.word_bins) for summary in (self, other)
        )
        if mine != theirs:
            raise ValueError(
                f"expected sums of {mine[0]} units, {mine[1]} lags and words of {mine[2]} bins, got {theirs[0]},"
                f" {theirs[1]} and {theirs[2]}"
            )
        words = dict(self.words)
        for word, (times, importance) in other.words.items():
            before = words.get(word, (0.0, 0.0))
            words[word] = before[0] + times, before[1] + importance
        return ImportanceSums(
            self.windows + other.windows,
            self.units + other.units,
            self.lags + other.lags,
            self.own_lags + other.own_lags,
            _commonest(words),
            self.word_bins,
        )


@dataclass(frozen=True)
class Pattern:
    """Units that fire together.

    Attributes
    ----------
    spikes : bin, from the first, and unit of each
    occurrences : how often just these fire in these bins
    importance : mean of its spikes
    """

    spikes: tuple[tuple[int, int], ...]
    occurrences: float
    importance: float


@dataclass(frozen=True, eq=False)
class ImportanceSummary:
    """Which spikes matter; NaN where there are none.

    Attributes
    ----------
    spikes : of each unit, (units,)
    importance, importance_error : mean of a unit's spikes, and its standard error, (units,)
    window_importance, window_error : total of a unit's spikes in a window, its mean over windows and the standard
        error of that, (units,)
    lag_importance, lag_error : mean of spikes that come 0, 1, ... bins after one of another unit, once for each of
        these, and its standard error, (lags,)
    own_lag_importance, own_lag_error : the same after one of the unit itself, (lags,)
    patterns : the commonest words of two spikes or more, from the commonest on
    """

    windows: int
    spikes: Floats
    importance: Floats
    importance_error: Floats
    window_importance: Floats
    window_error: Floats
    lag_importance: Floats
    lag_error: Floats
    own_lag_importance: Floats
    own_lag_error: Floats
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Agreement:
    """How alike two maps of the same windows are, over their spikes.

    Attributes
    ----------
    rank_correlation, correlation : Spearman's and Pearson's; NaN where either does not vary
    spikes : that were compared
    """

    rank_correlation: float
    correlation: float
    spikes: int


def importance_sums(maps: NDArray[Any], windows: Windows, lags: int = SPAN_BINS, word_bins: int = 1) -> ImportanceSums:
    """Sum importance over windows, by unit, lag and word.

    Parameters
    ----------
    maps, windows : arrays of shape (windows, bins, units)
    lags : int >= 0
        Number of lags, from 0 on.
    word_bins : int >= 1
        A word is what fires in so many adjacent bins, of which the first is not empty, and only words of
        two spikes or more count

    Raises
    ------
    ValueError
        If shapes differ, `lags` is negative, or words are empty or longer than windows.
    """
    bins = windows.shape[1]
    if maps.shape != windows.shape or lags < 0 or not 1 <= word_bins <= bins:
        raise ValueError(
            f"expected maps and windows of one shape, lags of 0 or more and words of 1 to {bins} bins, got {maps.shape}"
            f" and {windows.shape}, {lags} and {word_bins}"
        )
    maps, fires = maps.astype(np.float64), (windows > 0).astype(np.float64)
    own_total, total = _lag_totals(maps, fires, lags)
    own_number, number = _lag_totals(fires, fires, lags)
    return ImportanceSums(
        windows=len(windows),
        units=_ratio_sums(maps.sum(axis=1), fires.sum(axis=1)),
        lags=_ratio_sums(total, number),
        own_lags=_ratio_sums(own_total, own_number),
        words=_commonest(_words(maps, fires, word_bins)),
        word_bins=word_bins,
    )


def summarise_importance(sums: ImportanceSums, patterns: int = PATTERNS) -> ImportanceSummary:
    """Means and standard errors of sums, and the commonest patterns."""
    windows, units = sums.windows, sums.units
    mean = _ratio(units.total, np.full_like(units.total, windows))
    spread = np.maximum(0.0, _ratio(units.total_squares, np.full_like(mean, windows)) - mean**2)
    commonest = sorted(sums.words.items(), key=lambda word: (-word[1][0], word[0]))[:patterns]
    return ImportanceSummary(
        windows=windows,
        spikes=units.number,
        importance=units.mean,
        importance_error=units.standard_error(windows),
        window_importance=mean,
        window_error=np.sqrt(_ratio(spread * _bessel(windows), np.full_like(mean, windows))),
        lag_importance=sums.lags.mean,
        lag_error=sums.lags.standard_error(windows),
        own_lag_importance=sums.own_lags.mean,
        own_lag_error=sums.own_lags.standard_error(windows),
        patterns=tuple(_pattern(word, *of_word, sums.word_bins, len(mean)) for word, of_word in commonest),
    )


def agreement(maps: NDArray[Any], others: NDArray[Any], windows: Windows) -> Agreement:
    """Of two maps of the same windows, (windows, bins, units)."""
    from scipy.stats import rankdata

    spikes = windows > 0
    one, other = maps[spikes].astype(np.float64), others[spikes].astype(np.float64)
    return Agreement(_correlation(rankdata(one), rankdata(other)), _correlation(one, other), len(one))


def _correlation(one: Floats, other: Floats) -> float:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _lag_totals(values: Floats, fires: Floats, lags: int) -> tuple[Floats, Floats]:
    """Of values at spikes so many bins after one of the unit itself, and of others, both (windows, lags)."""
    windows, bins, _ = values.shape
    own, others = np.zeros((windows, lags)), np.zeros((windows, lags))
    for lag in range(min(lags, bins)):
        earlier, later = fires[:, : bins - lag], values[:, lag:]
        own[:, lag] = np.einsum("wbu,wbu->w", earlier, later)
        others[:, lag] = np.einsum("wb,wb->w", earlier.sum(axis=2), later.sum(axis=2)) - own[:, lag]
    own[:, :1] = 0.0  # no spike comes after itself
    return own, others


def _ratio_sums(total: Floats, number: Floats) -> RatioSums:
    """Of totals and numbers a window, (windows, ...)."""
    parts = total, number, total**2, total * number, number**2
    return RatioSums(*(part.sum(axis=0) for part in parts))


def _words(maps: Floats, fires: Floats, bins: int) -> dict[bytes, tuple[float, float]]:
    """Words by their bits, bin after bin."""
    words: dict[bytes, tuple[float, float]] = {}
    spikes = sliding_window_view(fires.sum(axis=2), bins, axis=1)  # (windows, places, bins)
    window, place = np.nonzero((spikes.sum(axis=2) >= LEAST_SPIKES) & (spikes[..., 0] > 0))
    importance = sliding_window_view(maps.sum(axis=2), bins, axis=1)[window, place].sum(axis=1)
    cells = fires[window[:, np.newaxis], place[:, np.newaxis] + np.arange(bins)] > 0  # (words, bins, units)
    for word, total in zip(
        np.packbits(cells.reshape(len(cells), bins * fires.shape[2]), axis=1), importance.tolist(), strict=True
    ):
        times, before = words.get(word.tobytes(), (0.0, 0.0))
        words[word.tobytes()] = times + 1, before + total
    return words


def _commonest(words: dict[bytes, tuple[float, float]]) -> dict[bytes, tuple[float, float]]:
    """At most twice `MOST_WORDS`, or else the commonest `MOST_WORDS`."""
    if len(words) <= 2 * MOST_WORDS:
        return words
    return dict(sorted(words.items(), key=lambda word: -word[1][0])[:MOST_WORDS])


def _pattern(word: bytes, times: float, importance: float, bins: int, units: int) -> Pattern:
    cells = np.unpackbits(np.frombuffer(word, np.uint8), count=bins * units).reshape(bins, units)
    spikes = tuple((int(bin_), int(unit)) for bin_, unit in np.argwhere(cells))
    return Pattern(spikes, times, importance / (times * len(spikes)))


def _ratio(total: Floats, number: Floats) -> Floats:
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def _bessel(windows: int) -> float:
    return windows / (windows - 1) if windows > 1 else np.nan
