"""Draw docs/trajectories.svg: the cursor's trajectories in one session of several decoders. `make picture`."""

from pathlib import Path

from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.plots import draw_trajectories

BUNDLE, DECODERS = "m1-sim", ("oracle", "ridge", "kalman", "population_vector")
TRIALS, SEED = 32, 0


def main() -> None:
    result = closed_loop(DECODERS, bundle=BUNDLE, trials=TRIALS, seeds=SEED)
    Path(__file__).with_name("trajectories.svg").write_text(draw_trajectories(result.setup, result.runs))


if __name__ == "__main__":
    main()
