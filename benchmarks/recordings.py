"""How close `train` comes on recordings of many kinds, with no option but how each is read."""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

import spikeloop
from spikeloop.models.measures.similarity import mean_ratio, worst_of
from spikeloop.models.measures.table import title_of
from spikeloop.models.training.suited_condition import suited_condition

FORMATS = Path(os.environ.get("SPIKELOOP_DATA", "data")) / "formats"
RECORDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "retina, movie": ("retina", {}),
    "monkey M1, 50 ms": ("m1_jango", {}),
    "rat M1, lever taps, 1 ms": ("rat_m1_ms", {}),
    "mouse V1 calcium, odours": ("calcium_odor", {}),
    "monkey M1, reaches, 200 ms": (f"{FORMATS}/mihi_demo.mat", {"key": "Yte", "bin_size_s": 0.2}),
    "monkey M1, one trial, 1 ms": (f"{FORMATS}/trial_748.csv", {}),
    "rat hippocampus, linear track": (f"{FORMATS}/linear_track_spikes.mat", {"bin_size_s": 0.02}),
    "mouse olfaction, sniffs": (f"{FORMATS}/pinene_data.npz", {"time_unit": "ms", "bin_size_s": 0.01}),
    "simulated motor cortex": ("m1-sim:600", {}),
    "simulated packets, 1 ms": ("packets:1:8192", {}),
}


def measure(seconds: float) -> dict:
    """Train, export and evaluate one after the other, at most so many seconds of steps each."""
    torch.set_num_threads(1)
    return {
        "about": f"`spikeloop train --data X`, at most {seconds / 60:g} minutes each on one core, less where the rule"
        " ends it; then `spikeloop evaluate`. Files are read with the options that `inspect` asks for.",
        "rows": [_row(name, source, reading, seconds) for name, (source, reading) in RECORDINGS.items()],
        "notes": [
            "AUC of a classifier between model and held-out windows; in brackets between two parts of the recording."
        ],
    }


def _row(name: str, source: str, reading: dict[str, Any], seconds: float) -> dict:
    recording = spikeloop.read_recording(source, **reading)
    with tempfile.TemporaryDirectory() as folder:
        model = spikeloop.train(
            recording, seconds / 60, Path(folder) / "run", on_progress=lambda progress: None, device="cpu"
        )
        bundle = model.export(Path(folder) / "bundle")
        try:
            judged = spikeloop.evaluate(bundle, recording, device="cpu").windows
            similarity, auc = judged.similarity, f"{judged.two_sample:.2f} ({judged.real_two_sample:.2f})"
        except spikeloop.BadInputError:  # too short to be split once more
            similarity, auc = model.similarity, "-"
    worst = worst_of(similarity)
    row = {
        "recording": name,
        "bins": recording.recorded_bins,
        "units": recording.units,
        "preset": model.preset,
        "condition": suited_condition(recording, model.family, 5)[0],
        "steps": model.steps,
        "minutes": model.trained_s / 60,
        "mean E/F": mean_ratio(similarity),
        "worst": f"{worst.ratio:.2f} ({title_of(worst.statistic)})",
        "AUC": auc,
    }
    print(row, flush=True)
    return row
