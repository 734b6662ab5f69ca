"""`closed_loop` as people call it: from a script, from a notebook, with decoders of their own."""

import asyncio
import dataclasses
import itertools
import json
import math
import re
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.closedloop.background import start_closed_loop
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.result import IncompleteError
from tests.support.compared import TASK, UNITS, run, setup_of, tiny
from tests.support.shown import shown

QUICK: dict[str, Any] = {"task": TASK, "trials": 4, "calibration_s": 10.0, "in_process": True}
ENDLESS: dict[str, Any] = QUICK | {"trials": 100_000}
SINGLE: dict[str, Any] = QUICK | {"trials": 1}


class Still:
    """Learns the mean velocity, and never moves."""

    def fit(self, counts, kinematics):
        assert counts.shape == (len(kinematics), UNITS)
        assert kinematics.shape[1] == 2

    def step(self, counts):
        assert counts.shape == (UNITS,)
        return np.zeros(2)


class Wrong(Still):
    """Decodes three numbers."""

    def step(self, counts):
        return np.zeros(3)


class Halfway(Still):
    """Fails in the closed loop."""

    left = 250

    def step(self, counts):
        self.left -= 1
        if not self.left:
            raise ValueError("enough")
        return np.zeros(2)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def result(path):
    return closed_loop({"mine": Still, "ceiling": "oracle"}, bundle=path, seeds=range(2), **QUICK)


def test_decoders_are_classes_texts_functions_and_objects(path):
    decoders = {"class": Still, "function": lambda: Still(), "object": KalmanDecoder(), "text": "ridge:3"}
    result = closed_loop(decoders, bundle=path, **QUICK)
    assert list(result.decoders) == list(decoders)
    assert all(decoder.closed_loop.trials == 4 for decoder in result.decoders.values())


def test_an_object_is_not_changed_by_its_sessions(path):
    decoder = KalmanDecoder()
    closed_loop([decoder], bundle=path, **QUICK)
    assert decoder.filter is None


def test_it_does_what_the_command_does(path):
    found = closed_loop(["oracle", "chance"], bundle=path, **QUICK)
    expected = run(setup_of(path, ("oracle", "chance"), trials=4))
    for one, other in zip(found.runs, expected, strict=True):
        np.testing.assert_array_equal(one.record.blocks[-1].position, other.record.blocks[-1].position)


def test_a_bundle_may_be_a_loaded_one(path, result):
    again = closed_loop({"mine": Still, "ceiling": "oracle"}, bundle=load_bundle(path), seeds=[0, 1], **QUICK)
    assert repr(again.report.decoders) == repr(result.report.decoders)  # with NaN


def test_two_decoders_are_compared_over_the_same_trials(result):
    slower = result.compare("mine", "ceiling")
    assert (slower.decoder, slower.baseline, slower.trials, slower.verdict) == ("mine", "ceiling", 8, "worse")
    assert 0 < slower.interval[0] <= slower.difference <= slower.interval[1]
    faster = result.compare("ceiling", "mine")
    assert (faster.verdict, faster.difference) == ("better", -slower.difference)
    assert result.compare("ceiling", "mine", measure="success").difference == 1.0
    assert result.compare("ceiling", "mine", measure="success").verdict == "better"
    assert result.compare("mine", "mine").verdict == "no difference found"
    with pytest.raises(dataclasses.FrozenInstanceError):
        slower.difference = 0.0  # type: ignore[misc]


def test_a_comparison_is_shown_as_a_sentence_with_units(result):
    faster = shown(result.compare("ceiling", "mine"))
    assert re.fullmatch(
        r"ceiling against mine: faster by \d+\.\d\d s, 95 % interval \d\.\d\d to \d\.\d\d over 8 pairs of trials; the"
        " interval excludes 0",
        faster,
    )
    success = str(result.compare("mine", "ceiling", measure="success"))
    assert success.startswith("mine against ceiling: success lower by 100 percentage points, 95 % interval ")
    assert result.compare("mine", "ceiling", measure="bits").verdict == "worse"


