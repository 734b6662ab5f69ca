"""Pictures of a comparison: the cursor's trajectories, and how long they took."""

import colorsys
import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from spikeloop.exporters.pages.drawing import Axes, as_svg, literal, new_figure
from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Block, BlockName, Trial
from spikeloop.streamer.closedloop.experiment.tasks import Grid
from spikeloop.streamer.closedloop.results.report import BEFORE, CLOSED_LOOP, judged
from spikeloop.streamer.closedloop.results.trial_statistics import seconds_to_target
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["DRAWN", "draw_times", "draw_trajectories", "trajectory_of"]


WIDTH, PANEL = 12.0, 4.2  # inches; a panel at most
PANELS = 4  # side by side at most
DRAWN = 24  # trials of a panel, where they don't all begin in the centre
PALETTE = ("#0b6e99", "#c8553d", "#3f7d20", "#7b4b94", "#b07d00", "#222222", "#2a9d8f", "#a23b72")  # of decoders
FRAME, FAINT = "#999999", "#dddddd"
MANY = 300  # trials, from which on dots are small


def draw_trajectories(setup: Setup, runs: Sequence[Run]) -> str:
    """The cursor's trajectories in the closed loop of each run, a panel each, as SVG.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    rows = max(1, -(-len(runs) // PANELS))
    columns = max(1, -(-len(runs) // rows))
    side = min(PANEL, WIDTH / columns)
    figure = new_figure(columns * side, rows * (side + 0.25))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, run in zip(panels, runs, strict=False):
        _draw_run(axis, setup, run)
    for axis in panels[len(runs) :]:
        axis.set_axis_off()
    return _svg(figure)


def draw_times(setup: Setup, runs: Sequence[Run]) -> str:
    """The share of targets acquired by time since they appeared, of all runs; and trial by trial in the first session.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    figure = new_figure(WIDTH, 3.4)
    share, course = figure.subplots(1, 2, width_ratios=[2, 3])
    for decoder, colour in zip(setup.decoders, _colours(len(setup.decoders)), strict=True):
        own = [run for run in runs if run.decoder == decoder]
        _draw_share(share, setup, own, decoder, colour)
        for run in own[:1]:
            _draw_course(course, setup, run, colour)
    timeout_s = setup.plan.task.timeout_s
    share.set(
        title="targets acquired", xlabel="time since the target appeared (s)", ylabel="share of trials",
        xlim=(0, timeout_s), ylim=(0, 1.02),
    )  # fmt: skip
    first = runs[0].seed if runs else setup.seeds[0]
    course.set(
        title=f"trial by trial, seed {first}", xlabel="closed loop (s)", ylabel="time to target (s)",
        ylim=(0, timeout_s * 1.06),
    )  # fmt: skip
    _draw_onsets(course, setup)
    course.axhline(timeout_s, color=FAINT, linewidth=0.8, zorder=0)
    share.legend(frameon=False, fontsize=8, loc="lower right")
    return _svg(figure)


def _draw_run(axis: Axes, setup: Setup, run: Run) -> None:
    every, block = judged(run), _block(run, CLOSED_LOOP)
    trials = every if setup.plan.task.recentres else every[:DRAWN]
    _draw_workspace(axis, setup, trials)
    if block is not None:
        for trial in trials:
            _draw_trajectory(axis, trial, trajectory_of(block, trial))
    acquired = sum(trial.outcome == "success" for trial in every)
    axis.set_title(f"{literal(_short(run.decoder))}: {acquired} of {len(every)} acquired", fontsize=10)


def _draw_workspace(axis: Axes, setup: Setup, trials: Sequence[Trial]) -> None:
    """Its border, and the targets: discs, or lit cells among all."""
    patches: Any = import_module("matplotlib.patches")
    task, half = setup.plan.task, setup.plan.task.extent_cm / 2
    border = {"lim": (-half, half), "ticks": (-half, 0, half)}
    axis.set(aspect="equal", xlabel="cm", **{f"{side}{name}": value for side in "xy" for name, value in border.items()})
    axis.tick_params(labelsize=8)
    axis.add_patch(patches.Rectangle((-half, -half), 2 * half, 2 * half, fill=False, edgecolor=FRAME, clip_on=False))
    if isinstance(task, Grid):
        for border in np.linspace(-half, half, task.cells + 1):
            axis.axhline(border, color=FAINT, linewidth=0.6, zorder=0)
            axis.axvline(border, color=FAINT, linewidth=0.6, zorder=0)
    for trial in {trial.target: trial for trial in trials}.values():
        x, y, width = *trial.target.place_cm, trial.target.width_cm
        shape = (
            patches.Rectangle((x - width / 2, y - width / 2), width, width)
            if isinstance(task, Grid)
            else patches.Circle((x, y), width / 2)
        )
        colour = _colour(trial)
        shape.set(facecolor=(*colour, 0.12), edgecolor=(*colour, 0.9 if task.recentres else 0.5), linewidth=0.8)
        axis.add_patch(shape)


