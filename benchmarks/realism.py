"""Realism of every model against every recording, with the baselines beside: `make realism` writes docs/realism.md.

Trains what is not trained yet (runs/realism keeps it), two models at a time, one core each; then judges all of them.
"""

import dataclasses
import datetime
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console

import spikeloop
from benchmarks.contenders import CONTENDERS, RECORDINGS, curve_of, run_of, training_of
from benchmarks.realism_cost import costs
from benchmarks.realism_page import LONG_RETINA, draw_curves, page_of
from spikeloop.models.evaluation.windows import Evaluation, evaluate, windows_of_samples
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.registry import BASELINES, load_baseline
from spikeloop.models.measures.intervals import interspike_interval_distribution
from spikeloop.models.measures.patterns import compare_patterns
from spikeloop.models.measures.similarity import MOST_DRAWS, independent_units, verdict
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.recordings.windows import hold_out, random_windows
from spikeloop.models.training.saved_run import resume_run

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = Path(__file__).parent / "results"
PUBLISHED = "retina/published_surrogates.npz"
REFRACTORY_BINS = 3  # at 1 ms
JUDGED_WINDOWS = 1500  # about; more, and rare deviations of any model stand out
SPARE_WINDOWS = 100  # as random places use a stream up less evenly
TRUE_PATTERNS = 2**21
SHARE = {"retina": 1.0, "rat_m1_ms": 0.4, "patterns": 0.125, "groups": 0.5, "packets": 0.225}  # of the minutes
GANS = {
    "phase": "causal Spike-GAN, told the phase",
    "vae_gan": "VAE-GAN, told the phase",
    "vae": "VAE, told the phase",
    "causal": "causal Spike-GAN",
    "likelihood": "its first stage alone (likelihood)",
    "windowed": "windowed Spike-GAN, `long`",
    "paper": "windowed Spike-GAN, `paper`",
    "fully_connected": "fully connected GAN",
}
LONGER = {"windowed": 6.0}  # as often the minutes: it goes on to come closer
TITLES = {"dichotomized_gaussian": "dichotomized Gaussian", "k_pairwise": "k-pairwise"}
CURVES = ("phase", "causal", "windowed", "paper", "fully_connected")
FIRST_STAGE = "causal Spike-GAN, first stage (likelihood)"
STAGES = [("retina", model) for model in GANS]
STAGES += [(name, "likelihood") for name in RECORDINGS if name != "retina"]  # a critic needs more minutes
LONG_BINS = 128
WINDOWED = [name for name, contender in CONTENDERS.items() if contender.family == "spike_gan"]

console = Console(stderr=True)


