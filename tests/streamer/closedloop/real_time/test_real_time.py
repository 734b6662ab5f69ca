"""A whole session in real time, with a decoder that learns in it, and one that the terminal's Ctrl-C ends."""

import gc
import json
import os
import signal

import numpy as np
import pylsl

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel
from spikeloop.streamer.closedloop.real_time.real_time import RealTime

BIN_S = 0.02
TASK = CenterOut(timeout_s=1.0, pause_s=0.1)

SESSION = """
import json, sys, time
import numpy as np
from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.closedloop.real_time.real_time import RealTime
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.experiment.users import SimulatedUser, UserModel
from spikeloop.models.decoders.ridge import RidgeDecoder

class Tells:
    def show(self, moment):
        if moment.bin == 20:
            print("under way", flush=True)

user = SimulatedUser(UserModel(), 24.0, 0.02, np.random.default_rng(0))
with RealTime("m1-sim", load_bundle("m1-sim"), sys.argv[1], seed=0) as real:
    decoder = real.decoder(RidgeDecoder())
    record = run_session(Plan(CenterOut()), real.population, user, decoder, [*real.watchers, Tells()])
print(json.dumps([record.interrupted, len(record.blocks[0].counts), real.report().stream]))
"""


def test_a_decoder_in_this_process_learns_and_steers_and_every_stage_is_timed(stream_name):
    user = SimulatedUser(UserModel(), TASK.extent_cm, BIN_S, np.random.Generator(np.random.Philox(0)))
    with RealTime("m1-sim", load_bundle("m1-sim"), stream_name, seed=0) as real:
        assert not gc.isenabled()
        decoder = real.decoder(RidgeDecoder())
        record = run_session(Plan(TASK, trials=2, calibration_s=10), real.population, user, decoder, real.watchers)
    assert gc.isenabled()
    assert record.failure == ""
    assert record.offline is not None
    calibration, loop = record.blocks
    told = real.report()
    assert told.stream is not None
    assert told.stream["bins"] >= len(calibration.counts) + len(loop.counts)
    latency = told.latency
    assert latency is not None
    assert (latency.steps, latency.missed_steps, latency.late_answers) == (len(loop.counts), 0, 0)
    stages = (latency.spikes_ms, latency.decoder_ms, latency.cursor_ms)
    assert all(0 < stage["p50"] <= stage["max"] for stage in stages)
    assert latency.loop_ms["p50"] < sum(stage["max"] for stage in stages)


def test_ctrl_c_in_a_terminal_ends_the_session_and_both_tell(start, stream_name):
    session = start(stream_name, program=SESSION, start_new_session=True)
    assert session.stdout.readline() == "under way\n"
    os.killpg(session.pid, signal.SIGINT)
    printed, errors = session.communicate(timeout=280)
    assert "Traceback" not in errors
    interrupted, bins, stream = json.loads(printed)
    assert interrupted
    assert bins > 20
    assert stream["name"] == stream_name
    assert stream["bins"] >= bins
    assert not pylsl.resolve_byprop("name", stream_name, timeout=0.3)
