import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pylsl
import pytest
from onnx import helper, numpy_helper

from spikeloop.__main__ import main
from spikeloop.models.recordings.condition import Condition, phase_condition
from tests.support.command_line import fails
from tests.support.far_end import gone
from tests.support.tiny import tiny_bundle, tiny_generator, tiny_stream_bundle

FIGURES = {
    "bundle", "sha256", "seed", "provider", "bins", "steps", "ratio", "lateness_ms", "late_steps",
    "inference_ms", "cpu_cores", "mean_rate_hz",
}  # fmt: skip


def test_json_ends_with_one_document_of_every_figure(start, bundle_path, stream_name):
    stream = start("stream", bundle_path, "--name", stream_name, "--duration", 1, "--seed", 3, "--json")
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0
    document = json.loads(printed)
    assert set(document) >= FIGURES
    assert set(document["lateness_ms"]) == {"p50", "p99", "max"}
    assert set(document["inference_ms"]) == {"p50", "p99"}
    assert (document["bins"], document["steps"], document["seed"]) == (1000, 50, 3)
    assert document["mean_rate_hz"] > 0
    assert 0 < document["ratio"] <= 1.0
    subscription = f"import pylsl; inlet = pylsl.StreamInlet(pylsl.resolve_byprop('name', '{stream_name}')[0])"
    assert subscription in errors.splitlines()  # to be pasted as it is
    assert gone(stream_name)


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_stream_closes_everything_and_still_reports(start, bundle_path, stream_name, polite):
    stream = start("stream", bundle_path, "--name", stream_name, "--json")
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", stream_name, timeout=60)[0])
    assert inlet.pull_sample(timeout=20)[1]
    inlet.close_stream()
    stream.send_signal(polite)
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 130
    assert json.loads(printed)["bins"] > 0
    assert "Traceback" not in errors
    assert gone(stream_name)


UP = "from spikeloop.__main__ import main; print('up', flush=True); main()"


@pytest.mark.parametrize("after_s", [0.02, 0.15, 0.3, 0.5, 0.8, 1.1, 1.4])
def test_ctrl_c_at_any_moment_ends_it(start, bundle_path, stream_name, after_s):
    """From when Python has started, which takes its time on a busy machine."""
    stream = start("stream", bundle_path, "--name", stream_name, program=UP)
    assert stream.stdout.readline() == "up\n"
    time.sleep(after_s)
    stream.send_signal(signal.SIGINT)
    _, errors = stream.communicate(timeout=280)
    assert stream.returncode == 130
    assert "Traceback" not in errors
    assert gone(stream_name)


def test_a_model_that_turns_to_nan_stops_the_stream_with_an_error(start, tmp_path, stream_name):
    """Its weights overflow for most latents, but not for the zeros that it is tried with when loaded."""
    bundle = tmp_path / "overflows"
    tiny_bundle(bundle, units=4, generator=overflowing_generator())
    stream = start("stream", bundle, "--name", stream_name, "--duration", 5, "--json")
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 1
    assert "expected spike probabilities from 0 to 1, the generator gave nan" in errors
    assert "Traceback" not in errors
    assert printed == ""
    assert gone(stream_name)


def overflowing_generator() -> bytes:
    model = onnx.load_from_string(tiny_generator(4))
    weights = model.graph.initializer[0]
    huge = numpy_helper.to_array(weights) * 0 + 3e38
    weights.CopyFrom(numpy_helper.from_array(huge, "weights"))
    first = model.graph.node[0]
    first.output[0] = "sum"  # inf - inf is NaN, 0 - 0 is not
    model.graph.node.insert(1, helper.make_node("Mul", ["sum", "sum"], ["square"]))
    model.graph.node.insert(2, helper.make_node("Sub", ["square", "square"], ["flat"]))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--step-bins", 0], "--step-bins: expected 1 to 10000 bins"),
        (["--step-bins", 10_001], "--step-bins: expected 1 to 10000 bins"),
        (["--duration", 0], "--duration: expected at least one bin"),
        (["--duration", "nan"], "--duration: expected at least one bin"),
        (["--duration", 1e12], "--duration: expected at least one bin (0.001 s) and at most ten years"),
        (["--seed", -1], "--seed: expected a whole number from 0"),
        (["--seed", 2**63], "--seed: expected a whole number from 0 to 2**63 - 1"),
        (["--start-delay", -1], "--start-delay: expected 0 to 3600 s"),
        (["--name", "it's"], "expected a stream name"),
    ],
)
def test_options_out_of_range_are_told(bundle_path, capsys, options, message):
    code, said = fails(capsys, "stream", bundle_path, *options)
    assert code == 2
    assert message in said


def test_an_unknown_bundle_is_told_what_there_is(capsys):
    code, said = fails(capsys, "stream", "retna")
    assert code == 2
    assert "no bundle named or at 'retna'; shipped ones are" in said
    assert "retina" in said


