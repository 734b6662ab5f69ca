"""Draw docs/ways.svg: the cursor's ways in one session of several decoders. `make picture`."""

from pathlib import Path

from spikeloop.exporters.bundle import read_bundle
from spikeloop.streamer.closedloop.comparison import Setup, opener, run_comparison
from spikeloop.streamer.closedloop.pictures import draw_trajectories
from spikeloop.streamer.closedloop.session import Plan

BUNDLE, DECODERS = "m1-sim", ("oracle", "ridge", "kalman", "population_vector")
TRIALS, SEED = 32, 0


def main() -> None:
    setup = Setup(BUNDLE, read_bundle(BUNDLE), "simulated", DECODERS, Plan(trials=TRIALS, seed=SEED))
    runs = list(run_comparison(setup, opener(setup, "simulated")))
    Path(__file__).with_name("ways.svg").write_text(draw_trajectories(setup, runs))


if __name__ == "__main__":
    main()
