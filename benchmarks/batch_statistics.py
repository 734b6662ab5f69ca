"""Statistics of spikes: the batch functions beside Elephant's, and the running ones beside the batch functions."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import elephant.spike_train_correlation
import elephant.statistics
import neo
import numpy as np
import quantities
from elephant.conversion import BinnedSpikeTrain
from numpy.typing import NDArray

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.measures.intervals import interspike_interval_cv
from spikeloop.models.measures.running import RunningStatistics, WindowCutter
from spikeloop.models.measures.statistics import (
    autocorrelation,
    expected_counts,
    fano_factor,
    lagged_covariance,
    pairwise_correlation,
    pairwise_covariance,
    population_count_distribution,
)
from spikeloop.models.measures.table import SPIKE_STATISTICS
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import cut_windows

WINDOW_BINS, CHUNK_BINS = 32, 100
AUTOCORRELATION_LAGS = 10
LAGGED_UNITS, LAG = 10, 1  # Elephant takes pairs of units one by one
AGREEMENT = 1e-9
HALF_LIFE_S = 60.0
LONG_BINS, LONG_UNITS, LONG_PIECES = 100_000_000, 4, 20
Counts = NDArray[Any]


def measure(seconds: float) -> dict:
    """Elephant on the retina recording; the running statistics on simulated streams."""
    recording = read_recording("retina")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Elephant and neo warn about themselves
        rows, made_s = _beside_elephant(recording)
    rows += [_after_a_million_bins(), _after_many_bins()]
    rows += [
        _cost(units, reads, seconds / shorter) for units, shorter in ((96, 1), (1024, 4)) for reads in (True, False)
    ]
    return {
        "about": f"Elephant {elephant.__version__} beside our batch functions: the retina recording, its"
        f" {recording.repeats} repeats joined to {recording.counts.size // recording.units:,} bins of"
        f" {recording.units} units (Fano factor: windows of {WINDOW_BINS} bins). Time is the processor's, the least of"
        " three runs (set OMP_NUM_THREADS=1). The largest difference is relative to the largest value.",
        "rows": rows,
        "notes": [
            "Ours start from counts, theirs from spike trains, or binned ones for covariance, correlation and"
            f" autocorrelation; making those of the counts took another {made_s * 1000:.0f} ms.",
            f"Running statistics: windows of {WINDOW_BINS} bins; cost is that of two instances together, since the"
            f" start and with a half-life of {HALF_LIFE_S:g} s, fed chunks of {CHUNK_BINS} bins at 1 kHz and 20 Hz a"
            " unit; with reading, both give all statistics once a second.",
        ],
    }


def _row(what: str, ours: float | str, theirs: float | str, ratio: float | str, difference: float | str) -> dict:
    row = {
        "what": what,
        "ours": ours,
        "theirs": theirs,
        "theirs / ours": ratio,
        "largest relative difference": difference,
    }
    print(row, flush=True)
    return row


@dataclass(frozen=True)
class Contest:
    """The same from both, in the same unit."""

    what: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]


def _beside_elephant(recording: Recording) -> tuple[list[dict], float]:
    """Rows, and the time that it took to make Elephant's trains and binned trains of counts."""
    counts = recording.counts.reshape(1, -1, recording.units)  # one long window
    windows = cut_windows(recording, WINDOW_BINS)
    bin_ms, bins = recording.bin_size_s * 1000, counts.shape[1]
    began = time.process_time()
    trains = [_train(unit, bin_ms) for unit in counts[0].T]
    binned = _binned(trains, bin_ms)
    made_s = time.process_time() - began
    one_by_one = [_binned([train], bin_ms) for train in trains]
    in_windows = [[(np.flatnonzero(each) + 0.5) * bin_ms for each in unit] for unit in windows.transpose(2, 0, 1)]
    correlate = elephant.spike_train_correlation
    unbiased = bins / (bins - 1)  # Elephant divides by that
    few = counts[:, :, :LAGGED_UNITS]

    def count_population() -> Any:
        histogram = elephant.statistics.time_histogram(trains, bin_size=bin_ms * quantities.ms, output="counts")
        return np.bincount(np.asarray(histogram).ravel().astype(int)) / bins

    contests = (
        Contest(
            "rates (Hz)",
            lambda: expected_counts(counts) / recording.bin_size_s,
            lambda: [elephant.statistics.mean_firing_rate(train).rescale("Hz").magnitude for train in trains],
        ),
        Contest(
            "Fano factor",
            lambda: fano_factor(windows),
            lambda: [elephant.statistics.fanofactor(unit) for unit in in_windows],
        ),
        Contest(
            "interval CV",
            lambda: interspike_interval_cv(counts),
            lambda: [elephant.statistics.cv(elephant.statistics.isi(train).magnitude) for train in trains],
        ),
        Contest("population count distribution", lambda: population_count_distribution(counts), count_population),
        Contest(
            "covariance",
            lambda: pairwise_covariance(counts) * unbiased,
            lambda: correlate.covariance(binned),
        ),
        Contest(
            "correlation",
            lambda: pairwise_correlation(counts),
            lambda: correlate.correlation_coefficient(binned),
        ),
        Contest(
            f"lag-{LAG} covariance, {LAGGED_UNITS} units",
            lambda: lagged_covariance(few, LAG),
            lambda: _lagged_covariances(one_by_one[:LAGGED_UNITS], few[0]),
        ),
        Contest(
            f"autocorrelation, {AUTOCORRELATION_LAGS} lags",
            lambda: autocorrelation(counts, AUTOCORRELATION_LAGS),
            lambda: _autocorrelation(one_by_one, counts[0]),
        ),
    )
    return [_run(contest) for contest in contests], made_s