def test_what_can_not_be_compared_is_refused(result):
    with pytest.raises(BadInputError, match="expected a decoder of mine, ceiling; found 'kalman'"):
        result.compare("mine", "kalman")
    for wrong in ([], None, np.zeros(2)):
        with pytest.raises(BadInputError, match="expected a decoder of mine, ceiling; found"):
            result.compare(wrong, "mine")
    for wrong in ("bit", [], np.zeros(2)):
        with pytest.raises(BadInputError, match="expected measure 'time', 'success', 'bits'; found"):
            result.compare("mine", "ceiling", measure=wrong)


def test_a_difference_is_a_document(path, result):
    found = result.compare("mine", "ceiling")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == dataclasses.asdict(found) | {
        "interval": list(found.interval)
    }
    single = closed_loop(["oracle", "chance"], bundle=path, **SINGLE).compare("oracle", "chance")
    assert single.to_dict()["interval"] == [None, None]


def test_a_result_is_shown_as_a_table_and_as_a_document(path, result):
    page = result._repr_html_()
    assert page.count("<tr>") == 3
    assert "100 %" in page
    assert json.loads(json.dumps(result.to_dict()))["seeds"] == [0, 1]
    assert "\nceiling  100 %" in shown(result)
    assert str(result.report) == str(result)
    assert "<b>" not in closed_loop({"<b>": "oracle"}, bundle=path, **QUICK)._repr_html_()


def test_a_report_and_the_bins_are_written(result, tmp_path):
    result.write_report(tmp_path / "a.html")
    assert "mine" in (tmp_path / "a.html").read_text()
    result.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as saved:
        assert saved["decoders"].tolist() == ["mine", "ceiling"]
        assert "0-0/closed loop/intended_velocity" in saved
        assert "0-1/closed loop/counts" not in saved  # only the first seed's bins are kept
    for wrong in (tmp_path / "a.mat", None, 3, [], b"a.npz", "", "a\0b.npz", "a\0b.html"):
        with pytest.raises(BadInputError, match=r"ending in \.html"):
            result.write_report(wrong)
        with pytest.raises(BadInputError, match=r"ending in \.npz"):
            result.save(wrong)


def test_a_call_that_no_command_can_say_is_told_in_python(result):
    assert result.report.command.startswith("spikeloop.closed_loop({'mine': mine, 'ceiling': 'oracle'}, ")
    assert "CenterOut(" in result.report.command


@pytest.mark.parametrize(
    ("decoders", "options", "message"),
    [
        ("nonsense", {}, "--decoder: expected kalman"),
        ({"mine": 3}, {}, "--decoder mine: expected the text of a decoder"),
        ({"mine": object}, {}, "found object without fit and step"),
        ([], {}, "different decoders"),
        ("oracle", {"trials": 0}, "--trials: expected a whole number from 1 to 100000, found 0"),
        ("oracle", {"trials": 2.5}, "--trials: expected"),
        ("oracle", {"seeds": -1}, "--seed: expected"),
        ("oracle", {"seeds": "ab"}, "--seed: expected"),
        ("oracle", {"seeds": []}, "--sessions: expected a whole number from 1 to"),
        ("oracle", {"seeds": [1, 1]}, "a different seed for each session"),
        ("oracle", {"seeds": itertools.count()}, "--sessions: expected a whole number from 1 to 1000"),
        ("oracle", {"task": 3}, "--task: expected center-out"),
        ("oracle", {"task": "chess"}, "--task: expected center-out"),
        ("oracle", {"user": "nobody"}, "--user: expected simulated"),
        ("oracle", {"user": 3}, "--user: expected simulated"),
        ("oracle", {"user": object}, "--user object: expected an object with intend"),
        ("oracle", {"perturbations": ["earthquake:3"]}, "--perturb: expected"),
        ("oracle", {"gain": -1}, "gain of 0 or more"),
        ("oracle", {"gain": "high"}, "--gain: expected a number, found 'high'"),
        ("oracle", {"units": "all"}, "--units: expected a whole number"),
        ("oracle", {"clock": "atomic"}, "--clock: expected simulated or real"),
        ("oracle", {"device": "tpu"}, "--device: expected auto, cpu or cuda"),
        ("oracle", {"decoder_bin_s": 0.03}, "--decoder-bin: expected 1 or more whole bins of 20 ms each, found 30 ms"),
        ("oracle", {"units": 0}, "--units: expected a whole number from 1 to"),
        ("oracle", {"perturbations": "drop:0.3"}, "--perturb: expected an iterable .*found 'drop:0.3'"),
        ("oracle", {"perturbations": [5]}, "--perturb: expected a text or a Perturbation, found 5"),
        ("oracle", {"task": None}, "--task: expected center-out"),
        ("oracle", {"decoder_bin_s": []}, "--decoder-bin: expected"),
        ("oracle", {"units": []}, "--units: expected"),
        ("oracle", {"mqtt": 0}, "--mqtt: expected text, found 0"),
        ("oracle", {"mqtt": []}, "--mqtt: expected text"),
        ("oracle", {"name": None}, "--name: expected text"),
        ("oracle", {"on_trial": "x"}, "on_trial: expected a function, found 'x'"),
        ("lsl:mine", {}, "--clock real"),
        ("kalman", {"calibration_s": 0}, "kalman learns from it"),
        ("oracle", {"bundle": "no such bundle"}, "no such bundle"),
    ],
)
def test_bad_input_raises_what_the_command_prints(path, decoders, options, message):
    with pytest.raises(BadInputError, match=message):
        closed_loop(decoders, **({"bundle": path} | QUICK | options))


