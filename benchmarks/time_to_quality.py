"""How soon a training comes how close: mean E/F over its minutes, as it was before and as it is, in one picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.pages.drawing import FAINT, SERIES, look, new_figure, picture_file
from spikeloop.exporters.pages.plots import log_axis
from spikeloop.models.families.registry import preset
from spikeloop.models.measures.similarity import mean_ratio
from spikeloop.models.recordings.conditioning import with_phase, without_conditions
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.training import forecast
from spikeloop.models.training.run import Training

PICTURE = Path(__file__).parents[1] / "docs" / "training_time.png"
JUDGED_EVERY_S = 20.0
OLD: dict[str, Any] = {
    "state_size": 192, "factors": 64, "drives_units": False, "own_history": 0, "critic_lead": 100,
    "generator_rate": 3e-4,
}  # fmt: skip
OLD_COUNTS = OLD | {"modes": 4, "dropout": 0.5, "likelihood_steps": 700}
NOW, BEFORE, WITHOUT = "as it is", "as it was", "as it is, without the phase"
Case = tuple[str, str, dict[str, Any], int]  # what the model answers to, preset, what was otherwise, lead in bins
RUNS: dict[str, dict[str, Case]] = {
    "retina": {
        BEFORE: ("none", "fast", OLD, 0), WITHOUT: ("none", "fast", {}, 0), NOW: ("phase", "fast", {}, 0),
    },
    "m1_jango": {BEFORE: ("recorded", "short", OLD_COUNTS, 3), NOW: ("recorded", "short", {}, 3)},
}  # fmt: skip


def measure(seconds: float) -> dict:
    """Train every one for so many seconds on one core; those of now end where their rule says so."""
    torch.set_num_threads(1)
    curves = {
        (recording, name): _curve(f"{recording}, {name}", recording, *case, seconds, name != BEFORE)
        for recording, cases in RUNS.items()
        for name, case in cases.items()
    }
    _draw(curves)
    return {
        "about": f"Mean E/F on held-out data while `causal_gan` trains, at most {seconds:g} s of steps on one core,"
        " seed 0: with the settings, the condition and the stages of before, and of now. The picture is"
        " docs/training_time.png.",
        "rows": [_row(recording, name, curve) for (recording, name), curve in curves.items()],
    }


def _row(recording: str, name: str, curve: list[tuple[float, int, float]]) -> dict:
    least = min(curve, key=lambda point: point[2])
    return {
        "recording": recording,
        "training": name,
        "trained (s)": curve[-1][0],
        "steps": curve[-1][1],
        "mean E/F at the end": curve[-1][2],
        "least": least[2],
        "after (s)": least[0],
    }


def _curve(
    title: str,
    name: str,
    condition: str,
    preset_name: str,
    otherwise: dict[str, Any],
    lead: int,
    seconds: float,
    stops: bool,
) -> list[tuple[float, int, float]]:
    """Train, and return seconds trained, steps and mean E/F as it went."""
    settings = preset("causal_gan", preset_name, lead_bins=lead, stop_early=stops)
    run = Training(_driven(name, condition), replace(settings, config=replace(settings.config, **otherwise)), "cpu")
    forecast.plan(run, seconds / 60)
    curve: list[tuple[float, int, float]] = []
    while run.trained_s < seconds and not run.over:
        run.step()
        if run.trained_s >= JUDGED_EVERY_S * (len(curve) + 1):
            curve.append((run.trained_s, run.steps, mean_ratio(run.judge())))
            print(f"{title}: {curve[-1][0]:.0f} s, step {run.steps}, mean E/F {curve[-1][2]:.2f}", flush=True)
    run.finish()
    return [*curve, (run.trained_s, run.steps, mean_ratio(run.judge()))]


def _driven(name: str, condition: str) -> Recording:
    recording = read_recording(name)
    return {"none": without_conditions, "phase": with_phase, "recorded": lambda same: same}[condition](recording)


@look()
def _draw(curves: dict[tuple[str, str], list[tuple[float, int, float]]]) -> None:
    figure = new_figure(10, 3.4)
    axes = figure.subplots(1, len(RUNS), sharey=True)
    for axis, recording in zip(axes, RUNS, strict=True):
        for name, colour in zip(RUNS[recording], SERIES.values(), strict=False):
            seconds, _, ratios = zip(*curves[recording, name], strict=True)
            axis.plot([each / 60 for each in seconds], ratios, ".-", color=colour, label=name)
        axis.axhline(1.0, color=FAINT, linewidth=1)
        log_axis(axis.yaxis, *axis.get_ylim())
        axis.set(xlabel="minutes of training on one core")
        axis.set_title(recording, loc="left", fontsize=11)
        axis.grid(visible=True)
        axis.legend()
    axes[0].set_ylabel("mean E/F")
    PICTURE.write_bytes(picture_file(figure, ".png"))


if __name__ == "__main__":
    measure(600.0)
