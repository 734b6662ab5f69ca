"""What tests of comparisons share: a tiny bundle that answers to velocity, and short sessions with it."""

from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.decoders.spec import decoder_specs
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.comparison import Run, run_comparison
from spikeloop.streamer.closedloop.days.closed_loop_days import open_days
from spikeloop.streamer.closedloop.days.days import DaysSetup
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.experiment.user_spec import parse_user
from spikeloop.streamer.closedloop.setup import Clock, Setup
from tests.support.tiny import tiny_stream_bundle

UNITS = 6
CHANNELS = tuple(Condition(f"velocity {axis}", "cm/s", -60.0, 60.0) for axis in "xy")
TASK = CenterOut(timeout_s=1.5, hold_s=0.2, pause_s=0.1)


class Watch:
    """Sees every moment of every session; after so many calls it raises."""

    def __init__(self, error: BaseException | None = None, calls: int = 0) -> None:
        self.sessions: list[tuple[str, int]] = []
        self._error, self._left = error, calls

    def __call__(self, decoder: str, seed: int) -> "Watch":
        self.sessions.append((decoder, seed))
        return self

    def show(self, moment) -> None:
        self._left -= 1
        if self._error is not None and self._left < 0:
            raise self._error


def tiny(path: Path) -> Path:
    """A bundle in 20 ms bins."""
    tiny_stream_bundle(path, UNITS, CHANNELS, bin_size_s=0.02)
    return path


def setup_of(
    path: Path,
    decoders=("oracle", "chance"),
    sessions=1,
    units=None,
    user="simulated",
    clock: Clock = "simulated",
    in_process=False,
    **plan,
) -> Setup:
    """Of sessions that take a fraction of a second."""
    planned = Plan(**{"task": TASK, "trials": 8, "calibration_s": 10.0} | plan)
    seeds = tuple(range(planned.seed, planned.seed + sessions))
    specs = decoder_specs(decoders)
    opened, of_user = load_bundle(path), parse_user(user)
    return Setup(str(path), opened, specs, planned, seeds, of_user, clock, units, in_process=in_process)


def days_of(path: Path, decoders=("kalman",), policies=("none",), days=3, drift="units", **options: Any) -> DaysSetup:
    """Of days that take a fraction of a second each."""
    brief = {"task": TASK, "trials": 3, "calibration_s": 10.0} | options
    return open_days(decoders, bundle=load_bundle(path), days=days, drift=drift, policies=policies, **brief)


def run(setup: Setup, watch: Watch | None = None) -> list[Run]:
    """All sessions, on a simulated clock."""
    return list(run_comparison(setup, watch or Watch()))
