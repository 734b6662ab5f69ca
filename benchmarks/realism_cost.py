"""What the baselines and the statistics cost, and how well k-pairwise meets its moments, for docs/realism.md."""

import time

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.registry import BASELINES, load_baseline
from spikeloop.models.measures.similarity import statistics_of
from spikeloop.models.measures.table import DYNAMIC_STATISTICS, SPIKE_STATISTICS
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.windows import hold_out, random_windows

__all__ = ["costs"]


def costs() -> dict[str, str]:
    """Measure, on the retina, what the baselines and the statistics cost, and how well k-pairwise meets its moments."""
    training, _ = hold_out(read_recording("retina"), 5)
    figures: dict[str, str] = {}
    counts = np.empty((0, training.units), np.uint8)
    for family in BASELINES:
        began = time.perf_counter()
        baseline = load_baseline(family)
        model = baseline.fit(training, baseline.presets["default"], lambda share: None)
        figures[f"{family}: fit, 50 units"] = f"{time.perf_counter() - began:.1f} s"
        began = time.perf_counter()
        counts = draw_bins(model, 1_000_000, seed=0)
        figures[f"{family}: 1,000,000 bins sampled"] = f"{time.perf_counter() - began:.1f} s"
    figures |= _moments(training, counts)  # of the last, which is k-pairwise
    hour = from_counts(counts[:180_000], 0.02)
    windows = random_windows(hour, 32, random_stream(0, Purpose.BENCHMARK)).reshape(-1, 32, 50)
    began = time.perf_counter()
    statistics_of(windows)
    figures[f"all {len(SPIKE_STATISTICS)} classic statistics of an hour of 50 units at 20 ms"] = (
        f"{time.perf_counter() - began:.2f} s"
    )
    began = time.perf_counter()
    statistics_of(windows, ("dynamic",))
    figures[f"all {len(DYNAMIC_STATISTICS)} dynamic ones"] = f"{time.perf_counter() - began:.2f} s"
    return figures


def _moments(training: Recording, counts: NDArray[np.uint8]) -> dict[str, str]:
    """Rates, pairs and population counts of a k-pairwise sample against those it was fitted to."""
    target, found = (each.reshape(-1, training.units).astype(np.float32) for each in (training.counts, counts))
    second = [each.T @ each / np.float64(len(each)) for each in (target, found)]
    rates = np.abs(second[1].diagonal() / second[0].diagonal() - 1)
    pairs = [each[np.triu_indices(training.units, 1)] for each in second]
    crowds = [
        np.bincount(each.sum(axis=1).astype(int), minlength=training.units + 1) / len(each) for each in (target, found)
    ]
    relative = np.linalg.norm(pairs[1] - pairs[0]) / np.linalg.norm(pairs[0])
    return {
        "k_pairwise: rates, mean relative error": f"{rates.mean():.2%}",
        "k_pairwise: pairs E[x_i x_j], relative error (norm)": f"{relative:.2%}",
        "k_pairwise: population count, L1": f"{np.abs(crowds[1] - crowds[0]).sum():.2%}",
    }
