"""A closed loop in real time: `loop_session.py BUNDLE NAME STREAM SECONDS OUT.npz`, with the decoder of STREAM.

Records for each bin when its intended velocity was sent, its x, when the bin ended and when its counts
came. Prints the report of the session as JSON.
"""

import dataclasses
import json
import sys
import time

import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import Moment
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import RandomTarget
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.closedloop.real_time.real_time import RealTime

CONNECT_S = 2.0  # for those who look at NAME-Condition


class Notes:
    """A watcher that notes each bin, and ends the session as Ctrl-C does."""

    def __init__(self, population: LslPopulation, bins: int) -> None:
        self._brain, self._bins = population, bins
        self.rows: list[tuple[float, float, float, float]] = []

    def show(self, moment: Moment) -> None:
        population = self._brain
        self.rows.append(
            (population.sent_s, float(moment.intended_velocity[0]), population.end_s, population.arrived_s)
        )
        if len(self.rows) == self._bins:
            raise KeyboardInterrupt


def main(source: str, name: str, stream: str, seconds: float, out: str) -> None:
    bundle, task = load_bundle(source), RandomTarget()
    bin_size_s = bundle.card.bin_size_s
    user = SimulatedUser(UserModel(), task.extent_cm, bin_size_s, random_stream(0, Purpose.BENCHMARK))
    plan = Plan(task=task, trials=max(1, round(seconds / task.pause_s)), calibration_s=0)
    with RealTime(source, bundle, name, seed=0) as real:
        decoder = real.decoder_over(stream)
        notes = Notes(real.population, round(seconds / bin_size_s))
        time.sleep(CONNECT_S)
        cpu_s, began_s = time.process_time(), time.monotonic()
        record = run_session(plan, real.population, user, decoder, [*real.watchers, notes])
        cpu_cores = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
    np.savez(out, **dict(zip(("sent", "intended", "ends", "arrivals"), np.transpose(notes.rows), strict=True)))
    outcomes = [each.outcome for each in record.trials]
    reported = {"failure": record.failure, "outcomes": {each: outcomes.count(each) for each in sorted(set(outcomes))}}
    print(json.dumps(dataclasses.asdict(real.report()) | reported | {"cpu_cores": cpu_cores}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
