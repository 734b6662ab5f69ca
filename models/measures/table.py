"""The table of statistics: for each its key, title, functions, distance, unit, and name for Prometheus.

An entry here is all that a new statistic needs: evaluation, training, the monitor with all its outputs, and the
documents that they write go through this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spikeloop.models.arrays import Floats, Windows, join_bins
from spikeloop.models.measures import statistics as batch
from spikeloop.models.measures.bursts import burst_share, burst_size_distribution
from spikeloop.models.measures.cross_correlograms import cross_correlograms
from spikeloop.models.measures.dimensionality import participation_ratio
from spikeloop.models.measures.distances import (
    distribution_distance,
    largest,
    mean_difference,
    mean_of_distribution,
    mean_of_entries,
    mean_of_pairs,
    pair_difference,
)
from spikeloop.models.measures.intervals import interspike_interval_cv, interspike_interval_distribution
from spikeloop.models.measures.population_events import (
    avalanche_size_distribution,
    event_latency,
    silence_duration_distribution,
)
from spikeloop.models.measures.sums import AUTOCORRELATION_LAGS, Sums
from spikeloop.models.measures.triplets import triplet_excess
from spikeloop.models.measures.weighted import WeightedStatistics

__all__ = [
    "DYNAMIC_STATISTICS",
    "SPIKE_STATISTICS",
    "STATISTICS",
    "TRACE_STATISTICS",
    "Group",
    "Statistic",
    "group_of",
    "judging",
    "key_of",
    "statistics_from",
    "title_of",
]

Group = Literal["classic", "dynamic"]
Signal = Literal["spikes", "fluorescence"]
SPIKES: tuple[Signal, ...] = ("spikes",)
BOTH: tuple[Signal, ...] = ("spikes", "fluorescence")
QUANTILES = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class Statistic:
    """One statistic of windows of counts or of fluorescence.

    Attributes
    ----------
    key : str
        Its name wherever a program reads it: JSON, cards, references of bundles, Prometheus, MQTT. snake_case.
    title : str
        Its name for people, and the label of its channel in NAME-Monitor.
    function : callable
        From an array of shape (windows, bins, units) to the value, an array.
    from_sums : callable or None
        The same from running sums; None where sums of order units^2 can't give it, so that a stream has none.
    distance : callable
        Between two values, a float.
    number : callable
        From the value to one number for people: by default the mean of all entries.
    unit : "", "Hz" or "ms"
        Of that number, which is converted from bins; "" where it has none.
    judges : tuple of "spikes", "fluorescence"
        Signals whose models are judged by it; empty for one that only the monitor shows.
    group : "classic" or "dynamic"
        The dynamic ones, of higher order and of events in time, have a mean E/F of their own, so that the mean over the
        classic ones stays what it was, and training goes without them.
    prometheus : str
        Name of its gauge after "spikeloop_"; empty for none.
    meaning : str
        What the gauge shows, in a sentence.
    """

    key: str
    title: str
    function: Callable[[Windows], Floats]
    from_sums: Callable[[WeightedStatistics], Floats] | None = None
    distance: Callable[[Floats, Floats], float] = mean_difference
    number: Callable[[Floats], float] = mean_of_entries
    unit: Literal["", "Hz", "ms"] = ""
    judges: tuple[Signal, ...] = ()
    group: Group = "classic"
    prometheus: str = ""
    meaning: str = ""

    @property
    def label(self) -> str:
        """The title with the unit of its number."""
        remark = self.unit or ("largest" if self.number is largest else "")
        return f"{self.title}, {remark}" if remark else self.title

    def summary(self, value: Floats, bin_size_s: float) -> float:
        """Reduce a value to one number, in `unit`.

        Parameters
        ----------
        value : array, as `function` returns it; it may be empty
        bin_size_s : float > 0, s

        Returns
        -------
        float
            NaN where there is nothing to summarise.
        """
        scale = {"": 1.0, "Hz": 1 / bin_size_s, "ms": 1e3 * bin_size_s}[self.unit]
        return scale * self.number(value)


def _at_lag(lag: int) -> Callable[[Windows], Floats]:
    return lambda windows: batch.lagged_covariance(windows, min(lag, windows.shape[1] - 1))


def _autocorrelation(windows: Windows) -> Floats:
    return batch.autocorrelation(windows, min(AUTOCORRELATION_LAGS, windows.shape[1] - 1))


def _variance(windows: Windows) -> Floats:
    return batch.pairwise_covariance(windows).diagonal().copy()


def _quantiles(traces: Windows) -> Floats:
    """Quantiles of every unit, (units, quantiles); their mean absolute difference is nearly Wasserstein's distance."""
    return np.quantile(join_bins(traces).astype(np.float64), QUANTILES, axis=0).T


def _synchrony(windows: Windows) -> Floats:
    return np.array(batch.synchrony(windows))


