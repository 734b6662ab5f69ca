"""Draw docs/trajectories.svg: the cursor's trajectories in one session of several decoders. `make picture`."""

from pathlib import Path

from spikeloop.exporters.pages.drawing import new_figure, picture_file
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.plots import paint_trajectories

BUNDLE, DECODERS = "m1-sim", ("oracle", "ridge", "kalman", "population_vector")
TRIALS, SEED = 32, 0
SIDE = 3.2  # of a panel, inches


def main() -> None:
    result = closed_loop(DECODERS, bundle=BUNDLE, trials=TRIALS, seeds=SEED)
    figure = new_figure(SIDE * len(DECODERS), SIDE + 0.2)
    for axis, run in zip(figure.subplots(1, len(DECODERS)), result.runs, strict=True):
        paint_trajectories(axis, result.setup, run)
        figures = result.decoders[run.decoder].closed_loop
        axis.set_title(f"{run.decoder}: {figures.successes} of {figures.trials} acquired", fontsize=10)
    Path(__file__).with_name("trajectories.svg").write_bytes(picture_file(figure, ".svg"))


if __name__ == "__main__":
    main()
