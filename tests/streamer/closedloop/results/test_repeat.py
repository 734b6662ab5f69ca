"""The command or call that a report prints is that of the same comparison."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.streamer.closedloop.closed_loop import open_setup
from spikeloop.streamer.closedloop.results.repeat import repeat_of
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from tests.support.compared import TASK, tiny

URL = "mqtts://lab@broker.local?ca=/etc/lab ca.pem"


class Still:
    def fit(self, counts, kinematics): ...

    def step(self, counts):
        return np.zeros(2)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def test_a_command_keeps_the_broker_and_the_name(path):
    setup = open_setup("kalman", bundle=path, clock="real", name="bench 1", mqtt=URL)
    words = shlex.split(repeat_of(setup))
    assert words[words.index("--mqtt") + 1] == URL
    assert words[words.index("--name") + 1] == "bench 1"


def test_a_call_gives_the_same_setup(path):
    options = {"bundle": path, "task": TASK, "clock": "real", "name": "bench 1", "mqtt": URL, "trials": 3, "seeds": [2]}
    setup = open_setup({"Still": Still}, **options)
    call = repeat_of(setup).replace("spikeloop.closed_loop(", "open_setup(", 1)
    names = {"open_setup": open_setup, "Still": Still, type(TASK).__name__: type(TASK)}
    again = eval(call, names)
    for one in ("plan", "seeds", "clock", "name", "mqtt", "bundle", "device", "units"):
        assert getattr(again, one) == getattr(setup, one)
    assert repeat_of(again) == repeat_of(setup)


def test_without_a_broker_none_is_named(path):
    setup = open_setup("kalman", bundle=path)
    assert "--mqtt" not in repeat_of(setup)
    assert "mqtt=" not in repeat_of(replace(setup, seeds=(4, 2)))


def test_where_decoders_run_is_kept(path):
    setup = open_setup("kalman", bundle=path, in_process=True)
    assert repeat_of(setup).endswith(" --in-process")
    assert repeat_of(replace(setup, seeds=(4, 2))).endswith(", in_process=True)")
    limited = repeat_of(open_setup("kalman", bundle=path, limits=DecoderLimits(step_s=3.0)))
    assert "limits=DecoderLimits(open_s=60.0, fit_s=600.0, step_s=3.0, " in limited
    assert "process" not in repeat_of(open_setup("kalman", bundle=path))


def test_a_password_is_never_printed(path, monkeypatch):
    monkeypatch.setenv("SPIKELOOP_MQTT_PASSWORD", "secret")
    setup = open_setup("kalman", bundle=path, clock="real", mqtt="mqtt://lab@broker.local")
    assert setup.mqtt is not None
    assert setup.mqtt.password == "secret"
    assert "secret" not in repeat_of(setup)
