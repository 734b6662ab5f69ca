"""Pictures of a comparison: paired differences, the cursor's trajectories, and how long they took."""

import colorsys
import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from spikeloop.exporters.pages.drawing import EDGE, FAINT, NARROW, SERIES, Axes, draw, draw_wide, literal, room_for
from spikeloop.exporters.pages.plots import dots, name_rows
from spikeloop.exporters.pages.shell import Markup, join, legend, panel, panels
from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Block, BlockName, Trial
from spikeloop.streamer.closedloop.experiment.tasks import Grid
from spikeloop.streamer.closedloop.results.estimates import PairedEstimate
from spikeloop.streamer.closedloop.results.judged import BEFORE, CLOSED_LOOP, block_of, judged, paired_trials
from spikeloop.streamer.closedloop.results.pairs import PairedReport
from spikeloop.streamer.closedloop.results.trial_statistics import seconds_or_timeout, seconds_to_target
from spikeloop.streamer.closedloop.setup import Setup

__all__ = [
    "DRAWN",
    "colour_names",
    "draw_differences",
    "draw_times",
    "draw_trajectories",
    "paint_trajectories",
    "trajectory_of",
]


DRAWN = 24  # trials of a panel, where they don't all begin in the centre
MANY = 300  # trials, from which on dots are small


def draw_differences(setup: Setup, runs: Sequence[Run], paired: Sequence[PairedReport]) -> Markup:
    """Draw each decoder minus the first, over the same trials: the mean with its interval, in front of all trials."""
    names = [each.decoder for each in paired]
    height = 64 + 46 * len(names)
    bin_size_s, timeout_s = setup.loaded.card.bin_size_s, setup.plan.task.timeout_s

    def paint_times(axis: Axes) -> None:
        for row, each in enumerate(paired):
            sides = paired_trials(each.decoder, each.baseline, runs)
            one, other = (
                np.array([seconds_or_timeout(trial, bin_size_s, timeout_s) for session in side for trial in session])
                for side in sides
            )
            spread = 0.5 * (np.arange(len(one)) / max(1, len(one) - 1) - 0.5)
            dots(axis, one - other, row + spread, FAINT, 3, alpha=0.5)
        _mark(axis, names, [each.figures.time_difference_s for each in paired], 1.0)
        axis.set_xlabel("difference in time to target (s)")

    def paint_success(axis: Axes) -> None:
        _mark(axis, names, [each.figures.success_difference for each in paired], 100.0)
        axis.set_xlabel("difference in success (percentage points)")

    baseline = paired[0].baseline
    left = room_for(names)
    return panels(
        panel(f"time to target, minus that of {baseline}", draw(paint_times, height=height, left=left),
              f"Left of the line: faster than {baseline}. Faint: single trials; a failure counts as the timeout."),
        panel(f"success, minus that of {baseline}", draw(paint_success, height=height, left=left),
              f"Right of the line: more targets acquired than by {baseline}."),
    )  # fmt: skip


def _mark(axis: Axes, names: Sequence[str], estimates: Sequence[PairedEstimate], scale: float) -> None:
    """Means with their 95 % intervals, beside a line at no difference."""
    colours = list(SERIES.values())
    axis.axvline(0, color=FAINT, linewidth=1.2)
    for row, estimate in enumerate(estimates):
        colour = colours[(row + 1) % len(colours)]
        axis.plot([scale * estimate.low, scale * estimate.high], [row, row], color=colour, linewidth=3)
        dots(axis, [scale * estimate.value], [row], colour, 10)
    name_rows(axis, [_short(name) for name in names])


def draw_trajectories(setup: Setup, runs: Sequence[Run]) -> Markup:
    """Draw the cursor's trajectories in the closed loop of each run, a panel each.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    return panels(*(_trajectory_panel(setup, run) for run in runs))


def draw_times(setup: Setup, runs: Sequence[Run]) -> Markup:
    """Draw the share of targets acquired by time since they appeared, of all runs; and trial by trial in the first.

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    by_decoder = [
        ([run for run in runs if run.decoder == decoder], SERIES[name]) for decoder, name in colour_names(setup).items()
    ]
    first = runs[0].seed if runs else setup.seeds[0]

    def paint_shares(axis: Axes) -> None:
        for own, colour in by_decoder:
            _draw_share(axis, setup, own, colour)
        axis.set(xlabel="time since the target appeared (s)", ylabel="share of trials")
        axis.set(xlim=(0, setup.plan.task.timeout_s), ylim=(0, 1.02))

    keys = legend(*((_short(decoder), name) for decoder, name in colour_names(setup).items()))
    pictures = panels(
        panel("targets acquired, all sessions", draw(paint_shares)),
        panel(f"trial by trial, seed {first}", draw_wide(lambda width: _draw_courses(setup, by_decoder, width)),
              _course_note(setup), whole=True),
    )  # fmt: skip
    return join([keys, pictures])