_RUNNING = WeightedStatistics
STATISTICS: Mapping[str, Statistic] = {
    statistic.key: statistic
    for statistic in (
        Statistic(
            "rates", "rates", batch.expected_counts, _RUNNING.rates, unit="Hz", judges=SPIKES,
            prometheus="mean_rate_hertz", meaning="Mean rate of a unit.",
        ),
        Statistic("means", "means", batch.expected_counts, judges=("fluorescence",)),
        Statistic("quantiles", "quantiles", _quantiles, judges=("fluorescence",)),
        Statistic("variance", "variance", _variance, _RUNNING.variance),
        Statistic(
            "fano_factor", "Fano factor", batch.fano_factor, _RUNNING.fano_factor, judges=SPIKES,
            prometheus="mean_fano_factor", meaning="Mean Fano factor of a unit's counts in windows.",
        ),
        Statistic(
            "window_counts", "window counts", batch.window_count_distribution, _RUNNING.window_counts,
            distribution_distance, mean_of_distribution, judges=SPIKES,
        ),
        Statistic(
            "interspike_intervals", "interspike intervals", interspike_interval_distribution,
            _RUNNING.interspike_intervals, distribution_distance, mean_of_distribution, "ms", SPIKES,
        ),
        Statistic(
            "interval_cv", "interval CV", interspike_interval_cv, _RUNNING.interval_cv, judges=SPIKES,
            prometheus="mean_interval_cv",
            meaning="Mean coefficient of variation of a unit's interspike intervals.",
        ),
        Statistic("autocorrelation", "autocorrelation", _autocorrelation, _RUNNING.autocorrelation, judges=BOTH),
        Statistic(
            "covariance", "covariance", batch.pairwise_covariance, _RUNNING.covariance, pair_difference, mean_of_pairs,
            judges=BOTH,
        ),
        Statistic("lag_1_covariance", "lag-1 covariance", _at_lag(1), _RUNNING.lag_1_covariance, judges=BOTH),
        Statistic("lag_5_covariance", "lag-5 covariance", _at_lag(5), _RUNNING.lag_5_covariance, judges=BOTH),
        Statistic(
            "correlation", "correlation", batch.pairwise_correlation, _RUNNING.correlation, number=mean_of_pairs,
            prometheus="mean_correlation", meaning="Mean correlation of pairs of units.",
        ),
        Statistic(
            "correlation_spectrum", "correlation spectrum", batch.correlation_spectrum, _RUNNING.correlation_spectrum,
            number=largest, judges=BOTH,
        ),
        Statistic("triplets", "triplets", batch.triplet_covariance, judges=SPIKES),
        Statistic(
            "population_count", "population count", batch.population_count_distribution, _RUNNING.population_count,
            distribution_distance, mean_of_distribution, judges=SPIKES,
        ),
        Statistic(
            "population_spectrum", "population spectrum", batch.population_power_spectrum,
            _RUNNING.population_spectrum, judges=BOTH,
        ),
        Statistic(
            "synchrony", "synchrony", _synchrony, _RUNNING.synchrony, prometheus="synchrony",
            meaning="Variance of the population's mean count over the mean variance of a unit's.",
        ),
        Statistic("triplet_excess", "triplets beyond k-pairwise", triplet_excess, judges=SPIKES, group="dynamic"),
        Statistic("cross_correlograms", "cross-correlograms", cross_correlograms, judges=BOTH, group="dynamic"),
        Statistic("participation_ratio", "participation ratio", participation_ratio, judges=BOTH, group="dynamic"),
        Statistic(
            "avalanche_sizes", "avalanche sizes", avalanche_size_distribution, None, distribution_distance,
            mean_of_distribution, judges=SPIKES, group="dynamic",
        ),
        Statistic(
            "silence_durations", "silence durations", silence_duration_distribution, None, distribution_distance,
            mean_of_distribution, "ms", SPIKES, "dynamic",
        ),
        Statistic("event_latency", "latency in events", event_latency, unit="ms", judges=SPIKES, group="dynamic"),
        Statistic("burst_share", "spikes in bursts", burst_share, judges=SPIKES, group="dynamic"),
        Statistic(
            "burst_sizes", "burst sizes", burst_size_distribution, None, distribution_distance, mean_of_distribution,
            judges=SPIKES, group="dynamic",
        ),
    )
}  # fmt: skip


def judging(signal: Signal, group: Group) -> dict[str, Statistic]:
    """Find the statistics of a group that judge models of a signal, by key."""
    return {
        key: statistic
        for key, statistic in STATISTICS.items()
        if signal in statistic.judges and statistic.group == group
    }


SPIKE_STATISTICS, DYNAMIC_STATISTICS = judging("spikes", "classic"), judging("spikes", "dynamic")
TRACE_STATISTICS = judging("fluorescence", "classic")
_OTHER_TITLES = {  # of measures that are no statistics of windows, and whose words alone would be unclear or too long
    "population_count_divergence": "population count KL",
    "lag_1_autocorrelation": "lag-1 autocorrelation",
}
_KEYS = {statistic.title: key for key, statistic in STATISTICS.items()}


def statistics_from(sums: Sums) -> dict[str, Floats]:
    """Compute every statistic that running sums give, by key.

    Parameters
    ----------
    sums : Sums, of at least one window
    """
    weighted = WeightedStatistics(sums)
    return {key: statistic.from_sums(weighted) for key, statistic in STATISTICS.items() if statistic.from_sums}


def title_of(key: str) -> str:
    """Name a statistic for people.

    Parameters
    ----------
    key : str
        Of the table, or of a measure that is not in it: then its words, a last "_s" standing for seconds.
    """
    if key in STATISTICS:
        return STATISTICS[key].title
    words = key.removesuffix("_s").replace("_", " ")
    return _OTHER_TITLES.get(key, f"{words} (s)" if key.endswith("_s") else words)


def group_of(key: str) -> Group:
    """Find the group of a statistic; "classic" of a measure that is not in the table."""
    return STATISTICS[key].group if key in STATISTICS else "classic"


def key_of(name: str) -> str:
    """Find the key of a statistic whose title older bundles hold in its place; any other name stays as it is."""
    return _KEYS.get(name, name)
