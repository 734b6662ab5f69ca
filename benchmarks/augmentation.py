"""How much synthetic data help a decoder that has 1, 2 or 5 minutes of real ones: motor cortex, ridge regression."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.pages.drawing import MODEL, REAL, look, new_figure, picture_file
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.families.causal_presets import PRESETS
from spikeloop.models.families.registry import preset
from spikeloop.models.measures.decoding_scores import r_squared
from spikeloop.models.random_streams import Purpose, torch_seed
from spikeloop.models.recordings.conditioning import with_lead
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import hold_out
from spikeloop.models.training.run import Training

PICTURE = Path(__file__).parents[1] / "docs" / "augmentation.png"
MINUTES, PIECES, LEAD_BINS = (1, 2, 5), 2, 3
STEPS = {1: (200, 80), 2: (300, 120), 5: (500, 150)}  # of likelihood and in all beyond it; more learn it by heart
KINDS = ("real alone", "real and synthetic", "synthetic alone")
LOOKS = ((REAL, "-"), (MODEL, "-"), (MODEL, ":"))  # of each kind
COLUMNS = ("position x", "position y", "velocity x", "velocity y")


def measure(seconds: float) -> dict:  # noqa: ARG001
    """For every number of minutes: R2 without and with synthetic data of a model that saw those minutes only."""
    recording = with_lead(read_recording("m1_jango"), LEAD_BINS)
    training, test = hold_out(recording, 5)
    rows, ranges = [], {}
    for minutes in MINUTES:
        bins = round(60 * minutes / recording.bin_size_s)
        places = np.linspace(0, training.bins - bins, PIECES).astype(int)
        found = [_segment(part_of(training, bins=slice(at, at + bins)), training, test, minutes) for at in places]
        for kind, values in zip(KINDS, zip(*found, strict=True), strict=True):
            rows.append(_row(minutes, kind, np.mean(values, axis=0)))
            ranges[minutes, kind] = np.min(values, axis=0), np.max(values, axis=0)
            print(rows[-1], flush=True)
    rows.append(_row(round(training.bins * training.bin_size_s / 60), KINDS[0], _r_squared([training], test)))
    draw(rows, ranges)
    return {
        "about": "m1_jango: R2 of a ridge decoder (10 bins of history) on the last fifth of the recording; mean of"
        f" {PIECES} segments of the rest. The model was trained on those minutes alone (preset `short`, fewer steps);"
        " the synthetic data are its responses to the kinematics of all 12 minutes, whose spikes it never saw.",
        "rows": rows,
    }


@look()
def draw(rows: list[dict], ranges: dict[tuple[int, str], tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
    """docs/augmentation.png: the curves, a panel a column, and between which values the segments lie."""
    figure = new_figure(11, 3.2)
    axes = figure.subplots(1, len(COLUMNS), sharex=True)
    for place, (axis, column) in enumerate(zip(axes, COLUMNS, strict=True)):
        for kind, (colour, line) in zip(KINDS, LOOKS, strict=True):
            minutes, values = zip(
                *[(row["minutes"], row[column]) for row in rows if row["trained on"] == kind], strict=True
            )
            axis.plot(minutes, values, marker=".", linestyle=line, color=colour, label=kind)
            known = [each for each in minutes if (each, kind) in ranges]
            low, high = ([ranges[each, kind][end][place] for each in known] for end in (0, 1))
            axis.fill_between(known, low, high, color=colour, alpha=0.12, linewidth=0)
        axis.set(xlabel="real minutes", xscale="log", xticks=(1, 2, 5, 12), xticklabels=(1, 2, 5, 12))
        axis.set_title(column, loc="left", fontsize=11)
        axis.minorticks_off()
        axis.grid(visible=True)
    for pair in (axes[:2], axes[2:]):  # of one quantity, on one scale
        low, high = min(axis.get_ylim()[0] for axis in pair), max(axis.get_ylim()[1] for axis in pair)
        for axis in pair:
            axis.set_ylim(low, high)
    axes[0].set_ylabel("R2 on held-out real data")
    axes[-1].legend(loc="lower right")
    PICTURE.write_bytes(picture_file(figure, ".png"))


def _row(minutes: int, kind: str, r_squared: NDArray[np.float64]) -> dict:
    return {"minutes": minutes, "trained on": kind} | dict(zip(COLUMNS, r_squared.round(3).tolist(), strict=True))


def _segment(segment: Recording, whole: Recording, test: Recording, minutes: int) -> list[NDArray[np.float64]]:
    likelihood_steps, more = STEPS[minutes]
    settings = preset("causal_gan", "short", hold_out=0)
    config = dataclasses.replace(PRESETS["short"], likelihood_steps=likelihood_steps)
    run = Training(segment, dataclasses.replace(settings, config=config))
    for _ in range(likelihood_steps + more):
        run.step()
    run.calibrate()
    synthetic = dataclasses.replace(whole, counts=_responses(run, whole))
    return [_r_squared(parts, test) for parts in ([segment], [segment, synthetic], [synthetic])]


def _responses(run: Training, recording: Recording) -> NDArray[np.uint8]:
    conditions = torch.from_numpy(np.ascontiguousarray(recording.conditions))
    with torch.no_grad():
        counts = run.model.draw(
            conditions, recording.bins, torch.Generator().manual_seed(torch_seed(1, Purpose.BENCHMARK))
        )
    return counts.to(torch.uint8).numpy()


def _r_squared(parts: list[Recording], test: Recording) -> NDArray[np.float64]:
    """Of a decoder trained on parts, each as recorded at one time."""
    counts = np.concatenate([part.counts[0] for part in parts])
    kinematics = np.concatenate([part.conditions[0] for part in parts])
    decoder = RidgeDecoder()
    decoder.fit(counts, kinematics)
    return r_squared(test.conditions[0], decode(decoder, test.counts[0]))