def _train(unit: Counts, bin_ms: float) -> neo.SpikeTrain:
    """Spikes in the middle of their bins, several of one bin at one time."""
    times_ms = (np.repeat(np.arange(len(unit)), unit) + 0.5) * bin_ms
    return neo.SpikeTrain(times_ms * quantities.ms, t_stop=len(unit) * bin_ms * quantities.ms)


def _binned(trains: list[neo.SpikeTrain], bin_ms: float) -> BinnedSpikeTrain:
    return BinnedSpikeTrain(trains, bin_size=bin_ms * quantities.ms)


def _products(one: BinnedSpikeTrain, other: BinnedSpikeTrain, max_lag: int) -> NDArray[np.float64]:
    """Sums of x(t) y(t + lag), lags 1 to `max_lag`; of lags to one side only Elephant 1.2.1 gives lag 0 by default."""
    correlate = elephant.spike_train_correlation.cross_correlation_histogram
    histogram, _ = correlate(one, other, window=[-max_lag, max_lag])  # pyright: ignore[reportArgumentType]
    return np.asarray(histogram, np.float64).ravel()[max_lag + 1 :]


def _lagged_covariances(binned: list[BinnedSpikeTrain], counts: Counts) -> NDArray[np.float64]:
    products = np.array([[_products(one, other, LAG)[-1] for other in binned] for one in binned])
    return products / (len(counts) - LAG) - np.outer(counts[:-LAG].mean(axis=0), counts[LAG:].mean(axis=0))


def _autocorrelation(binned: list[BinnedSpikeTrain], counts: Counts) -> NDArray[np.float64]:
    products = np.sum([_products(unit, unit, AUTOCORRELATION_LAGS) for unit in binned], axis=0)
    means = [counts[:-lag].mean(axis=0) @ counts[lag:].mean(axis=0) for lag in range(1, AUTOCORRELATION_LAGS + 1)]
    places = len(counts) - np.arange(1, AUTOCORRELATION_LAGS + 1)
    return (products / places - means) / counts.var(axis=0).sum()


def _run(contest: Contest) -> dict:
    (ours, ours_s), (theirs, theirs_s) = _timed(contest.ours), _timed(contest.theirs)
    difference = _difference(np.asarray(ours), np.asarray(theirs))
    assert difference < AGREEMENT, f"{contest.what}: differs from Elephant's by {difference:.1e} of the largest value"
    return _row(
        contest.what, f"{ours_s * 1000:.2f} ms", f"{theirs_s * 1000:.2f} ms", round(theirs_s / ours_s, 2), difference
    )


def _timed(work: Callable[[], Any], runs: int = 3) -> tuple[Any, float]:
    """What it gives, and the least processor time that it took, in s."""
    took_s, result = math.inf, None
    for _ in range(runs):
        began = time.process_time()
        result = work()
        took_s = min(took_s, time.process_time() - began)
    return result, took_s


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
    return float(np.abs(one - other).max() / np.abs(other).max())


