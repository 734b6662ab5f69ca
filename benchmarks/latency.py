"""From a condition to the spikes that it shaped: one bin of the model, and the whole way over LSL."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.processes import HERE, arrivals, ended, python, report, running, stream_on_a_terminal
from spikeloop.exporters.bundle import bundles, load_bundle
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.stream.source import StreamSource, open_source

BUNDLE, BINS = "m1-sim", 5000
EVERY_S = 0.031  # a sample of the condition, at any phase of a bin


def measure(seconds: float) -> dict:
    """One bin of each driven bundle; then `m1-sim` driven over LSL beside a bare relay, both at once."""
    driven = [name for name, path in bundles().items() if load_bundle(path).card.conditions]
    bins = {name: _one_bin_ms(name) for name in driven}
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        scratch, stamp = Path(folder), time.time_ns()
        asked, ours, bare = f"bench-ask-{stamp}", f"bench-{stamp}", f"bench-relay-{stamp}"
        card = load_bundle(bundles()[BUNDLE]).card
        sender = python(
            HERE / "condition_sender.py", asked, len(card.conditions), EVERY_S, seconds + 8, scratch / "sent.npz"
        )
        relay = python(HERE / "relay.py", asked, bare)
        watchers = [
            python(HERE / "watcher.py", name, scratch / f"{name}.npz") for name in (bare, ours, f"{ours}-Condition")
        ]
        processes += [sender, relay, *watchers]
        driven_by = ("--condition", f"lsl:{asked}", "--start-delay", 3)
        stream = stream_on_a_terminal(BUNDLE, "--name", ours, "--step-bins", 1, "--duration", seconds, *driven_by)
        processes.append(stream)
        health = report(stream)
        for process in (sender, *watchers):
            ended(process)
        sent = arrivals(scratch / "sent.npz")
        seen = {name: arrivals(scratch / f"{name}.npz") for name in (bare, ours, f"{ours}-Condition")}
    two_hops_ms = _relayed_ms(sent, seen[bare])
    beyond_ms, wait_ms, bins_late = _answered_ms(sent, seen[ours], seen[f"{ours}-Condition"], card.bin_size_s)
    rows = [
        _row("condition to spikes at an inlet, beyond the wait for the bin's end", beyond_ms),
        _row("two bare LSL hops (sender, relay, inlet)", two_hops_ms),
        *(_row(f"one bin of {name}, {len(load_bundle(name).card.unit_names)} units", ms) for name, ms in bins.items()),
    ]
    return {
        "about": f"`stream {BUNDLE} --step-bins 1 --condition lsl:...` with a sender at any phase of the"
        f" {card.bin_size_s * 1000:g}-ms bins, beside a relay of bare pylsl that passes on the same samples; sender,"
        " relay, stream and inlets are processes of their own. NAME-Condition shows which sample drove a bin. The wait"
        " is the time from a sample's sending to the end of the bin that it came in; what is beyond it holds both hops,"
        " the model, and a whole bin where the sample came too late for it.",
        "rows": rows,
        "notes": [
            f"The wait: mean {wait_ms.mean():.2f} ms, at most {wait_ms.max():.2f} ms. Of {len(beyond_ms)} samples"
            f" {bins_late} came so late in a bin that they drove the next one. Lateness p99"
            f" {health['lateness_ms']['p99']:.3f} ms, {health['late_steps']} late steps,"
            f" {health['cpu_cores']:.3f} cores."
        ],
        "report": health,
    }


def _one_bin_ms(name: str) -> np.ndarray:
    """What one bin takes, in this process."""
    bundle = load_bundle(name)
    source = open_source(bundle, seed=0, device="cpu")
    assert isinstance(source, StreamSource)
    condition = rest_of(bundle.card.channels)[np.newaxis]
    took = np.empty(BINS)
    for bin_ in range(BINS):
        began = time.perf_counter()
        source.next(1, condition)
        took[bin_] = time.perf_counter() - began
    return took * 1000


def _relayed_ms(sent: dict[str, np.ndarray], seen: dict[str, np.ndarray]) -> np.ndarray:
    """From sending to the inlet behind the relay; samples are known by their first value."""
    arrived = dict(zip(seen["values"].tolist(), seen["arrivals"].tolist(), strict=True))
    both = zip(sent["values"].tolist(), sent["times"].tolist(), strict=True)
    return np.array([arrived[value] - at for value, at in both if value in arrived]) * 1000


def _answered_ms(
    sent: dict[str, np.ndarray], spikes: dict[str, np.ndarray], driven: dict[str, np.ndarray], bin_size_s: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """For every sample that drove a bin: from its sending to the bin's spikes, less the wait for the bin's end."""
    arrived = dict(zip(np.round(spikes["stamps"], 6).tolist(), spikes["arrivals"].tolist(), strict=True))
    first_end: dict[float, float] = {}
    for value, end in zip(driven["values"].tolist(), driven["stamps"].tolist(), strict=True):
        first_end.setdefault(value, end)
    ends = np.unique(driven["stamps"])
    beyond, waits, late = [], [], 0
    for value, at in zip(sent["values"].tolist(), sent["times"].tolist(), strict=True):
        end = first_end.get(value)
        if end is None or round(end, 6) not in arrived or not ends[0] + bin_size_s < at:
            continue
        wait = ends[np.searchsorted(ends, at)] - at  # to the first end after its sending
        waits.append(wait)
        late += end - at > wait + bin_size_s / 2
        beyond.append(arrived[round(end, 6)] - at - wait)
    return np.array(beyond) * 1000, np.array(waits) * 1000, late


def _row(name: str, milliseconds: np.ndarray) -> dict:
    quantiles = {f"p{100 * share:g} (ms)": float(np.quantile(milliseconds, share)) for share in (0.5, 0.9, 0.99)}
    return {"": name} | quantiles
