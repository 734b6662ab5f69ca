"""docs/loop.gif: the closed loop. A user's intention drives a population, whose spikes move the cursor by a decoder."""

from itertools import pairwise

import numpy as np
from animation import save
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle, Rectangle
from PIL import Image
from places import DOCS

from spikeloop.exporters.pages.drawing import FAINT, MODEL, REAL, SERIES, Axes, look, new_figure
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.experiment.record import Block
from spikeloop.streamer.closedloop.results.judged import block_of

BUNDLE, DECODER, TRIALS, SEED = "m1-sim", "kalman", 3, 0
WIDTH, HEIGHT, DOTS_PER_INCH = 8.0, 3.6, 90  # inches
SHOWN_BINS, PATH_BINS, FRAME_BINS = 150, 50, 5  # of spikes, of the cursor's path, and from frame to frame
LAST_FRAME_S = 1.0


@look()
def main() -> None:
    result = closed_loop([DECODER], bundle=BUNDLE, trials=TRIALS, seeds=SEED)
    run, bin_size_s = result.runs[0], result.setup.loaded.card.bin_size_s
    block, half_cm = block_of(run), result.setup.plan.task.extent_cm / 2
    assert block is not None
    radius_cm = run.record.trials[0].target.width_cm / 2
    figure = new_figure(WIDTH, HEIGHT)
    figure.set(dpi=DOTS_PER_INCH, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    screen, spikes = figure.subplots(1, 2, width_ratios=(1, 1.5))
    frames = []
    for now in range(FRAME_BINS, len(block.counts), FRAME_BINS):
        _paint_screen(screen, block, now, half_cm, radius_cm)
        _paint_spikes(spikes, block, now, bin_size_s)
        canvas.draw()
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    save(DOCS / "loop.gif", frames, [*[FRAME_BINS * bin_size_s] * (len(frames) - 1), LAST_FRAME_S])


def _paint_screen(axis: Axes, block: Block, now: int, half_cm: float, radius_cm: float) -> None:
    """What the user sees: the target, filled while the cursor is on it, and the cursor with its path."""
    axis.clear()
    axis.set(aspect="equal", xlim=(-half_cm, half_cm), ylim=(-half_cm, half_cm), xticks=(), yticks=())
    axis.spines[:].set_visible(False)
    axis.add_patch(Rectangle((-half_cm, -half_cm), 2 * half_cm, 2 * half_cm, fill=False, edgecolor=FAINT))
    axis.set_title(
        f"what the user sees: trial {max(0, int(block.trial[now])) + 1} of {TRIALS}", loc="left", fontsize=11
    )
    if np.isfinite(block.target[now]).all():
        shade = 0.5 if block.on_target[now] else 0.12
        target = Circle(tuple(block.target[now]), radius_cm, linewidth=1.6)
        target.set(edgecolor=SERIES["drive"], facecolor=(SERIES["drive"], shade))
        axis.add_patch(target)
    same = np.flatnonzero(block.trial[: now + 1] == block.trial[now])[-PATH_BINS:]
    for before, after in pairwise(same):
        age = (now - after) / PATH_BINS
        axis.plot(*block.position[[before, after]].T, color=MODEL, alpha=1 - age, linewidth=2)
    axis.plot(*block.position[now], "o", color=MODEL, markersize=9)


def _paint_spikes(axis: Axes, block: Block, now: int, bin_size_s: float) -> None:
    """The last seconds of the population's spikes; its units are ordered by the direction that they prefer."""
    axis.clear()
    begin = max(0, now + 1 - SHOWN_BINS)
    bins, units = block.counts[begin : now + 1].nonzero()
    times_s = (bins + begin - now) * bin_size_s
    axis.scatter(times_s, units, s=3.2, marker="|", linewidths=1.1, color=REAL, antialiased=False)
    axis.set(xlim=(-SHOWN_BINS * bin_size_s, 0), ylim=(-1, block.counts.shape[1]), yticks=())
    axis.set(xlabel="time (s)", ylabel="unit, by preferred direction")
    axis.set_title("what the decoder gets: the spikes of 96 units", loc="left", fontsize=11)
