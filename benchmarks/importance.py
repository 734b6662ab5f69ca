"""Importance maps on one core: all arrangements and the gradient beside shuffles as published, on recorded windows."""

import time

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.importance.maps import SHUFFLES, exact_importance, gradient_importance, shuffle_importance
from spikeloop.models.importance.summary import agreement
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.streamer.inference.critic_engine import Critic

BUNDLES = ("retina", "m1_jango")
AT_ONCE = {"shuffle": 1, "exact": 1, "gradient": 16}  # windows, as `spikeloop importance` has them
ROUND, MOST_WINDOWS = 16, 1600
SEEDS, SEEDED_WINDOWS = 10, 4

Maps = NDArray[np.float64]
Conditions = NDArray[np.float32] | None


def measure(seconds: float) -> dict:
    """The methods in turn on the same windows, for so long a bundle."""
    return {
        "about": "Importance maps of recorded windows of 32 bins by the critics that ship, on one core (ONNX Runtime on"
        f" one thread; time of the processor), methods in turn, {seconds:g} s a bundle: `shuffle` as published"
        f" ({SHUFFLES} of every unit in every span, a span's at once), `exact` by all arrangements, `gradient` to first"
        " order.",
        "rows": [row for name in BUNDLES for row in _measure(name, seconds)],
        "notes": [
            "`times live`: maps a second over windows a second of a live stream, of which 1 is all."
            " `p99`: of the time that single windows take.",
            "`sd of seeds`: of a spike's importance over seeds, over its mean; both as root mean squares over the"
            f" spikes of {SEEDED_WINDOWS} windows, {SEEDS} seeds.",
            "Correlations are with `exact`, over spikes. `capped`: spans a window with more arrangements than were"
            " scored, where counts are above 1.",
        ],
    }


def _measure(name: str, seconds: float) -> list[dict]:
    windows, conditions, window_s = _windows(name)
    critic, random = Critic(load_bundle(name), "cpu"), random_stream(0, Purpose.BENCHMARK)
    core_s: dict[str, list[float]] = {method: [] for method in AT_ONCE}
    maps: dict[str, list[Maps]] = {method: [] for method in AT_ONCE}
    capped, done = 0, 0
    until_s = time.monotonic() + seconds
    while done == 0 or (done + ROUND <= len(windows) and time.monotonic() < until_s):
        for method, at_once in AT_ONCE.items():
            for first in range(done, done + ROUND, at_once):
                some = slice(first, first + at_once)
                began_s = time.process_time()
                found, over = _map(
                    method, windows[some], critic, random, None if conditions is None else conditions[some]
                )
                core_s[method].append(time.process_time() - began_s)
                maps[method].append(found)
                capped += over
        done += ROUND
    windows = windows[:done]
    exact, shuffle_s = np.concatenate(maps["exact"]), sum(core_s["shuffle"])
    rows = []
    for method, each_s in core_s.items():
        alike = agreement(np.concatenate(maps[method]), exact, windows)
        row = {
            "bundle": name,
            "method": method,
            "windows": done,
            "ms a map": round(sum(each_s) / done * 1000, 3),
            "maps a second": round(done / sum(each_s), 1),
            "times shuffle": round(shuffle_s / sum(each_s), 1),
            "times live": round(done * window_s / sum(each_s), 1),
            "p99 (ms)": round(float(np.quantile(each_s, 0.99)) * 1000, 1) if AT_ONCE[method] == 1 else "-",
            "sd of seeds": f"{_spread_of_seeds(method, windows, critic, conditions):.1%}",
            "rank correlation": round(alike.rank_correlation, 3),
            "Pearson's": round(alike.correlation, 3),
            "capped": round(capped / done, 1) if method == "exact" else "-",
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def _windows(name: str) -> tuple[NDArray[np.uint8], Conditions, float]:
    """Windows of the recording that a bundle was trained on, in random order, what drove them, and how long one is."""
    card = load_bundle(name).card
    recording = split_as_trained(read_recording(name), name, card.channels, card.latency_bins, every=2).whole
    windows = cut_windows(recording, card.window_bins)
    bins = recording.bins // card.window_bins * card.window_bins
    driven_by = recording.conditions[:, :bins].reshape(*windows.shape[:2], len(recording.channels))
    order = random_stream(1, Purpose.BENCHMARK).permutation(len(windows))[:MOST_WINDOWS]
    return windows[order], driven_by[order] if card.channels else None, card.window_bins * card.bin_size_s


def _map(
    method: str, windows: NDArray[np.uint8], critic: Critic, random: np.random.Generator, conditions: Conditions
) -> tuple[Maps, int]:
    """Maps, and how many spans were capped."""
    if method == "exact":
        found = exact_importance(windows, critic, random, conditions=conditions)
        return found.maps, found.capped
    of_method = shuffle_importance if method == "shuffle" else gradient_importance
    return of_method(windows, critic, random, conditions=conditions), 0


def _spread_of_seeds(method: str, windows: NDArray[np.uint8], critic: Critic, conditions: Conditions) -> float:
    windows = windows[:SEEDED_WINDOWS]
    given = None if conditions is None else conditions[:SEEDED_WINDOWS]
    seeded = (random_stream(seed, Purpose.BENCHMARK) for seed in range(SEEDS))
    maps = np.array([_map(method, windows, critic, random, given)[0] for random in seeded])[:, windows > 0]
    return float(np.sqrt(maps.var(axis=0, ddof=1).mean() / np.square(maps.mean(axis=0)).mean()))
