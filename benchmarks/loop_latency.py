"""The closed loop on a real clock, everything over LSL in three processes, beside bare LSL hops in the same run."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, arrivals, ended, python, report, running
from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation

BUNDLE = "m1-sim"
CALIBRATION_S = 120.0
EVERY_S = 0.031  # a sample of the bare stream, at any phase of a bin
STARTING_S = 30.0
BUDGET = {
    "spikes_ms": "bin's end to counts in the session",
    "decoder_ms": "counts to velocity (external decoder)",
    "cursor_ms": "velocity to cursor moved and next intended velocity sent",
    "loop_ms": "whole loop: bin's end to next intended velocity sent",
}


def measure(seconds: float) -> dict:
    """A session, its population and an external decoder; beside them a bare sender, relay and inlet."""
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch, stamp = Path(folder), time.time_ns()
        name, decoder, bare, relayed = (f"bench-{what}-{stamp}" for what in ("loop", "decoder", "bare", "relay"))
        _write_readout(scratch / "readout.npz")
        lasts_s = seconds + STARTING_S
        session = python(HERE / "loop_session.py", BUNDLE, name, decoder, seconds, scratch / "session.npz")
        sender = python(HERE / "condition_sender.py", bare, 2, EVERY_S, lasts_s, scratch / "sent.npz")
        watched = (relayed, f"{name}-Condition")
        watchers = [python(HERE / "watcher.py", each, scratch / f"{each}.npz") for each in watched]
        external = python(HERE / "loop_decoder.py", name, decoder, scratch / "readout.npz")
        processes += [session, sender, python(HERE / "relay.py", bare, relayed), *watchers, external]
        reported = report(session)
        for process in (external, sender, *watchers):
            ended(process)
        noted, sent = arrivals(scratch / "session.npz"), arrivals(scratch / "sent.npz")
        relay, driven = (arrivals(scratch / f"{each}.npz") for each in watched)
    latency, stream = reported["latency"], reported["stream"]
    beyond_ms, too_late = _answered_ms(noted, driven, load_bundle(BUNDLE).card.bin_size_s)
    hops_ms = _relayed_ms(sent, relay, noted)
    rows = [{"": what} | _row(latency[stage]) for stage, what in BUDGET.items()]
    rows.insert(
        0, {"": "intended_velocity sent to its spikes here, beyond the wait for the bin's end"} | _row(_of(beyond_ms))
    )
    rows.append({"": "two bare LSL hops (sender, relay, inlet)"} | _row(_of(hops_ms)))
    return {
        "about": f"`{BUNDLE}`, 20-ms bins, {seconds:g} s: a session with the simulated user, its population (`spikeloop"
        " stream --step-bins 1`) and an external decoder of bare pylsl (a fixed linear readout), each a process of its"
        " own, over LSL; beside them bare pylsl passes on samples in two hops. Which intended velocity drove a bin,"
        " NAME-Condition states.",
        "rows": rows,
        "notes": [
            f"{latency['steps']} steps: {latency['missed_steps']} missed, {latency['late_steps']} late,"
            f" {latency['dropped_steps']} dropped, {latency['late_answers']} answered late,"
            f" {latency['invalid_answers']} invalid answers; {too_late} intended velocities came too late for their"
            f" bin, {latency['late_inputs']} were sent less than 2 ms before its end. The session took"
            f" {reported['cpu_cores']:.3f} cores, the population {stream['cpu_cores']:.3f}; its lateness p50"
            f" {stream['lateness_ms']['p50']:.3f}, p99 {stream['lateness_ms']['p99']:.3f} ms,"
            f" {stream['late_steps']} late steps. Trials: {reported['outcomes']}.",
        ],
        "report": reported,
    }


def _write_readout(path: Path) -> None:
    """Least squares from the counts of a bin to its velocity."""
    bundle = load_bundle(BUNDLE)
    population = BundlePopulation(bundle, seed=1, device="cpu")
    reaches = random_reaches(round(CALIBRATION_S / population.bin_size_s), population.bin_size_s, seed=1)
    counts = np.array(
        [population.respond(*each) for each in zip(reaches.velocity_cm_s, reaches.position_cm, strict=True)]
    )
    design = np.column_stack([counts, np.ones(len(counts))])
    found = np.linalg.lstsq(design, reaches.velocity_cm_s, rcond=None)[0].T
    np.savez(path, weights=found[:, :-1], offset=found[:, -1])


def _answered_ms(noted: dict[str, np.ndarray], driven: dict[str, np.ndarray], bin_size_s: float) -> tuple:
    """From an intended velocity's sending to the spikes of the bin that it drove, beyond the wait for the bin's end.

    The wait is that for the end of the bin that it was meant for. Also return how many drove a later one.
    """
    numbers = _numbers(noted["ends"], bin_size_s)
    arrived = dict(zip(numbers, noted["arrivals"].tolist(), strict=True))
    drove: dict[float, list[int]] = {}
    for value, number in zip(
        driven["values"].tolist(), _numbers(driven["stamps"], bin_size_s, noted["ends"][0]), strict=True
    ):
        drove.setdefault(value, []).append(number)
    beyond, late = [], 0
    for intended, sent_s, end_s, number in zip(noted["intended"], noted["sent"], noted["ends"], numbers, strict=True):
        later = (each for each in drove.get(float(np.float32(intended)), ()) if each >= number)
        drove_bin = next(later, None)
        if drove_bin in arrived:
            beyond.append(arrived[drove_bin] - sent_s - max(0.0, end_s - sent_s))
            late += drove_bin > number
    return np.array(beyond) * 1000, late


def _numbers(ends_s: np.ndarray, bin_size_s: float, first_s: float | None = None) -> list[int]:
    """Bins counted from the session's first."""
    return np.rint((ends_s - (ends_s[0] if first_s is None else first_s)) / bin_size_s).astype(int).tolist()


def _relayed_ms(sent: dict[str, np.ndarray], seen: dict[str, np.ndarray], noted: dict[str, np.ndarray]) -> np.ndarray:
    """From sending to the inlet behind the relay, while the loop ran; samples are known by their first value."""
    arrived = dict(zip(seen["values"].tolist(), seen["arrivals"].tolist(), strict=True))
    both = zip(sent["values"].tolist(), sent["times"].tolist(), strict=True)
    first_s, last_s = noted["ends"][0], noted["ends"][-1]
    return np.array([arrived[value] - at for value, at in both if first_s < at < last_s and value in arrived]) * 1000


def _of(milliseconds: np.ndarray) -> dict[str, float]:
    p50, p99 = np.quantile(milliseconds, (0.5, 0.99)).tolist()
    return {"p50": p50, "p99": p99, "max": float(milliseconds.max())}


def _row(quantiles: dict[str, float]) -> dict[str, float]:
    return {f"{name} (ms)": value for name, value in quantiles.items()}
