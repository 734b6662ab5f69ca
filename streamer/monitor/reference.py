"""What a monitored stream is compared with: statistics, how far chance alone takes them, and when to raise an alarm."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.drift import DriftReference, calibrate
from spikeloop.models.measures.likeness import distance
from spikeloop.models.measures.running import RunningStatistics
from spikeloop.models.measures.statistics import correlation_of
from spikeloop.streamer.condition import RestFeed, is_live, open_feed
from spikeloop.streamer.session import Device
from spikeloop.streamer.source import open_source

__all__ = ["Deviation", "Reference", "deviations", "refer_to_bundle", "refer_to_sample", "rehearse"]

Counts = NDArray[Any]  # (bins, units)
Floats = NDArray[np.float64]

REHEARSED_S = 1000.0  # of an unharmed stream, from which an alarm is set,
REHEARSED_BINS = 2**17  # and at least so many bins,
REHEARSED_COUNTS = 2**29  # but no more memory than this
REHEARSAL_SEED = 2**62  # far from those that users take
AT_ONCE = 2**17  # counts: some 0.1 s of work
LEAST_STRETCHES = 6  # from which chance is told


@dataclass(frozen=True, eq=False)
class Reference:
    """What is expected of a stream.

    Attributes
    ----------
    source : in words
    statistics : by name, as of `running.statistics_from`
    windows : number of windows that they are of
    spread : by name, the distance that chance puts between the statistics of one window and of endless data; for n
        windows it is less by sqrt(n)
    drift : what the alarm is set by; None where there is none
    notice : why there is none
    """

    source: str
    statistics: Mapping[str, Floats]
    windows: int
    spread: Mapping[str, float]
    drift: DriftReference | None = None
    notice: str = ""


@dataclass(frozen=True)
class Deviation:
    """How far one statistic of the stream is from the reference.

    Attributes
    ----------
    error : E, the distance; of `likeness.distance`
    floor : F, the distance that chance alone makes of as much data
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
    """Every statistic that both have, the stream's being of so many (effective) windows."""
    chance = math.sqrt(1 / windows + 1 / reference.windows)
    return tuple(
        Deviation(name, distance(name, statistics[name], reference.statistics[name]), spread * chance)
        for name, spread in reference.spread.items()
        if name in statistics
    )


def refer_to_bundle(
    bundle: Bundle, sample: Counts | None, half_life_windows: float, false_alarms_per_hour: float
) -> Reference:
    """A bundle's reference, the statistics of its recording; chance, and the alarm, by a sample of its own stream.

    Parameters
    ----------
    sample : of an unharmed stream, (bins, units); None where that is not known, and there can be neither

    Raises
    ------
    BadInputError
        If the bundle's statistics are not of its card's windows and units.
    """
    recording = bundle.card.training.get("recording", {})
    windows = recording.get("repeats", 1) * (recording.get("bins", 0) // bundle.card.window_bins)
    source = f"{bundle.card.name}, trained on {recording.get('name', 'a recording')}"
    statistics = dict(bundle.reference)
    if "covariance" in statistics:
        statistics |= _of_covariance(statistics["covariance"])
    _check_shapes(bundle, statistics)
    reference = Reference(source, statistics, max(1, windows), {})
    if sample is None:
        return dataclasses.replace(reference, notice="what drives the stream can't be rehearsed")
    spread = _spread(_cut(sample, bundle.card.window_bins), half_life_windows)
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
    """A reference from a sample alone: a recording, or the beginning of the stream.

    Parameters
    ----------
    source : what it is, in words
    sample : (bins, units)
    windows : (windows, bins, units) of it, where they don't lie side by side, as of a recording with repeats

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


def rehearse(
    bundle: Bundle, condition: str | None, device: Device = "cpu", stopped: Callable[[], bool] = lambda: False
) -> Counts | None:
    """What an unharmed stream of a bundle does, (bins, units); None where what drives it is not known ahead.

    Parameters
    ----------
    condition : what drives the stream, as its description tells; None where it doesn't
    stopped : asked now and then whether to go on; the sample then ends
    """
    card = bundle.card
    if condition is None and card.channels:
        return None
    if condition and (is_live(condition) or condition.startswith("file:")):
        return None
    feed = open_feed(condition, card.channels) if condition else RestFeed(card.channels)
    source = open_source(bundle, REHEARSAL_SEED, device)
    units = len(card.unit_names)
    bins = max(REHEARSED_BINS, math.ceil(REHEARSED_S / card.bin_size_s))
    bins = max(1, min(bins, REHEARSED_COUNTS // units))
    piece = max(1, AT_ONCE // units)
    sample = np.empty((bins, units), source.dtype)
    for first in range(0, bins, piece):
        if stopped():
            return sample[:first]
        number = min(piece, bins - first)
        sample[first : first + number] = source.take(number, feed.take(number))
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
                f" {len(bundle.card.unit_names)} units, as its card tells, found {name} of shape"
                f" {statistics[name].shape}; export it anew"
            ) from error


def _of_covariance(covariance: Floats) -> dict[str, Floats]:
    """What bundles don't hold, as it follows from what they do."""
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


def _spread(windows: Counts, half_life_windows: float) -> dict[str, float]:
    """Distances between stretches of the windows and all of them, by name, as of one window alone.

    A stretch is about as long as the exponential window weighs, so that what neighbouring windows have in common counts
    as it will in the stream.
    """
    wanted = max(2, round(2 / math.log(2) * half_life_windows))  # equally weighted windows that tell as much
    stretch = max(1, min(wanted, len(windows) // LEAST_STRETCHES))
    number = len(windows) // stretch
    if number < 2:
        return {}
    whole = RunningStatistics(*windows.shape[1:])
    whole.add(windows)
    expected = whole.statistics()
    found = dict.fromkeys(expected, 0.0)
    for first in range(0, number * stretch, stretch):
        running = RunningStatistics(*windows.shape[1:])
        running.add(windows[first : first + stretch])
        for name, value in running.statistics().items():
            found[name] += distance(name, value, expected[name]) / number
    chance = math.sqrt(1 / stretch - 1 / len(windows))  # a stretch is itself part of the whole
    return {name: error / chance for name, error in found.items()}
