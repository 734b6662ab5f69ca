"""docs/trajectories.svg: the cursor's trajectories in one session of several decoders."""

from places import DOCS

from spikeloop.exporters.pages.drawing import look, new_figure, picture_file
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.plots import paint_trajectories

BUNDLE, DECODERS = "m1-sim", ("oracle", "ridge", "kalman", "population_vector")
TRIALS, SEED = 32, 0
SIDE = 3.2  # of a panel, inches


@look()
def main() -> None:
    result = closed_loop(DECODERS, bundle=BUNDLE, trials=TRIALS, seeds=SEED)
    figure = new_figure(SIDE * len(DECODERS), SIDE + 0.2)
    figure.get_layout_engine().set(wspace=0.08)
    axes = figure.subplots(1, len(DECODERS), sharey=True)
    for axis, run in zip(axes, result.runs, strict=True):
        paint_trajectories(axis, result.setup, run)
        figures = result.decoders[run.decoder].closed_loop
        axis.set_title(f"{run.decoder}: {figures.successes} of {figures.trials} acquired", loc="left", fontsize=11)
        axis.label_outer()
    (DOCS / "trajectories.svg").write_bytes(picture_file(figure, ".svg"))
