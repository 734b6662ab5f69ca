"""Every page that spikeloop writes as a file, each of a small result."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.inspection import inspect_recording
from spikeloop.exporters.pages.decoders import decoding_page
from spikeloop.exporters.pages.evaluation import write_report
from spikeloop.exporters.pages.importance import ImportanceMaps, importance_page
from spikeloop.exporters.pages.origin import Origin
from spikeloop.exporters.pages.recording import write_recording_page
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison, OfflineTask, Split, compare_offline
from spikeloop.models.evaluation.responses import ConditionalEvaluation
from spikeloop.models.evaluation.windows import Evaluation
from spikeloop.models.importance.summary import importance_sums, summarise_importance
from spikeloop.models.measures.published_errors import published_errors
from spikeloop.models.measures.response import response_similarity
from spikeloop.models.measures.similarity import judge, measure_reference_distances
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.days.closed_loop_days import run_days_setup
from spikeloop.streamer.closedloop.days.page import write_days_page
from spikeloop.streamer.closedloop.real_time.latency import LoopLatency
from spikeloop.streamer.closedloop.real_time.real_time import RealTimeReport
from spikeloop.streamer.closedloop.results.page import write_page as write_closed_loop
from spikeloop.streamer.closedloop.results.report import report_of
from spikeloop.streamer.closedloop.setup import Setup
from spikeloop.streamer.monitor.outputs.page import write_page as write_monitor
from tests.support.compared import days_of, run, setup_of, tiny
from tests.support.monitored import simulate, watched
from tests.support.reaching import moving

BIN_SIZE_S = 0.02
UNITS = 30  # more than a picture names
ORIGIN = Origin("spikeloop COMMAND --seed 7", "7", datetime(2026, 1, 2, 3, 4, 5))
WIDTHS = (1, 2, 5, 10)
DECODERS = {
    "kalman": KalmanDecoder,
    "ridge": lambda: RidgeDecoder(3, WIENER_PENALTIES),
    "a decoder with a long name": lambda: RidgeDecoder(1, WIENER_PENALTIES),
}


def evaluation(folder: Path) -> Path:
    """The page of an evaluation of a model that answers to a stimulus."""
    parts = [simulate(UNITS, 20 * 160, seed=seed).clip(0, 3) for seed in (1, 2, 3)]
    training, held_out, sampled = (counts.reshape(100, 32, UNITS) for counts in parts)
    random = np.random.Generator(np.random.Philox(0))
    found = Evaluation(
        similarity=tuple(
            replace(row, low=0.8 * row.ratio, high=1.3 * row.ratio)
            for row in judge(sampled, measure_reference_distances(training, held_out, random))
        ),
        two_sample=0.55, real_two_sample=0.51, memorisation=0.5, duplicates=0.01, real_duplicates=0.01,
        published=published_errors(sampled, held_out), sampled=sampled, held_out=held_out,
    )  # fmt: skip
    real, model, known = (counts.reshape(20, 160, UNITS) for counts in (held_out, sampled, training))
    recording = from_counts(real, BIN_SIZE_S, name="held out")
    answered = ConditionalEvaluation(recording, model, response_similarity(model, known, real, random))
    path = folder / "evaluation.html"
    write_report(
        path, found, model="model", recording=recording, judged_on="a part", samples=from_counts(model, BIN_SIZE_S),
        answered=answered, origin=ORIGIN,
    )  # fmt: skip
    return path


def decoders(folder: Path) -> Path:
    """The page of decoders at four widths of bins, on recorded counts and on generated ones."""
    random = np.random.Generator(np.random.Philox(0))
    training, held_out, answers, held_out_answers = (_moved(random) for _ in range(4))
    task = OfflineTask((0, 1), widths=WIDTHS, folds=4)
    scores = compare_offline(
        lambda name, bin_size_s: DECODERS[name](), tuple(DECODERS), task, Split(training, held_out),
        Split(answers, held_out_answers),
    )  # fmt: skip
    path = folder / "decoders.html"
    path.write_bytes(decoding_page(OfflineComparison(held_out, task, "a part", scores, "m1-sim"), ORIGIN))
    return path


def importance(folder: Path) -> Path:
    """The page of importance maps of a few windows."""
    windows = simulate(UNITS, 40 * 32, seed=4).clip(0, 1).reshape(40, 32, UNITS)
    maps = np.where(windows > 0, np.random.Generator(np.random.Philox(0)).gamma(2.0, 0.01, windows.shape), 0.0)
    summary = summarise_importance(importance_sums(maps, windows))
    names = [f"unit {unit}" for unit in range(UNITS)]
    path = folder / "importance.html"
    shown = ImportanceMaps("maps", windows, maps.astype(np.float32), summary, names, BIN_SIZE_S)
    path.write_bytes(importance_page(shown, ORIGIN))
    return path


def closed_loop(folder: Path) -> Path:
    """The page of two decoders on a clock that is said to be real."""
    setup, runs = compared(folder)
    path = folder / "closed_loop.html"
    write_closed_loop(path, report_of(replace(setup, clock="real"), runs, command="spikeloop closedloop"), setup, runs,
                      written=ORIGIN.written)  # fmt: skip
    return path


def compared(folder: Path) -> tuple[Setup, list[Run]]:
    """Two decoders, one of which acquires every target and one none, with timing."""
    stages = [{"p50": each + 0.11, "p99": each + 0.22, "max": each + 0.33} for each in range(4)]
    latency = LoopLatency(
        *stages, steps=123, missed_steps=4, late_steps=5, dropped_steps=0, late_inputs=6, late_answers=7,
        invalid_answers=8,
    )  # fmt: skip
    setup = setup_of(tiny(folder / "tiny"))
    return setup, [replace(each, real_time=RealTimeReport(latency, None)) for each in run(setup)]


def closed_loop_days(folder: Path) -> Path:
    """The page of two decoders over days, each without and with what a policy does."""
    days = days_of(tiny(folder / "tiny"), ("oracle", "kalman"), ("none", "refit:1"))
    path = folder / "closed_loop_days.html"
    write_days_page(path, run_days_setup(days).report, ORIGIN.written)
    return path


def monitor(folder: Path) -> Path:
    """The page of a stream whose unit 4 fell silent."""
    report = watched(UNITS, 3000, lost=4, notices=("something is not to be had",))
    path = folder / "monitor.html"
    write_monitor(path, report, written=ORIGIN.written, command=ORIGIN.command)
    return path


def recording(folder: Path) -> Path:
    """The page of a recording with conditions."""
    random = np.random.Generator(np.random.Philox(0))
    moved = _moved(random)
    np.savez(folder / "recording.npz", spikes=moved.counts[0], conditions=moved.conditions[0],
             condition_names=["velocity x", "velocity y"], bin_size_s=BIN_SIZE_S)  # fmt: skip
    path = folder / "recording.html"
    write_recording_page(inspect_recording(folder / "recording.npz", Choices()), path)
    return path


def _moved(random: np.random.Generator) -> Recording:
    found = moving(random, 1000)
    counts, kinematics = (values[np.newaxis] for values in (found.counts, found.kinematics))
    return with_conditions(from_counts(counts, BIN_SIZE_S, name="moved"), kinematics, ("velocity x", "velocity y"))


PAGES = {
    make.__name__: make
    for make in (evaluation, decoders, importance, closed_loop, closed_loop_days, monitor, recording)
}