NUMBERS = {
    "trials": "--trials",
    "recalibrate_after": "--recalibrate",
    "calibration_s": "--calibration",
    "gain": "--gain",
    "smoothing": "--smoothing",
    "decoder_bin_s": "--decoder-bin",
    "units": "--units",
    "seeds": "--se",
    "perturbations": "--perturb",
}
NO_NUMBERS = ["2", math.nan, math.inf, True, np.True_, 2j, 10**400, {}, np.array([2, 3])]
NOT_WHOLE = [2.5, np.float64(2.0), Fraction(5, 2)]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(("option", "message"), NUMBERS.items())
def test_what_is_no_number_is_refused_at_once(path, option, message, value):
    wrong: Any = [value] if option == "seeds" and isinstance(value, np.ndarray) else value
    for call in (closed_loop, start_closed_loop):
        with pytest.raises(BadInputError, match=f"{message}.*expected .*found"):
            call("kalman", **({"bundle": path} | QUICK | {option: wrong}))


@pytest.mark.parametrize("value", NOT_WHOLE, ids=repr)
@pytest.mark.parametrize("option", ["trials", "recalibrate_after", "units", "seeds"])
def test_fractions_are_refused_where_whole_numbers_are_expected(path, option, value):
    for call in (closed_loop, start_closed_loop):
        with pytest.raises(BadInputError, match=f"{NUMBERS[option]}.*expected a whole number"):
            call("kalman", **({"bundle": path} | QUICK | {option: value}))


def test_numbers_of_numpy_are_those_of_python(path):
    plain: dict[str, Any] = {
        "trials": 2,
        "calibration_s": 10.0,
        "gain": 1.5,
        "units": 4,
        "decoder_bin_s": 0.04,
        "seeds": 1,
    }
    arrays: dict[str, Any] = {name: np.array(value) for name, value in plain.items()}
    found, expected = (
        closed_loop("kalman", bundle=path, task=TASK, **options).report.command for options in (arrays, plain)
    )
    assert found == expected


@pytest.mark.parametrize("decoder", [Wrong, Halfway])
def test_a_decoder_that_fails_raises_with_the_result_of_the_others(path, decoder):
    with pytest.raises(IncompleteError, match=r"--decoder mine.*(shape \(3,\)|enough)") as caught:
        closed_loop({"mine": decoder, "oracle": "oracle"}, bundle=path, **QUICK)
    assert caught.value.result.decoders["oracle"].closed_loop.successes == 4


def test_a_class_that_wants_arguments_is_refused_before_anything_runs(path):
    class Needy(Still):
        def __init__(self, units): ...

    with pytest.raises(FailureError, match=r"--decoder Needy failed: TypeError"):
        closed_loop([Needy], bundle=path, **QUICK)


def test_each_trial_is_told_as_it_ends(path):
    ended = []
    closed_loop(["oracle", "chance"], bundle=path, on_trial=ended.append, **QUICK)
    assert [trial.done for trial in ended] == list(range(1, 9))
    assert {trial.total for trial in ended} == {8}
    assert [(trial.decoder, trial.trial) for trial in ended[3:5]] == [("oracle", 3), ("chance", 0)]
    assert ended[0].outcome == "success"


