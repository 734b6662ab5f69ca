"""From spikes through a device to the spikes that it evoked, stage by stage, beside a bare MQTT echo."""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import HERE, arrivals, ended, python, running
from benchmarks.random_bundle import write_random_bundle
from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.devices.broker import local_broker

STIMULATED = tuple(range(10))
TRIGGER = ("--spikes", 3, "--window-ms", 20, "--refractory-ms", 180)
PULSE = ("--amplitude-ua", 150, "--stimulate", *STIMULATED)
EVOKED_S = (0.001, 0.004)  # after a pulse
DELAY_S = 4.0
WANTED_MS = 10.0  # p99 of the answer, from a message's arrival at the device to the stimulus's at the stream

Floats = NDArray[np.float64]


def measure(seconds: float) -> dict:
    """`m1-sim` in steps of one bin of 20 ms, and 96 units at 1 kHz in steps of 2 ms."""
    with tempfile.TemporaryDirectory() as folder:
        write_random_bundle(Path(folder) / "random", 96)
        settings = (("m1-sim, 20-ms steps", Path("m1-sim"), 1), ("96 units, 2-ms steps", Path(folder) / "random", 2))
        rows, notes = [], []
        for label, bundle, step_bins in settings:
            more, note = _loop(label, bundle, step_bins, seconds)
            rows += more
            notes.append(note)
    return {
        "about": "`spikeloop stream --mqtt`, `spikeloop device stimulator`, mosquitto and an inlet of NAME-Events, each"
        f" a process of its own on one machine, for {seconds:g} s; the stimulator answers 3 spikes within 20 ms with a"
        f" pulse for {len(STIMULATED)} units. A step goes out at the end of its last bin, so evoked spikes, which come"
        " 1 to 4 ms after their pulse, wait for the end of their step; what is beyond that wait has a row of its own."
        " The bare echo runs at the same time over the same broker: two aiomqtt clients, 168 bytes a step.",
        "rows": rows,
        "notes": notes,
    }


def _loop(label: str, bundle: Path, step_bins: int, seconds: float) -> tuple[list[dict], str]:
    step_s = step_bins * load_bundle(str(bundle)).card.bin_size_s
    with tempfile.TemporaryDirectory() as folder, local_broker() as url, running() as processes:
        scratch, name, port = Path(folder), f"bench-{time.time_ns()}", url.rpartition(":")[2]
        common = ("--mqtt", url, "--name", name, "--json")
        inlet = python(HERE / "watcher.py", f"{name}-Events", scratch / "events.npz")
        echo = python(HERE / "mqtt_echo.py", "echo", port)
        stream = python(
            HERE / "timed_hardware.py", scratch / "stream.npz", "stream", bundle, *common, "--step-bins", step_bins,
            "--start-delay", DELAY_S, "--duration", seconds,
        )  # fmt: skip
        device = python(
            HERE / "timed_hardware.py", scratch / "device.npz", "device", "stimulator", *common, *TRIGGER, *PULSE,
            "--duration", seconds + DELAY_S + 2,
        )  # fmt: skip
        time.sleep(DELAY_S)
        ping = python(HERE / "mqtt_echo.py", "ping", port, step_s, seconds, scratch / "ping.npz")
        processes += [inlet, echo, stream, device, ping]
        health = json.loads(stream.communicate()[0])
        counted = json.loads(device.communicate()[0])["device"]
        for process in (ping, inlet):
            ended(process)
        noted = {each: arrivals(scratch / f"{each}.npz") for each in ("stream", "device", "events", "ping")}
    stages, used = _stages_ms(noted["stream"], noted["device"], noted["events"], step_s)
    stages["bare MQTT echo, there and back"] = noted["ping"]["took"] * 1000
    answers = stages["message at the device -> stimulus at the stream"]
    note = (
        f"{label}: {used} of {counted['stimuli']} stimuli evoked spikes; p99 of the threshold-triggered answer"
        f" {np.quantile(answers, 0.99):.2f} ms (at most {WANTED_MS:g} wanted); {counted['lost']} messages lost,"
        f" {counted['refused']} stimuli refused. The stream: lateness p99 {health['lateness_ms']['p99']:.2f} ms,"
        f" {health['late_steps']} late steps."
    )
    return [_row(label, stage, took_ms) for stage, took_ms in stages.items()], note


def _stages_ms(
    stream: dict[str, NDArray], device: dict[str, NDArray], events: dict[str, NDArray], step_s: float
) -> tuple[dict[str, Floats], int]:
    """Of every stimulus that came in, stage by stage; those that evoked nothing are left out of the last ones."""
    answered = {each: place for place, each in enumerate(device["ids"].tolist())}
    places = np.array([answered[each] for each in stream["ids"].tolist()])
    pushed, arrived = stream["pushed"][device["sequences"][places]], device["arrived"][places]
    received, begins = stream["received"], stream["begins"]
    seen, spiked = _evoked(events, begins)
    found = np.isfinite(seen)
    due = stream["pushed"][np.minimum(np.searchsorted(stream["pushed"], spiked[found]), len(stream["pushed"]) - 1)]
    stages = {
        "step pushed -> message at the device": arrived - pushed,
        "message at the device -> stimulus at the stream": received - arrived,
        "stimulus at the stream -> its spikes at the inlet": (seen - received)[found],
        "of it beyond the push of the spikes' step": seen[found] - due,
        f"step pushed -> evoked spikes at the inlet (steps of {step_s * 1000:g} ms)": (seen - pushed)[found],
    }
    return {stage: took_s * 1000 for stage, took_s in stages.items()}, int(found.sum())


def _evoked(events: dict[str, NDArray], begins: Floats) -> tuple[Floats, Floats]:
    """When the middle one of the spikes that each pulse evoked came to the inlet, and its own time; else NaN."""
    mine = np.isin(events["values"], STIMULATED)
    stamps, came = events["stamps"][mine], events["arrivals"][mine]
    order = np.argsort(stamps, kind="stable")
    stamps, came = stamps[order], came[order]
    first, last = (np.searchsorted(stamps, begins + each) for each in EVOKED_S)
    middle = np.minimum((first + last) // 2, len(stamps) - 1)
    some = last - first >= len(STIMULATED) // 2
    return np.where(some, came[middle], np.nan), np.where(some, stamps[middle], np.nan)


def _row(label: str, stage: str, took_ms: Floats) -> dict:
    quantiles = {f"p{100 * share:g} (ms)": float(np.quantile(took_ms, share)) for share in (0.5, 0.9, 0.99)}
    return {"": label, "stage": stage} | quantiles