def colour_names(setup: Setup) -> dict[str, str]:
    """The name of each decoder's colour in the stylesheet."""
    names = list(SERIES)
    return {decoder: names[place % len(names)] for place, decoder in enumerate(setup.decoders)}


def _draw_courses(setup: Setup, by_decoder: Sequence[tuple[list[Run], str]], width: float) -> Markup:
    timeout_s = setup.plan.task.timeout_s

    def paint(axis: Axes) -> None:
        for own, colour in by_decoder:
            for run in own[:1]:
                _draw_course(axis, setup, run, colour)
        axis.set(xlabel="time in the closed loop (s)", ylabel="time to target (s)", ylim=(0, timeout_s * 1.06))
        _draw_onsets(axis, setup)
        axis.axhline(timeout_s, color=EDGE, linewidth=1, zorder=0)

    return draw(paint, width)


def _course_note(setup: Setup) -> str:
    note = "A dot a trial; a cross at the timeout a failure."
    if setup.plan.recalibrate_after:
        note += " Hollow, and left of the dotted line: before recalibration."
    if setup.plan.perturbations:
        note += " Broken lines: a perturbation sets in."
    return note


def paint_trajectories(axis: Axes, setup: Setup, run: Run) -> None:
    """Draw the cursor's trajectories in the closed loop of a run into axes."""
    every, block = judged(run), block_of(run)
    trials = every if setup.plan.task.recentres else every[:DRAWN]
    _draw_workspace(axis, setup, trials)
    if block is not None:
        for trial in trials:
            _draw_trajectory(axis, trial, trajectory_of(block, trial))


def _trajectory_panel(setup: Setup, run: Run) -> Markup:
    every = judged(run)
    acquired = sum(trial.outcome == "success" for trial in every)
    picture = draw(lambda axis: paint_trajectories(axis, setup, run), NARROW, NARROW - 26, left=48, right=20)
    return panel(_short(run.decoder), picture, f"{acquired} of {len(every)} targets acquired")


def _draw_workspace(axis: Axes, setup: Setup, trials: Sequence[Trial]) -> None:
    """Its border, and the targets: discs, or lit cells among all."""
    patches: Any = import_module("matplotlib.patches")
    task, half = setup.plan.task, setup.plan.task.extent_cm / 2
    border = {"lim": (-half, half), "ticks": (-half, 0, half)}
    axis.set(aspect="equal", xlabel="x (cm)", ylabel="y (cm)",
             **{f"{side}{name}": value for side in "xy" for name, value in border.items()})  # fmt: skip
    axis.grid(visible=False)
    axis.add_patch(patches.Rectangle((-half, -half), 2 * half, 2 * half, fill=False, edgecolor=FAINT, clip_on=False))
    if isinstance(task, Grid):
        for border in np.linspace(-half, half, task.cells + 1):
            axis.axhline(border, color=EDGE, linewidth=0.6, zorder=0)
            axis.axvline(border, color=EDGE, linewidth=0.6, zorder=0)
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


def _draw_share(axis: Axes, setup: Setup, runs: Sequence[Run], colour: str) -> None:
    """Those never acquired keep the curve below 1."""
    trials = [trial for run in runs for trial in judged(run)]
    times = np.sort([seconds_to_target(trial, setup.loaded.card.bin_size_s) for trial in trials])
    times = times[np.isfinite(times)]
    shares = np.arange(len(times) + 1) / max(1, len(trials))
    axis.step([0, *times, setup.plan.task.timeout_s], [*shares, shares[-1]], where="post", color=colour, linewidth=1.6)


def _draw_course(axis: Axes, setup: Setup, run: Run, colour: str) -> None:
    """A dot a trial, hollow before recalibration; failures are crosses at the timeout."""
    bin_size_s, timeout_s = setup.loaded.card.bin_size_s, setup.plan.task.timeout_s
    before = block_of(run, BEFORE)
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
            axis.axvline(perturbation.onset_s, color=FAINT, linewidth=0.8, linestyle="--", zorder=0)
            place, look = axis.get_xaxis_transform(), {"rotation": 90, "ha": "right", "va": "top", "fontsize": 9}
            axis.text(perturbation.onset_s, 0.93, literal(f"{perturbation} "), transform=place, color=FAINT, **look)


def trajectory_of(block: Block, trial: Trial) -> Floats:
    """The cursor from the target's appearance to its acquisition or the trial's end, (bins, 2)."""
    end = trial.ended_bin if trial.acquired_bin is None else trial.acquired_bin
    return np.concatenate([[trial.from_cm], block.position[trial.appeared_bin : end + 1]])


def _colour(trial: Trial) -> tuple[float, float, float]:
    """A hue for the direction in which the target appeared."""
    x, y = (to - start for to, start in zip(trial.target.place_cm, trial.from_cm, strict=True))
    return colorsys.hls_to_rgb(math.atan2(y, x) / (2 * math.pi) % 1, 0.48, 0.6)


def _short(decoder: str) -> str:
    """Of a path, its end."""
    return decoder if len(decoder) <= 32 else f"...{decoder[-29:]}"