def _draw_trajectory(axis: Axes, trial: Trial, path: Floats) -> None:
    """To the acquisition; that of a failure broken, with a cross where it ended."""
    colour = _colour(trial)
    if trial.outcome == "success":
        axis.plot(*path.T, color=colour, linewidth=0.9, alpha=0.85)
        axis.plot(*path[-1], ".", color=colour, markersize=4)
    else:
        axis.plot(*path.T, color=colour, linewidth=0.6, alpha=0.4, linestyle=(0, (4, 2)))
        axis.plot(*path[-1], "x", color=colour, markersize=6, markeredgewidth=1.4)


def _draw_share(axis: Axes, setup: Setup, runs: Sequence[Run], decoder: str, colour: str) -> None:
    """Those never acquired keep the curve below 1."""
    trials = [trial for run in runs for trial in judged(run)]
    times = np.sort([seconds_to_target(trial, setup.loaded.card.bin_size_s) for trial in trials])
    times = times[np.isfinite(times)]
    shares = np.arange(len(times) + 1) / max(1, len(trials))
    axis.step([0, *times, setup.plan.task.timeout_s], [*shares, shares[-1]], where="post", color=colour, linewidth=1.4,
              label=literal(_short(decoder)))  # fmt: skip


def _draw_course(axis: Axes, setup: Setup, run: Run, colour: str) -> None:
    """A dot a trial, hollow before recalibration; failures are crosses at the timeout."""
    bin_size_s, timeout_s = setup.loaded.card.bin_size_s, setup.plan.task.timeout_s
    before = _block(run, BEFORE)
    size = 3 if len(run.record.trials) > MANY else 4.5
    later = 0 if before is None else len(before.position)
    shown: list[tuple[BlockName, int, str]] = [(BEFORE, 0, "none"), (CLOSED_LOOP, later, colour)]
    for name, offset, fill in shown:
        trials = judged(run, name)
        at = np.array([(offset + trial.appeared_bin) * bin_size_s for trial in trials])
        times = np.array([seconds_to_target(trial, bin_size_s) for trial in trials])
        axis.plot(at, times, "o", color=colour, markerfacecolor=fill, markersize=size, alpha=0.8)
        failed = np.array([trial.outcome != "success" for trial in trials], bool)
        axis.plot(at[failed], np.full(failed.sum(), timeout_s), "x", color=colour, markersize=size + 0.5)
    if before is not None:
        axis.axvline(later * bin_size_s, color=colour, linewidth=0.8, linestyle=":")


def _draw_onsets(axis: Axes, setup: Setup) -> None:
    """Where perturbations set in, as far as the sessions came."""
    end = axis.get_xlim()[1]
    for perturbation in setup.plan.perturbations:
        if perturbation.onset_s <= end:
            axis.axvline(perturbation.onset_s, color=FRAME, linewidth=0.8, linestyle="--", zorder=0)
            place, look = axis.get_xaxis_transform(), {"rotation": 90, "ha": "right", "va": "top", "fontsize": 7}
            axis.text(perturbation.onset_s, 0.93, f"{perturbation} ", transform=place, color="#555555", **look)


def trajectory_of(block: Block, trial: Trial) -> Floats:
    """The cursor from the target's appearance to its acquisition or the trial's end, (bins, 2)."""
    end = trial.ended_bin if trial.acquired_bin is None else trial.acquired_bin
    return np.concatenate([[trial.from_cm], block.position[trial.appeared_bin : end + 1]])


def _block(run: Run, name: BlockName) -> Block | None:
    return next((block for block in run.record.blocks if block.name == name), None)


def _colour(trial: Trial) -> tuple[float, float, float]:
    """A hue for the direction in which the target appeared."""
    x, y = (to - start for to, start in zip(trial.target.place_cm, trial.from_cm, strict=True))
    return colorsys.hls_to_rgb(math.atan2(y, x) / (2 * math.pi) % 1, 0.42, 0.6)


def _colours(number: int) -> list[str]:
    return [PALETTE[place % len(PALETTE)] for place in range(number)]


def _short(decoder: str) -> str:
    """Of a path, its end."""
    return decoder if len(decoder) <= 32 else f"...{decoder[-29:]}"


def _svg(figure: Any) -> str:
    """The same figure gives the same text."""
    with import_module("matplotlib").rc_context({"svg.hashsalt": "spikeloop"}):
        return as_svg(figure)
