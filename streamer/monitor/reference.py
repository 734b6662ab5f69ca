"""The reference of a monitored stream: statistics, floors, and the drift alarm's thresholds.

A bundle brings the statistics of the recording that it was trained on. How far a stream's statistics stray from them by
chance, and when a stream has drifted, is measured on a sample of an unharmed stream, which the monitor generates from
the bundle before it judges.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.drift.alarm import DriftReference, calibrate
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.running import RunningStatistics
from spikeloop.models.measures.similarity import distance
from spikeloop.models.measures.statistics import correlation_of
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.conditions.opening import is_repeatable, open_feed
from spikeloop.streamer.conditions.steered import by_itself
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.stream.source import CHUNK_COUNTS, open_source

__all__ = ["Deviation", "Reference", "deviations", "generate_sample", "refer_to_bundle", "refer_to_sample"]


SAMPLE_S = 1000.0  # of the sample of an unharmed stream,
SAMPLE_BINS = 2**17  # which has at least so many bins,
SAMPLE_COUNTS = 2**29  # but takes no more memory than this
SAMPLE_SEED = 2**62  # far from those that users choose
SEGMENT_COUNTS = CHUNK_COUNTS // 8  # generated at once, between two looks whether it is still wanted
ADDED_COUNTS = 2**21  # added up at once: some 0.1 s of work
LEAST_STRETCHES = 6  # of which the spread of a statistic is estimated


@dataclass(frozen=True, eq=False)
class Reference:
    """What is expected of a stream.

    Attributes
    ----------
    source : str
        Where it comes from, in words.
    statistics : dict of str to array
        By the keys of the table of statistics.
    windows : int
        Number of windows that the statistics are of.
    spread : dict of str to float
        By key, the distance that chance puts between the statistic of one window and that of endless data. For n
        windows it is smaller by a factor of sqrt(n).
    drift : DriftReference or None
        What the drift alarm compares with; None where no alarm can be set.
    notice : str
        Why no alarm can be set.
    """

    source: str
    statistics: Mapping[str, Floats]
    windows: int
    spread: Mapping[str, float]
    drift: DriftReference | None = None
    notice: str = ""


@dataclass(frozen=True)
class Deviation:
    """How far one statistic of a stream is from the reference.

    Attributes
    ----------
    statistic : str, its key
    error : float
        E, the distance from the reference, as of `similarity.distance`.
    floor : float
        F, the distance that chance alone makes with as much data.
    """

    statistic: str
    error: float
    floor: float

    @property
    def ratio(self) -> float:
        """E / F: 1 where only chance is at work; NaN where there is nothing to compare."""
        if self.floor > 0:
            return self.error / self.floor
        return math.inf if self.error > 0 else math.nan


def deviations(statistics: Mapping[str, Floats], windows: float, reference: Reference) -> tuple[Deviation, ...]:
    """Compare every statistic that both a stream and a reference have.

    Parameters
    ----------
    statistics : dict of str to array, of the stream
    windows : float
        Number of windows that they are of; of an exponential window, the effective number.
    reference : Reference

    Returns
    -------
    tuple of Deviation
        F is spread * sqrt(1 / windows + 1 / reference windows).
    """
    chance = math.sqrt(1 / windows + 1 / reference.windows)
    return tuple(
        Deviation(name, distance(name, statistics[name], reference.statistics[name]), spread * chance)
        for name, spread in reference.spread.items()
        if name in statistics
    )


def refer_to_bundle(
    bundle: Bundle,
    sample: Counts | None,
    half_life_windows: float,
    false_alarms_per_hour: float,
    rest: Callable[[], None] = lambda: None,
) -> Reference:
    """Make the reference of a bundle: the statistics of its recording, and what a sample of its stream adds.

    Parameters
    ----------
    bundle : Bundle
    sample : array of shape (bins, units) or None
        Of an unharmed stream; floors and the alarm's thresholds are estimated from it. Without one there are none.
    half_life_windows : float > 0
        Of the exponential window.
    false_alarms_per_hour : float > 0
        Of all alarms together.
    rest : callable
        Called after each piece of work.

    Raises
    ------
    BadInputError
        If the bundle's statistics are not of its card's windows and units.
    """
    recording = bundle.card.training.get("recording", {})
    if "recorded_bins" in recording:  # in repeats of unequal length
        windows = recording["recorded_bins"] // bundle.card.window_bins
    else:
        windows = recording.get("repeats", 1) * (recording.get("bins", 0) // bundle.card.window_bins)
    source = f"{bundle.card.name}, trained on {recording.get('name', 'a recording')}"
    statistics = dict(bundle.reference)
    if "covariance" in statistics:
        statistics |= _of_covariance(statistics["covariance"])
    _check_shapes(bundle, statistics)
    reference = Reference(source, statistics, max(1, windows), {})
    if sample is None:
        return dataclasses.replace(
            reference, notice="what drives the stream is not known ahead, so no sample can be generated"
        )
    spread = _spread(_cut(sample, bundle.card.window_bins), half_life_windows, rest)
    known = {name: spread[name] for name in statistics if name in spread}
    return _with_alarm(
        dataclasses.replace(reference, spread=known), sample, bundle.card.bin_size_s, false_alarms_per_hour
    )


def refer_to_sample(
    source: str,
    sample: Counts,
    bin_size_s: float,
    window_bins: int,
    half_life_windows: float,
    false_alarms_per_hour: float,
    windows: Counts | None = None,
) -> Reference:
    """Make a reference from a sample alone: a recording, or the beginning of the stream.

    Parameters
    ----------
    source : str
        What the sample is, in words.
    sample : array of shape (bins, units)
    bin_size_s : float > 0, s
    window_bins : int >= 2
    half_life_windows : float > 0
        Of the exponential window.
    false_alarms_per_hour : float > 0
        Of all alarms together.
    windows : array of shape (windows, bins, units), default adjacent windows of the sample
        Of a recording with repeats, windows that do not cross from one repeat to the next.

    Raises
    ------
    BadInputError
        If it is too short for one window.
    """
    windows = _cut(sample, window_bins) if windows is None else windows
    if not len(windows):
        raise BadInputError(f"{source}: expected at least one window of {window_bins} bins, found {len(sample)} bins")
    running = RunningStatistics(window_bins, sample.shape[1])
    running.add(windows)
    spread = _spread(windows, half_life_windows)
    reference = Reference(source, running.statistics(), len(windows), spread)
    return _with_alarm(reference, sample, bin_size_s, false_alarms_per_hour)


def generate_sample(
    bundle: Bundle, condition: str | None, device: Device = "cpu", stopped: Callable[[], bool] = lambda: False
) -> Counts | None:
    """Generate a sample of an unharmed stream of a bundle.

    Floors of E/F and the drift alarm's thresholds are estimated from it.

    Parameters
    ----------
    bundle : Bundle
    condition : str or None
        What drives the stream, as its description states it; None where it does not.
    device : "auto", "cpu" or "cuda"
    stopped : callable
        Asked now and then; where it answers True the sample ends early.

    Returns
    -------
    array of shape (bins, units), or None
        None where what drives the stream is not known before it comes, as of a live condition.
    """
    card = bundle.card
    if condition is None and card.channels:
        return None
    condition = by_itself(condition) if condition else condition
    if condition and not is_repeatable(condition):
        return None
    feed = open_feed(condition, card.channels) if condition else RestFeed(card.channels)
    source = open_source(bundle, SAMPLE_SEED, device)
    units = len(card.unit_names)
    bins = max(SAMPLE_BINS, math.ceil(SAMPLE_S / card.bin_size_s))
    bins = max(1, min(bins, SAMPLE_COUNTS // units))
    segment = max(1, SEGMENT_COUNTS // units)
    sample = np.empty((bins, units), source.dtype)
    for first in range(0, bins, segment):
        if stopped():
            return sample[:first]
        number = min(segment, bins - first)
        sample[first : first + number] = source.next(number, feed.next(number))
    return sample


def _check_shapes(bundle: Bundle, statistics: Mapping[str, Floats]) -> None:
    running = RunningStatistics(bundle.card.window_bins, len(bundle.card.unit_names))
    running.add(np.zeros((1, bundle.card.window_bins, len(bundle.card.unit_names)), np.uint8))
    for name, value in running.statistics().items():
        try:
            distance(name, value, statistics.get(name, value))
        except (ValueError, IndexError) as error:
            raise BadInputError(
                f"{bundle.card.name}: expected reference statistics of {bundle.card.window_bins} bins and"
                f" {len(bundle.card.unit_names)} units, as its card states, found {name} of shape"
                f" {statistics[name].shape}; export it anew"
            ) from error


def _of_covariance(covariance: Floats) -> dict[str, Floats]:
    """Statistics that bundles do not hold, and that follow from the covariance."""
    variance = covariance.diagonal().copy()
    synchrony = covariance.sum() / (len(variance) * variance.sum()) if variance.sum() > 0 else 0.0
    return {"variance": variance, "correlation": correlation_of(covariance), "synchrony": np.array(synchrony)}


def _cut(sample: Counts, window_bins: int) -> Counts:
    windows = len(sample) // window_bins
    return sample[: windows * window_bins].reshape(windows, window_bins, sample.shape[1])


def _with_alarm(reference: Reference, sample: Counts, bin_size_s: float, false_alarms_per_hour: float) -> Reference:
    try:
        drift = calibrate(sample, bin_size_s, false_alarms_per_hour)
    except BadInputError as error:
        return dataclasses.replace(reference, notice=str(error))
    return dataclasses.replace(reference, drift=drift)


def _spread(windows: Counts, half_life_windows: float, rest: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Distances between stretches of the windows and all of them, by name, as of one window alone.

    A stretch has about as many windows as the exponential window has effective ones, so that the dependence of
    neighbouring windows counts as it will in the stream.
    """
    wanted = max(2, round(2 / math.log(2) * half_life_windows))  # equally weighted windows with the same information
    stretch = max(1, min(wanted, len(windows) // LEAST_STRETCHES))
    number = len(windows) // stretch
    if number < 2:
        return {}
    expected = _statistics(windows, rest)
    found = dict.fromkeys(expected, 0.0)
    for first in range(0, number * stretch, stretch):
        for name, value in _statistics(windows[first : first + stretch], rest).items():
            found[name] += distance(name, value, expected[name]) / number
    chance = math.sqrt(1 / stretch - 1 / len(windows))  # a stretch is itself part of the whole
    return {name: error / chance for name, error in found.items()}


def _statistics(windows: Counts, rest: Callable[[], None]) -> dict[str, Floats]:
    """Statistics of windows, which are added up piece by piece."""
    running = RunningStatistics(*windows.shape[1:])
    piece = max(1, ADDED_COUNTS // windows[0].size)
    for first in range(0, len(windows), piece):
        running.add(windows[first : first + piece])
        rest()
    return running.statistics()