def test_unknown_options_and_commands_exit_2():
    for arguments in (["stream", "--sed", "1"], ["strem"], ["stream", "--step-bins", "many"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2


def test_a_stream_and_its_threads_end_with_a_killed_terminal(start, bundle_path, stream_name):
    """SIGKILL can't be caught; the stream vanishes from the network all the same."""
    stream = start("stream", bundle_path, "--name", stream_name)
    assert pylsl.resolve_byprop("name", stream_name, timeout=60)
    stream.kill()
    assert stream.wait(280) == -signal.SIGKILL
    assert gone(stream_name)


def test_nothing_but_json_goes_to_stdout_even_through_a_closed_pipe():
    command = "from spikeloop.__main__ import main; main(['models', '--json'])"
    shell = f'"$PYTHON" -c "{command}" | head -c 1'
    outcome = subprocess.run(
        shell, shell=True, env=os.environ | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert outcome.stdout == "["
    assert "Traceback" not in outcome.stderr


CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
HAND = """
import sys, time, pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "Condition", 2, 100.0, "float32", sys.argv[1]))
print("up", flush=True)
while True:
    outlet.push_sample([0.5, 0.5])
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def driven_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("driven") / "tiny"
    tiny_stream_bundle(path, channels=CHANNELS)
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--condition", "constant:1"], "expected 2 values, of 'x', 'y', found 1"),
        (["--condition", "constant:x=9"], "is it in another unit?"),
        (["--condition", "constant:z=1"], "expected each of 'x', 'y' at most once, found 'z'"),
        (["--condition", "file:absent.npz"], "no such file"),
        (["--condition", "phase"], "phase needs a model driven by the phase"),
        (["--condition", "sideways"], "expected rest, constant:"),
        (["--condition-hold", -1], "--condition-hold: expected 0 to 3600 s, found -1"),
        (["--condition-decay", "nan"], "--condition-decay: expected 0 to 3600 s, found nan"),
    ],
)
def test_conditions_that_make_no_sense_are_told(driven_path, capsys, options, message):
    code, said = fails(capsys, "stream", driven_path, *options)
    assert code == 2
    assert message in said


@pytest.mark.parametrize("asked", ["rest", "lsl:hand"])
def test_a_model_without_conditions_is_not_driven(bundle_path, capsys, asked):
    code, said = fails(capsys, "stream", bundle_path, "--condition", asked)
    assert code == 2
    assert "expected a model that is driven by conditions" in said


def test_a_live_condition_that_is_not_there_is_told(driven_path, stream_name, capsys):
    code, said = fails(capsys, "stream", driven_path, "--name", stream_name, "--condition", f"lsl:{stream_name}-hand")
    assert code == 2
    assert f"expected an LSL stream named '{stream_name}-hand' of 2 numbers (x, y) within 5 s" in said
    assert gone(stream_name)


def test_fluorescence_in_whole_numbers_is_refused(tmp_path, capsys):
    tiny_stream_bundle(tmp_path / "light", distribution="fluorescence")
    code, said = fails(capsys, "stream", tmp_path / "light", "--format", "int16")
    assert code == 2
    assert "--format: fluorescence is float32, found int16" in said


def test_ctrl_c_with_a_live_condition_closes_everything_and_still_reports(start, driven_path, stream_name):
    hand = start(f"{stream_name}-hand", program=HAND)
    assert hand.stdout.readline() == "up\n"
    stream = start("stream", driven_path, "--name", stream_name, "--condition", f"lsl:{stream_name}-hand", "--json")
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", stream_name, timeout=60)[0])
    assert inlet.pull_sample(timeout=20)[1]
    inlet.close_stream()
    stream.send_signal(signal.SIGINT)
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 130
    assert "Traceback" not in errors
    document = json.loads(printed)
    assert document["bins"] > 0
    assert document["condition"]["asked"] == f"lsl:{stream_name}-hand"
    assert document["condition"]["samples"] > 0
    assert gone(stream_name)


def test_ctrl_c_while_a_live_condition_is_looked_for_ends_it(start, driven_path, stream_name):
    arguments = ("stream", driven_path, "--name", stream_name, "--condition", f"lsl:{stream_name}-hand")
    stream = start(*arguments, program=UP)
    assert stream.stdout.readline() == "up\n"
    time.sleep(2.0)  # it may look by now, or be on its way there
    assert stream.poll() is None
    stream.send_signal(signal.SIGINT)
    _, errors = stream.communicate(timeout=280)
    assert stream.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize(("channels", "asked"), [((), ""), (CHANNELS, "rest"), ((phase_condition(50),), "phase")])
def test_where_nothing_is_asked_for_it_rests_or_follows_its_stimulus(start, tmp_path, stream_name, channels, asked):
    tiny_stream_bundle(tmp_path / "tiny", channels=channels)
    stream = start("stream", tmp_path / "tiny", "--name", stream_name, "--duration", 0.1, "--json")
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0, errors
    assert json.loads(printed)["condition"] == {"asked": asked}


@pytest.mark.parametrize(("bins", "said"), [(100, "ran out: 100 bins at rest after its end"), (200, "")])
def test_a_file_that_runs_out_is_told(start, driven_path, tmp_path, stream_name, bins, said):
    np.savez(tmp_path / "c.npz", condition=np.zeros((bins, 2)))
    drive = f"file:{tmp_path / 'c.npz'}"
    stream = start("stream", driven_path, "--name", stream_name, "--duration", 0.2, "--condition", drive)
    _, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0, errors
    assert (f"condition {drive} {said}" in errors) if said else ("ran out" not in errors)