def main(minutes: float = 10.0) -> None:
    """Train, judge, and write docs/realism.md and its picture.

    Parameters
    ----------
    minutes
        that each model of the retina is trained on one core at most, the windowed one six times as long; the others
        take a part of it
    """
    _train_all(minutes)
    with ProcessPoolExecutor(2) as pool:
        judged = [pool.submit(each) for each in (_patterns, _intervals)]
        long = pool.submit(_judge_recording, "retina", LONG_BINS)
        tables = dict(zip(RECORDINGS, pool.map(_judge_recording, RECORDINGS), strict=True))
        tables[LONG_RETINA] = long.result()
        patterns, intervals = (each.result() for each in judged)
    result = {
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "version": spikeloop.__version__,
        "cores": os.cpu_count(),
        "command": f"python -m benchmarks.realism --minutes {minutes:g}",
        "tables": tables,
        "true_patterns": TRUE_PATTERNS,
        "patterns": patterns,
        "intervals": intervals,
        "speed": costs(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "realism.json").write_text(json.dumps(result, indent=1) + "\n")
    draw_curves(DOCS / "time_to_quality.png", {GANS[model]: curve_of("retina", model) for model in CURVES})
    (DOCS / "realism.md").write_text(page_of(result, GANS["phase"]))


def _train_all(minutes: float) -> None:
    """Two processes at a time, one core each, so that every model has the same."""
    waiting = [
        [
            sys.executable,
            "-m",
            "benchmarks.contenders",
            recording,
            model,
            "--minutes",
            str(minutes * SHARE[recording] * LONGER.get(model, 1.0)),
        ]
        for recording, model in STAGES
    ]
    running: list[subprocess.Popen[bytes]] = []
    try:
        while waiting or running:
            while waiting and len(running) < 2:
                running.append(subprocess.Popen(waiting.pop(0), env=os.environ | {"OMP_NUM_THREADS": "1"}))
            time.sleep(0.5)
            for process in [each for each in running if each.poll() is not None]:
                running.remove(process)
                if process.returncode:
                    raise SystemExit(f"training failed: {process.args}")
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _judge_recording(name: str, bins: int = 0) -> dict[str, dict[str, Any]]:
    """Verdicts of all models of a recording in windows of so many bins, by the name they are shown under.

    By default the windows are as long as in training; of others there are none of families that make windows.
    """
    recording = RECORDINGS[name]()
    training, held_out = hold_out(recording, 5)
    contenders = [model for where, model in STAGES if where == name and (not bins or model not in WINDOWED)]
    bins = bins or training_of(name, contenders[0]).settings.config.window_bins
    whole, held_out = training, _some_repeats(held_out, JUDGED_WINDOWS, bins)
    training = _some_repeats(training, 4 * JUDGED_WINDOWS, bins)
    blocks, per_block = random_windows(held_out, bins, random_stream(0, Purpose.BENCHMARK)).shape[:2]
    number = MOST_DRAWS * blocks * per_block
    rows = {}
    for model in contenders:
        contender = training_of(name, model)
        if not resume_run(contender, run_of(name, model)):
            raise SystemExit(f"no checkpoint in {run_of(name, model)}")
        title = GANS[model] if name == "retina" else FIRST_STAGE
        rows[title] = _judged(name, title, contender.sample(number, 1, bins=bins), training, held_out)
        rows[title] |= {"minutes": contender.trained_s / 60, "steps": contender.steps}
        if (score := contender.predict()) is not None:
            rows[title] |= {"bits_per_spike": score.bits_per_spike}
    baselines = [("dichotomized_gaussian", "default", "dichotomized Gaussian, ours")]
    if training.repeats > 1:
        baselines += [("dichotomized_gaussian", "stationary", "the same, blind to the stimulus")]
    baselines += [("k_pairwise", "default", "k-pairwise, ours")]
    for family, preset, title in baselines:
        sample = _sample_of_baseline(family, preset, whole, number, bins)
        rows[title] = _judged(name, title, sample, training, held_out)
    if name == "retina" and (path := Path(os.environ.get("SPIKELOOP_DATA", "")) / PUBLISHED).is_file():
        archive = np.load(path)
        for key, bins_stored in zip(("dichotomized_gaussian", "k_pairwise"), archive["n_bins"], strict=True):
            title = f"{TITLES[key]}, as published"
            stream = from_counts(np.unpackbits(archive[key], axis=0)[:bins_stored], training.bin_size_s)
            sample = windows_of_samples(stream, bins)
            rows[title] = _judged(name, title, sample, training, held_out)
    windows = random_windows(training, bins, random_stream(1, Purpose.BENCHMARK)).reshape(-1, bins, training.units)
    sample = independent_units(windows, number, random_stream(2, Purpose.BENCHMARK))
    rows["independent units"] = _judged(name, "independent units", sample, training, held_out)
    return rows


def _some_repeats(recording: Recording, windows: int, bins: int) -> Recording:
    """Repeats, evenly spread, that hold about so many windows."""
    most = -(-windows // (recording.bins // bins))
    chosen = np.unique(np.linspace(0, recording.repeats - 1, min(most, recording.repeats)).astype(int))
    return dataclasses.replace(recording, counts=recording.counts[chosen])


def _sample_of_baseline(family: str, preset: str, training: Recording, windows: int, bins: int) -> NDArray[np.uint8]:
    """At least so many windows at random places of a stream; where repeats are windows, as they come."""
    baseline = load_baseline(family)
    config = baseline.presets[preset]
    if family == "dichotomized_gaussian":
        config = dataclasses.replace(config, lags=min(config.lags, training.bins - 1))
    model = baseline.fit(training, config, lambda share: None)
    counts = draw_bins(model, (windows + SPARE_WINDOWS) * bins, seed=1)
    if training.bins == bins:
        return counts.reshape(-1, bins, training.units)[:windows]
    return windows_of_samples(from_counts(counts, training.bin_size_s), bins)[:windows]


def _judged(
    name: str, model: str, sample: NDArray[np.uint8], training: Recording, held_out: Recording
) -> dict[str, Any]:
    console.print(f"judging {model} on {name}")
    found: Evaluation = evaluate(sample, training, held_out)
    statistics = {
        each.statistic: {"ratio": each.ratio, "low": each.low, "high": each.high, "verdict": verdict(each)}
        for each in found.similarity
    }
    return {
        "mean": found.mean_ratio,
        "dynamic_mean": found.dynamic_mean_ratio,
        "worst": [found.worst.ratio, found.worst.statistic],
        "two_sample": found.two_sample,
        "real_two_sample": found.real_two_sample,
        "memorisation": found.memorisation,
        "statistics": statistics,
        "published": dataclasses.asdict(found.published) if found.published is not None else {},
    }


def _patterns() -> dict[str, dict[str, float]]:
    """2 units x 12 bins: frequencies of whole patterns against 2^21 true ones (Molano-Mazon et al. 2018, fig. 1)."""
    recording = RECORDINGS["patterns"]()
    training, held_out = hold_out(recording, 5)
    # the first seed is of the population, so the truth is a longer draw of the very same one
    options: dict[str, Any] = {"window_bins": 12, "units": 2, "spike_probability": 0.1}
    truth = correlated_groups(TRUE_PATTERNS + len(held_out.counts), seed=1, **options).counts
    truth, fresh = truth[: -len(held_out.counts)], truth[-len(held_out.counts) :]
    contender = training_of("patterns", "likelihood")
    resume_run(contender, run_of("patterns", "likelihood"))
    samples = {FIRST_STAGE: contender.sample(len(fresh), 1)}
    for family in BASELINES:
        samples[f"{TITLES[family]}, ours"] = _sample_of_baseline(family, "default", training, len(fresh), 12)
    return {
        title: dataclasses.asdict(compare_patterns(sample, training.counts, truth, fresh))
        for title, sample in samples.items()
    }


def _intervals() -> dict[str, float]:
    """Share of interspike intervals of rat motor cortex below 3 ms."""
    contender = training_of("rat_m1_ms", "likelihood")
    resume_run(contender, run_of("rat_m1_ms", "likelihood"))
    bins = contender.settings.config.window_bins
    prepared = contender.validation
    windows = {
        "recorded, held out": prepared.judged,
        "recorded, training": prepared.training,
    }
    real = {
        title: random_windows(part, bins, random_stream(0, Purpose.BENCHMARK)).reshape(-1, bins, part.units)
        for title, part in windows.items()
    }
    sampled = contender.sample(len(real["recorded, held out"]), 1)
    gaussian = _sample_of_baseline("dichotomized_gaussian", "stationary", prepared.training, len(sampled), bins)
    every = real | {FIRST_STAGE: sampled, "dichotomized Gaussian": gaussian}
    every["independent units"] = independent_units(
        real["recorded, training"], len(sampled), random_stream(0, Purpose.BENCHMARK)
    )
    return {
        title: float(interspike_interval_distribution(each)[:REFRACTORY_BINS].sum()) for title, each in every.items()
    }


if __name__ == "__main__":
    tyro.cli(main)
