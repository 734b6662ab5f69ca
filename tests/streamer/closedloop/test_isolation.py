"""Decoders that misbehave, in a closed loop: each fails its own trials, and nothing else notices."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.results.result import ClosedLoopResult, IncompleteError
from spikeloop.streamer.inference.isolation import isolated_decoder
from tests.support.compared import TASK, tiny
from tests.support.misbehaving import LIMITS, REASONS, write_misbehaving

QUICK: dict[str, Any] = {"task": TASK, "trials": 4, "calibration_s": 10.0}
CALIBRATED = 100  # steps on the held-out end of the calibration


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory):
    return write_misbehaving(tmp_path_factory.mktemp("misbehaving"))


@pytest.fixture(scope="module")
def result(path, misbehaving) -> ClosedLoopResult:
    decoders = {"kalman": "kalman"} | {name: misbehaving[name] for name in REASONS} | {"oracle": "oracle"}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(IncompleteError) as caught:
        patch.setattr(isolated_decoder, "PACE_STEPS", 8)  # each of which the slow one takes a second for
        closed_loop(decoders, bundle=path, limits=LIMITS, **QUICK)
    return caught.value.result


@pytest.mark.long
@pytest.mark.parametrize("name", REASONS)
def test_a_decoder_that_misbehaves_fails_its_trials_with_the_reason(result, name):
    """After some 20 bins of the first trial, so that this one is lost, and the others never begin."""
    (session,) = result.decoders[name].sessions
    assert REASONS[name] in session.failure
    assert session.failure.startswith("--decoder ")
    assert "\n" not in session.failure
    assert (session.trials, session.successes) == (4, 0)
    assert result.decoders[name].closed_loop.success_rate.value == 0.0


def test_all_others_have_the_very_figures_that_they_have_without_it(path, result):
    alone = closed_loop({"kalman": "kalman", "oracle": "oracle"}, bundle=path, **QUICK)
    for name in ("kalman", "oracle"):
        assert repr(result.decoders[name]) == repr(alone.decoders[name])  # with NaN
        (among,) = (run for run in result.runs if run.decoder == name)
        (single,) = (run for run in alone.runs if run.decoder == name)
        for block, same in zip(among.record.blocks, single.record.blocks, strict=True):
            for field in dataclasses.fields(block)[1:]:
                np.testing.assert_array_equal(getattr(block, field.name), getattr(same, field.name))


def test_trials_that_it_never_began_count_in_the_comparison_as_failures(result):
    found = result.compare("Raise", "oracle", measure="success")
    assert (found.trials, found.difference) == (4, -1.0)
    assert found.interval[1] < 0  # though four trials decide nothing between so many pairs of decoders
    assert result.compare("Raise", "oracle").difference > 0.5  # s, as failures cost the timeout


def test_a_page_and_a_file_of_such_sessions_are_written(result, tmp_path):
    result.write_report(tmp_path / "a.html")
    result.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        assert len(archive["1-0/closed loop/outcome"]) == 1  # of what happened, and not of what did not


def test_in_this_process_it_runs_on_request(path, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os\nclass Mine:\n  def fit(self, *_): ...\n"
        f"  def step(self, counts):\n    assert os.getpid() == {os.getpid()}\n    return [0.0, 0.0]\n"
    )
    text = f"python:{tmp_path / 'mine.py'}:Mine"
    here = closed_loop(text, bundle=path, in_process=True, **QUICK)
    assert here.report.command.endswith("in_process=True)")
    assert here.decoders[text].closed_loop.trials == 4
    with pytest.raises(IncompleteError, match="AssertionError"):
        closed_loop(text, bundle=path, **QUICK)


def test_what_can_not_be_opened_is_refused_before_any_session(path, misbehaving):
    file = misbehaving["Still"].split(":")[1]
    with pytest.raises(BadInputError, match="has no Nothing"):
        closed_loop(f"python:{file}:Nothing", bundle=path, **QUICK)
    with pytest.raises(BadInputError, match="limits: expected a spikeloop.DecoderLimits"):
        closed_loop("kalman", bundle=path, limits=3, **QUICK)  # pyright: ignore[reportArgumentType]


def test_a_decoder_that_can_not_be_opened_a_second_time_fails_its_session_only(path, tmp_path):
    (tmp_path / "once.py").write_text(
        "import os\nfrom pathlib import Path\nopened = Path(__file__).with_suffix('.opened')\n"
        "if opened.exists(): os._exit(7)\nopened.touch()\n"
        "class Once:\n  def fit(self, *_): ...\n  def step(self, counts): return [0.0, 0.0]\n"
    )
    decoders = {"once": f"python:{tmp_path / 'once.py'}:Once", "oracle": "oracle"}
    with pytest.raises(IncompleteError, match="ended its process in open, with exit code 7") as caught:
        closed_loop(decoders, bundle=path, **QUICK)
    found = caught.value.result.decoders
    assert (found["once"].closed_loop.trials, found["once"].closed_loop.successes) == (4, 0)
    assert found["oracle"].closed_loop.successes == 4


def runs(process: int) -> bool:
    """Whether a process is there, and not only waits for its parent to know of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_the_command_ends_the_process_of_its_decoder(path, tmp_path, number):
    texts = write_misbehaving(tmp_path)
    words = ["closedloop", "--bundle", path, "--calibration", 10, "--trials", 2, "--decoder", texts["Hang"], "--json"]
    program = subprocess.Popen(
        [sys.executable, "-m", "spikeloop", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not (tmp_path / "misbehaving.hangs").exists():
        assert program.poll() is None, program.communicate()
        time.sleep(0.02)
    (process,) = (int(file.suffix[1:]) for file in tmp_path.glob("misbehaving.*") if file.suffix[1:].isdecimal())
    program.send_signal(number)
    printed, _ = program.communicate()
    if number == signal.SIGINT:
        assert program.returncode == 130
        assert json.loads(printed)["interrupted"]
    while runs(process):  # else pytest ends it
        time.sleep(0.02)