def test_a_user_of_ones_own_moves_the_cursor(path):
    class Eastward:
        def intend(self, view):
            return np.array([30.0, 0.0])

        def follow(self, velocity_cm_s):
            return velocity_cm_s

    result = closed_loop("oracle", bundle=path, user=Eastward, **QUICK)
    assert result.report.user == "Eastward"
    assert np.all(result.runs[0].record.blocks[-1].intended_velocity == [30.0, 0.0])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("1 / 0", r"--user Mine failed: ZeroDivisionError: division by zero, in answer \(<string>, line 1\)"),
        ("[1j, 0]", r"--user Mine: expected intend to give finite numbers of shape \(2,\), found \[1j"),
        ("['1', '2']", "--user Mine: expected intend"),
        ("[1.0]", "--user Mine: expected intend"),
        ("[float('nan'), 0]", "--user Mine: expected intend"),
        ("None", "--user Mine: expected intend"),
    ],
)
def test_a_user_of_ones_own_that_fails_is_named(path, answer, message):
    scope: dict[str, Any] = {}
    exec(f"def answer(self, given): return {answer}", scope)
    user: Any = type("Mine", (), {"intend": scope["answer"], "follow": lambda self, velocity: velocity})
    with pytest.raises(IncompleteError, match=message):
        closed_loop("oracle", bundle=path, user=user, **QUICK)


def test_a_user_of_ones_own_that_can_not_be_made_is_named(path):
    def mine():
        raise ValueError("no chair")

    with pytest.raises(FailureError, match="--user mine failed: ValueError: no chair, in mine"):
        closed_loop("oracle", bundle=path, user=mine, **QUICK)


def test_it_works_where_an_event_loop_is_running(path):
    async def cell():
        return closed_loop("oracle", bundle=path, **QUICK)

    assert asyncio.run(cell()).decoders["oracle"].closed_loop.trials == 4


def test_in_the_background_it_gives_the_same(path, result):
    with start_closed_loop({"mine": Still, "ceiling": "oracle"}, bundle=path, seeds=range(2), **QUICK) as running:
        found = running.result(timeout_s=60)
    assert running.done
    assert running.latest is not None
    assert running.latest.done == running.latest.total == 16
    assert repr(found.report) == repr(result.report)  # with NaN


def test_in_the_background_it_can_be_stopped_with_what_was_done(path):
    running = start_closed_loop("oracle", bundle=path, **ENDLESS)
    with running, pytest.raises(TimeoutError):
        running.result(timeout_s=0.01)
    found = running.result()
    assert found.interrupted
    assert found.decoders["oracle"].closed_loop.trials < 100_000


@pytest.mark.parametrize("timeout_s", ["x", math.nan, -1, 10**400, []], ids=repr)
def test_in_the_background_a_timeout_is_a_number(path, timeout_s):
    with (
        start_closed_loop("oracle", bundle=path, **ENDLESS) as running,
        pytest.raises(BadInputError, match="timeout_s: expected a number of 0 or more, or None, found"),
    ):
        running.result(timeout_s)


def test_in_the_background_it_ends_with_the_interpreter(path):
    program = (
        "import sys, threading, spikeloop\n"
        "began = threading.Event()\n"
        "started = spikeloop.start_closed_loop('kalman', bundle=sys.argv[1], trials=100_000, calibration_s=10.0,\n"
        "                                      on_trial=lambda trial: began.set())\n"
        "print(began.wait(280))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False, timeout=240
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "True\n", "")


def test_in_the_background_bad_input_raises_at_once(path):
    with pytest.raises(BadInputError, match="on_trial: expected a function"):
        start_closed_loop("oracle", bundle=path, on_trial="x", **QUICK)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="found 'Half'"):
        start_closed_loop({"mine": "Half"}, bundle=path, **QUICK)
    with pytest.raises(IncompleteError, match="enough"):
        start_closed_loop([Halfway], bundle=path, **QUICK).result(timeout_s=60)


def test_a_single_trial_finds_no_difference(path):
    found = closed_loop(["oracle", "chance"], bundle=path, **SINGLE).compare("oracle", "chance")
    assert found.verdict == "no difference found"
    assert math.isnan(found.interval[0])
