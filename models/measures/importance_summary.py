"""What importance maps say of a population: which units matter, after whom, and in which patterns.

All of it comes from sums over windows that can be added, so that a running summary is that of all windows so far. A bin
in which a unit fires counts once, as it does in a map, however many spikes it holds; it is called a spike here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.measures.importance import SPAN_BINS

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

Floats = NDArray[np.float64]
Windows = NDArray[Any]
Words = Mapping[bytes, tuple[float, float]]

MOST_WORDS = 4096  # that sums keep; the rarest beyond are forgotten
LEAST_SPIKES = 2  # of a word: what single ones tell, units do
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

    def faded(self, factor: float) -> "RatioSums":
        """Every sum times a factor."""
        return RatioSums(*(factor * each for each in vars(self).values()))

    @property
    def mean(self) -> Floats:
        """Total over number; NaN where there is nothing."""
        return _ratio(self.total, self.number)

    def standard_error(self, windows: float) -> Floats:
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
    windows : how many; of faded ones less
    units : of each unit's spikes, (units,)
    lags : of spikes that come 0, 1, ... bins after one of another unit, once for each of these, (lags,)
    own_lags : the same after one of the unit itself, (lags,); none at lag 0
    pair_spikes, pair_importance : number and total importance of spikes of unit j that come so many bins after one of
        unit i, (lags, units, units)
    words : by which units fire, how often that is so and the total importance of these spikes; see `importance_sums`
    word_bins : bins of a word
    forgotten : occurrences of rare words that are no longer among `words`
    """

    windows: float
    units: RatioSums
    lags: RatioSums
    own_lags: RatioSums
    pair_spikes: Floats
    pair_importance: Floats
    words: Words
    word_bins: int
    forgotten: float = 0.0

    def __add__(self, other: "ImportanceSums") -> "ImportanceSums":
        if self.pair_spikes.shape != other.pair_spikes.shape or self.word_bins != other.word_bins:
            raise ValueError(
                f"expected sums of the same lags, units and bins of a word, got {self.pair_spikes.shape} and"
                f" {self.word_bins}, {other.pair_spikes.shape} and {other.word_bins}"
            )
        words = dict(self.words)
        for word, (times, importance) in other.words.items():
            before = words.get(word, (0.0, 0.0))
            words[word] = before[0] + times, before[1] + importance
        words, forgotten = _commonest(words)
        return ImportanceSums(
            self.windows + other.windows,
            self.units + other.units,
            self.lags + other.lags,
            self.own_lags + other.own_lags,
            self.pair_spikes + other.pair_spikes,
            self.pair_importance + other.pair_importance,
            words,
            self.word_bins,
            self.forgotten + other.forgotten + forgotten,
        )

    def faded(self, factor: float) -> "ImportanceSums":
        """Every sum times a factor of 0 to 1, so that what is added later counts for more.

        Standard errors are then too large rather than too small, as a window of weight w counts w in the spread, not
        its square.
        """
        return replace(
            self,
            windows=factor * self.windows,
            units=self.units.faded(factor),
            lags=self.lags.faded(factor),
            own_lags=self.own_lags.faded(factor),
            pair_spikes=factor * self.pair_spikes,
            pair_importance=factor * self.pair_importance,
            words={word: (factor * times, factor * total) for word, (times, total) in self.words.items()},
            forgotten=factor * self.forgotten,
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
    pair_spikes, pair_importance : number and mean importance of spikes of unit j that come so many bins after one of
        unit i, (lags, units, units)
    patterns : the commonest words of two spikes or more, from the commonest on
    """

    windows: float
    spikes: Floats
    importance: Floats
    importance_error: Floats
    window_importance: Floats
    window_error: Floats
    lag_importance: Floats
    lag_error: Floats
    own_lag_importance: Floats
    own_lag_error: Floats
    pair_spikes: Floats
    pair_importance: Floats
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
    """The sums of windows and their maps, both (windows, bins, units).

    Takes memory of `lags` times the windows: add up those of pieces.

    Parameters
    ----------
    lags : how many, from 0 on. Pairs take lags * units**2 numbers twice over: take none for very many units
    word_bins : a word is what fires in so many adjacent bins, of which the first is not empty, and only words of
        two spikes or more count

    Raises
    ------
    ValueError
        If shapes differ, `lags` is negative, or words are empty or longer than windows.
    """
    _, bins, units = windows.shape
    if maps.shape != windows.shape or lags < 0 or not 1 <= word_bins <= bins:
        raise ValueError(
            f"expected maps and windows of one shape, lags of 0 or more and words of 1 to {bins} bins, got {maps.shape}"
            f" and {windows.shape}, {lags} and {word_bins}"
        )
    maps, fires = maps.astype(np.float64), (windows > 0).astype(np.float64)
    before = _before(fires, lags)  # (lags, windows, bins, units)
    both = np.concatenate([fires, maps], axis=2).reshape(-1, 2 * units)
    pairs = before.reshape(lags, len(both), units).swapaxes(1, 2) @ both
    own = _lag_totals(before[1:], maps), _lag_totals(before[1:], fires)
    population = before.sum(axis=3)
    of_others = (
        np.einsum("lwb,wb->wl", population, each.sum(axis=2)) - _lag_totals(before, each) for each in (maps, fires)
    )
    words, forgotten = _commonest(_words(maps, fires, word_bins))
    pair_spikes, pair_importance = np.split(pairs, 2, axis=2)
    return ImportanceSums(
        windows=len(windows),
        units=_ratio_sums(maps.sum(axis=1), fires.sum(axis=1)),
        lags=_ratio_sums(*of_others),
        own_lags=_ratio_sums(*(np.pad(each, ((0, 0), (min(1, lags), 0))) for each in own)),
        pair_spikes=pair_spikes,
        pair_importance=pair_importance,
        words=words,
        word_bins=word_bins,
        forgotten=forgotten,
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
        pair_spikes=sums.pair_spikes,
        pair_importance=_ratio(sums.pair_importance, sums.pair_spikes),
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


def _before(fires: Floats, lags: int) -> Floats:
    """What fired 0, 1, ... bins before, (lags, windows, bins, units); nothing before a window's first bin."""
    shifted = np.zeros((lags, *fires.shape))
    for lag in range(min(lags, fires.shape[1])):
        shifted[lag, :, lag:] = fires[:, : fires.shape[1] - lag]
    return shifted


def _lag_totals(before: Floats, values: Floats) -> Floats:
    """Of values, (windows, bins, units), where the same unit fired so many bins before, (windows, lags)."""
    return np.einsum("lwbu,wbu->wl", before, values)


def _ratio_sums(total: Floats, number: Floats) -> RatioSums:
    """Of totals and numbers a window, (windows, ...)."""
    parts = total, number, total**2, total * number, number**2
    return RatioSums(*(each.sum(axis=0) for each in parts))


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


def _commonest(words: dict[bytes, tuple[float, float]]) -> tuple[dict[bytes, tuple[float, float]], float]:
    """At most twice `MOST_WORDS`, or else the commonest `MOST_WORDS`, and how many occurrences were forgotten."""
    if len(words) <= 2 * MOST_WORDS:
        return words, 0.0
    kept = dict(sorted(words.items(), key=lambda word: -word[1][0])[:MOST_WORDS])
    return kept, sum(times for times, _ in words.values()) - sum(times for times, _ in kept.values())


def _pattern(word: bytes, times: float, importance: float, bins: int, units: int) -> Pattern:
    cells = np.unpackbits(np.frombuffer(word, np.uint8), count=bins * units).reshape(bins, units)
    spikes = tuple((int(bin_), int(unit)) for bin_, unit in np.argwhere(cells))
    return Pattern(spikes, times, importance / (times * len(spikes)))


def _ratio(total: Floats, number: Floats) -> Floats:
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def _bessel(windows: float) -> float:
    return windows / (windows - 1) if windows > 1 else np.nan
