"""A closed-loop program in the simulator of Cortical Labs' SDK, unmodified, on a population of ours."""

import json
import re
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError, FailureError
from tests.support.places import SUPPORT

PROGRAM, CLOCK = SUPPORT / "cl_program.py", SUPPORT / "cl_clock.py"


def test_a_closed_loop_program_gets_the_population_bit_for_bit(start_vendors, tmp_path):
    """In accelerated time, in which pulses act at their own frames."""
    program = start_vendors(PROGRAM, "m1-sim", tmp_path / "truth.npz", CL_SDK_ACCELERATED_TIME="1")
    printed, errors = program.communicate(timeout=280)
    assert program.returncode == 0, errors
    told = json.loads(printed.splitlines()[-1])
    assert (told["frames"], told["type"]) == (50_000, "int16")
    assert told["same_frames"]
    assert told["same_spikes"]
    assert told["pulses"] > 0
    assert told["late_pulses"] == 0
    assert told["evoked"] > 0
    assert not told["timed"]


def test_no_frame_is_in_the_sdk_before_its_lsl_time_in_the_truth(start_vendors, tmp_path):
    """After it many are, where a machine is busy."""
    program = start_vendors(CLOCK, "m1-sim", tmp_path / "truth.npz", 25_000, CL_SDK_ACCELERATED_TIME="0")
    printed, errors = program.communicate(timeout=280)
    assert program.returncode == 0, errors
    told = json.loads(printed.splitlines()[-1])
    assert told["truth_s"] <= told["sdk_s"] + 0.001


@pytest.fixture
def plugged(monkeypatch):
    """`spikeloop.bridges.cl` with nothing but the names of what it plugs into."""
    sim = ModuleType("cl.sim")
    sim.SimulatorDataSourceMetadata = SimpleNamespace  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("DataSourceBatch", "DataSourceSpike"):
        setattr(sim, name, lambda *given: given)
    sim.SimulatorDataSource = object  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "cl", ModuleType("cl"))
    monkeypatch.setitem(sys.modules, "cl.sim", sim)
    monkeypatch.delitem(sys.modules, "spikeloop.bridges.cl", raising=False)
    yield import_module("spikeloop.bridges.cl")
    sys.modules.pop("spikeloop.bridges.cl", None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"bundle": "nowhere"}, "nowhere"),
        ({"threshold_ua": 0}, "threshold_ua: expected 0.3 to 100 uA, found 0"),
        ({"bundle": "m1-sim", "condition": "lsl:hand"}, "is live"),
        ({"truth": "truth.csv"}, "expected a file ending in .npz"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_name(plugged, config, message):
    with pytest.raises(BadInputError, match=re.escape(message)):
        plugged.source(**config)


def test_before_it_is_open_it_reads_nothing(plugged):
    source = plugged.source(bundle="m1-sim")
    assert (source.metadata.channel_count, source.metadata.frames_per_second) == (64, 25_000)
    with pytest.raises(FailureError, match="is not open"):
        source.read(0, 5)
    source.close()


def test_frame_0_has_its_lsl_time_in_the_truth_however_late_others_are(plugged, tmp_path, monkeypatch):
    clock, times_s = plugged.import_pylsl().local_clock, []

    def now() -> float:
        times_s.append(clock() + 0.5 * bool(times_s))  # later frames are late by half a second
        return times_s[-1]

    monkeypatch.setattr(plugged, "import_pylsl", lambda: SimpleNamespace(local_clock=now))
    source = plugged.source(bundle="m1-sim", truth=str(tmp_path / "truth.npz"))
    source.open()
    for first in range(0, 500, 100):
        source.read(first, 100)
    source.close()
    with np.load(tmp_path / "truth.npz") as kept:
        assert kept["lsl_start_s"] == pytest.approx(times_s[0], abs=1e-9)


def test_without_the_sdk_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cl", None)
    monkeypatch.delitem(sys.modules, "spikeloop.bridges.cl", raising=False)
    with pytest.raises(FailureError, match=r"with Python 3\.12 or newer, pip install cl-sdk"):
        import_module("spikeloop.bridges.cl")
