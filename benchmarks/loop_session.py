"""A closed loop in real time: `loop_session.py BUNDLE NAME STREAM SECONDS OUT.npz`, with the decoder of STREAM.

Notes for each bin when its intention was sent, the velocity x that was intended, when the bin ended and when its counts
came. Prints the report of the session as JSON.
"""

import dataclasses
import json
import sys
import time

import numpy as np

from spikeloop.exporters.bundle import read_bundle
from spikeloop.streamer.closedloop.lsl_brain import LslBrain
from spikeloop.streamer.closedloop.real_time import RealTime
from spikeloop.streamer.closedloop.record import Moment
from spikeloop.streamer.closedloop.session import Plan, run_session
from spikeloop.streamer.closedloop.tasks import RandomTarget
from spikeloop.streamer.closedloop.users import SimulatedUser, UserModel

CONNECT_S = 2.0  # for those who look at NAME-Condition


class Notes:
    """A watcher that notes each bin, and ends the session as Ctrl-C does."""

    def __init__(self, brain: LslBrain, bins: int) -> None:
        self._brain, self._bins = brain, bins
        self.rows: list[tuple[float, float, float, float]] = []

    def show(self, moment: Moment) -> None:
        brain = self._brain
        self.rows.append((brain.sent_s, float(moment.intention[0]), brain.end_s, brain.arrived_s))
        if len(self.rows) == self._bins:
            raise KeyboardInterrupt


def main(source: str, name: str, stream: str, seconds: float, out: str) -> None:
    bundle, task = read_bundle(source), RandomTarget()
    bin_size_s = bundle.card.bin_size_s
    user = SimulatedUser(UserModel(), task.extent_cm, bin_size_s, np.random.default_rng(0))
    plan = Plan(task=task, trials=max(1, round(seconds / task.pause_s)), calibration_s=0)
    with RealTime(source, bundle, name, task.extent_cm, seed=0) as real:
        decoder = real.decoder_over(stream)
        notes = Notes(real.brain, round(seconds / bin_size_s))
        time.sleep(CONNECT_S)
        cpu_s, began_s = time.process_time(), time.monotonic()
        record = run_session(plan, real.brain, user, decoder, [*real.watchers, notes])
        cpu_cores = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
    np.savez(out, **dict(zip(("sent", "intended", "ends", "arrivals"), np.transpose(notes.rows), strict=True)))
    outcomes = [each.outcome for each in record.trials]
    told = {"failure": record.failure, "outcomes": {each: outcomes.count(each) for each in sorted(set(outcomes))}}
    print(json.dumps(dataclasses.asdict(real.report()) | told | {"cpu_cores": cpu_cores}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
