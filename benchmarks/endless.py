"""Whether a stream is one: covariance across the borders of steps, and drift over six hours, generated offline."""

import itertools
import time

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle, bundles, load_bundle
from spikeloop.models.measures.seams import seam_covariance_ratio
from spikeloop.models.measures.statistics import expected_counts, pairwise_covariance
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.models.recordings.simulated_cortex import CORTEX_BIN_S
from spikeloop.streamer.conditions.feeds import ArrayFeed, ConditionFeed, PhaseFeed, RestFeed
from spikeloop.streamer.stream.source import Source, open_source

HOURS, STEP_BINS, LAGS = 6, 20, (1, 2, 3, 4, 5)
CHUNK_BINS = 10_000
OFFSETS = 20  # of the borders, whose spread is the error of one ratio


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every shipped bundle that streams without windows."""
    endless = [bundle for bundle in map(load_bundle, bundles().values()) if bundle.card.kind == "stream"]
    rows = [_measure(bundle) for bundle in endless]
    return {
        "about": f"{HOURS} hours of each bundle, generated as one stream, in steps of {STEP_BINS} bins; what"
        " is driven by kinematics answers to random reaches (those of the simulated cortex, scaled to its range), what"
        " is driven by a phase to the stimulus over and over. Seams: lagged covariance across borders of steps over"
        f" that within steps, of the first hour, for lags {LAGS[0]} to {LAGS[-1]}; the spread is over {OFFSETS} places"
        " of the borders, real or not. Drift: distance (RMS) of the last hour's statistic from the first's, over the"
        " mean distance of neighbouring hours: 1 where hours differ by chance only.",
        "rows": rows,
    }


def _measure(bundle: Bundle) -> dict:
    source = open_source(bundle, seed=0, device="cpu")
    hour = round(3600 / bundle.card.bin_size_s)
    feed = _feed(bundle, HOURS * hour)
    began = time.perf_counter()
    hours = [_hour(source, feed, hour) for _ in range(HOURS)]
    took_s = time.perf_counter() - began
    seams = np.array([seam_covariance_ratio(hours[0][offset:], STEP_BINS, LAGS) for offset in range(OFFSETS)])
    row = {"bundle": bundle.card.name, "bins an hour": hour}
    row |= {f"seam, lag {lag}": round(float(ratio), 3) for lag, ratio in zip(LAGS, seams[0], strict=True)}
    row |= {
        "spread": round(float(seams.std(axis=0).mean()), 3),
        "drift of rates": _drift([expected_counts(each[np.newaxis]) for each in hours]),
        "drift of covariances": _drift([pairwise_covariance(each[np.newaxis]) for each in hours]),
        "population variance, last over first hour": _variance_ratio(hours),
        "times real time": round(HOURS * 3600 / took_s),
    }
    print(row, flush=True)
    return row


def _hour(source: Source, feed: ConditionFeed, bins: int) -> NDArray[np.uint8]:
    parts = []
    for first in range(0, bins, CHUNK_BINS):
        conditions = feed.next(min(CHUNK_BINS, bins - first))
        parts.append(source.next(len(conditions), conditions))
    return np.concatenate(parts)


def _feed(bundle: Bundle, bins: int) -> ConditionFeed:
    channels = bundle.card.channels
    if not channels:
        return RestFeed(channels)
    if channels[0].cyclic:
        return PhaseFeed(channels[0].period)
    reaches = random_reaches(bins, CORTEX_BIN_S, seed=1)
    kinematics = {"position": reaches.position_cm, "velocity": reaches.velocity_cm_s}
    values = [kinematics[channel.name.split()[0]][:, "xy".index(channel.name[-1])] for channel in channels]
    widths = [(channel.high - channel.low) / np.ptp(value) for channel, value in zip(channels, values, strict=True)]
    return ArrayFeed(
        np.stack([v * w for v, w in zip(values, widths, strict=True)], axis=1).astype(np.float32), channels
    )


def _drift(of_hours: list[NDArray[np.float64]]) -> float:
    neighbours = [_distance(one, other) for one, other in itertools.pairwise(of_hours)]
    return round(float(_distance(of_hours[0], of_hours[-1]) / np.mean(neighbours)), 3)


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(one - other).mean()))


def _variance_ratio(hours: list[NDArray[np.uint8]]) -> str:
    """With the range over hours, all over the first."""
    variances = np.array([hour.sum(axis=1, dtype=np.float64).var() for hour in hours]) / hours[0].sum(axis=1).var()
    return f"{variances[-1]:.3f} ({variances.min():.3f} to {variances.max():.3f})"