def _after_a_million_bins() -> dict:
    """In chunks of random sizes, beside the batch functions on the whole."""
    random = random_stream(0, Purpose.BENCHMARK, 0)
    bins, units = 1_000_000, 8
    stream = _driven(random, bins, units)
    cutter, running = WindowCutter(WINDOW_BINS, units), RunningStatistics(WINDOW_BINS, units)
    first = 0
    while first < bins:
        chunk = stream[first : first + int(random.integers(1, 2000))]
        running.add(cutter.cut(chunk))
        first += len(chunk)
    windows = stream.reshape(-1, WINDOW_BINS, units)
    found = running.statistics()
    worst = max(_entrywise(found[name], batch(windows)) for name, batch in _sums_give().items())
    assert worst < AGREEMENT, f"running statistics differ from the batch functions by {worst:.1e}"
    return _row(f"running, {bins:,} bins in chunks of 1 to 2,000 (theirs: batch)", "", "", "", worst)


def _sums_give() -> dict[str, Callable]:
    return {key: statistic.function for key, statistic in SPIKE_STATISTICS.items() if statistic.from_sums is not None}


def _entrywise(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest difference relative to the very entry, of all that are not 0."""
    there = other != 0
    assert not one[~there].any()
    return float((np.abs(one - other)[there] / np.abs(other[there])).max())


def _after_many_bins() -> dict:
    """Segments of a stream over and over in random order, beside whole numbers without limit."""
    random = random_stream(0, Purpose.BENCHMARK, 1)
    segment_bins = 1_000_000
    segments = _driven(random, LONG_PIECES * segment_bins, LONG_UNITS).reshape(LONG_PIECES, -1, LONG_UNITS)
    running = RunningStatistics(WINDOW_BINS, LONG_UNITS)
    order = random.integers(LONG_PIECES, size=LONG_BINS // segment_bins)
    for segment in order:
        running.add(segments[segment].reshape(-1, WINDOW_BINS, LONG_UNITS))
    totals, products = np.zeros(LONG_UNITS, object), np.zeros((LONG_UNITS, LONG_UNITS), object)
    for segment, times in zip(segments.astype(np.int64), np.bincount(order, minlength=LONG_PIECES), strict=True):
        totals += int(times) * segment.sum(axis=0).astype(object)
        products += int(times) * (segment.T @ segment).astype(object)
    bins = len(order) * segment_bins
    exact = ((products * bins - np.outer(totals, totals)) / bins**2).astype(np.float64)
    found = running.statistics()
    worst = max(_entrywise(found["covariance"], exact), _entrywise(found["rates"], (totals / bins).astype(np.float64)))
    assert worst < AGREEMENT, f"running statistics lost {worst:.1e} after {bins:,} bins"
    return _row(f"running, rates and covariance after {bins:,} bins (theirs: exact integers)", "", "", "", worst)


def _driven(random: np.random.Generator, bins: int, units: int) -> NDArray[np.uint8]:
    """Counts of units that share a drive."""
    drive = 0.05 + 0.2 * (random.random((bins, 1), dtype=np.float32) < 0.2)
    return (random.random((bins, units), dtype=np.float32) < drive * np.linspace(0.2, 1, units)).astype(np.uint8)


def _cost(units: int, reads: bool, seconds: float) -> dict:
    """Processor time for a second of stream, of an instance since the start and one that forgets."""
    random = random_stream(0, Purpose.BENCHMARK, units)
    second = [(random.random((CHUNK_BINS, units)) < 0.02).astype(np.float32) for _ in range(1000 // CHUNK_BINS)]
    cutter = WindowCutter(WINDOW_BINS, units)
    half_life = HALF_LIFE_S * 1000 / WINDOW_BINS
    pair = [RunningStatistics(WINDOW_BINS, units, each) for each in (math.inf, half_life)]
    began = time.process_time()
    for _ in range(round(seconds)):
        for chunk in second:
            windows = cutter.cut(chunk)
            for running in pair:
                running.add(windows)
        if reads:
            for running in pair:
                running.statistics()
    cores = (time.process_time() - began) / round(seconds)
    return _row(f"running, {units} units{', read once a second' if reads else ''}", f"{cores:.4f} cores", "", "", "")
