"""Options of reading, as every command that reads a recording has them."""

import json
import logging

import numpy as np
import pytest

import spikeloop
from spikeloop.__main__ import main
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.command_help import gathered
from spikeloop.streamer.commands.decode import decode
from spikeloop.streamer.commands.reading_options import ReadingOptions, TrainingOptions
from tests.support.command_line import fails, printed_by

READERS = ("train", "decode", "evaluate", "importance", "inspect", "convert")
OFFERED = (
    "--key", "--unit-key", "--trial-key", "--time-unit", "--transpose", "--axes", "--units", "--trials", "--condition",
    "--rename", "--start", "--stop", "--max-gap-ms", "--bin-size-ms", "--repeat-bins",
)  # fmt: skip


@pytest.fixture
def foreign(tmp_path, random):
    """A file with names of its own, its counts transposed."""
    path = tmp_path / "foreign.npz"
    counts = random.poisson(0.3, (3000, 12)).astype(np.float64)
    np.savez(path, Y=counts.T, vel=random.standard_normal((3000, 2)), extra=np.arange(3))
    return path


OPTIONS = ("--key", "Y", "--transpose", "--bin-size-ms", 20, "--condition", "velocity [cm/s]=vel")


@pytest.mark.parametrize("command", READERS)
def test_every_reader_has_the_options_in_a_group_of_their_own(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    group = shown.partition("reading options")[2]
    for option in OFFERED:
        assert f"{option} " in group, option


def test_what_is_read_is_told_on_stderr_and_in_the_document(foreign, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["decode", str(foreign), *map(str, OPTIONS), "--decoder", "ridge:1", "--json"])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    assert "foreign: 1 trial x 3000 bins x 12 units, 20 ms bins" in printed.err
    summary = json.loads(printed.out)["recording_summary"]
    assert (summary["units"], summary["longest_bins"]) == (12, 3000)
    assert [channel["name"] for channel in summary["conditions"]] == ["velocity x", "velocity y"]


def test_transposed_counts_are_warned_of_before_the_work(foreign, capsys):
    with pytest.raises(SystemExit):
        main(["decode", str(foreign), "--key", "Y", "--bin-size-ms", "20"])
    assert "warning: more units (3000) than bins (12)" in " ".join(capsys.readouterr().err.split())


def test_from_python_the_logger_gets_the_line_and_the_warnings(foreign, caplog):
    with caplog.at_level(logging.INFO, logger="spikeloop"):
        spikeloop.read_recording(foreign, 0.02, key="Y", axes="bins,units")
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert any(level == "INFO" and "12 bins x 3000 units" in text for level, text in said)
    assert any(level == "WARNING" and "transposed" in text for level, text in said)


@pytest.mark.parametrize(
    ("given", "answers", "conditions"),
    [
        ((), None, {}),
        (("none",), ("none",), {}),
        (("phase",), ("phase",), {}),
        (("recorded",), ("recorded",), {}),
        (("velocity=a/b",), ("recorded",), {"velocity": "a/b"}),
        (("recorded", "velocity [cm/s]=a/b", "speed=c"), ("recorded",), {"velocity [cm/s]": "a/b", "speed": "c"}),
        (("session-time",), ("session-time",), {}),
        (("session-time", "recorded"), ("recorded", "session-time"), {}),
        (("session-time", "velocity=a/b"), ("recorded", "session-time"), {"velocity": "a/b"}),
    ],
)
def test_naming_conditions_implies_that_a_model_answers_to_them(given, answers, conditions):
    options = TrainingOptions(condition=given)
    assert options.answers_to == answers
    assert options.choices().conditions == conditions


@pytest.mark.parametrize(
    "given", [("velocity",), ("phase", "v=a"), ("none", "v=a"), ("phase", "recorded"), ("none", "session-time")]
)
def test_conditions_that_contradict_each_other_are_refused(given):
    with pytest.raises(BadInputError, match="--condition: expected"):
        TrainingOptions(condition=given).choices()


@pytest.mark.parametrize("pair", ["velocity", "=a", "velocity=", "="])
def test_a_pair_that_is_none_is_refused(pair):
    with pytest.raises(BadInputError, match="--condition: expected NAME=PATH"):
        ReadingOptions(condition=(pair,)).choices()
    with pytest.raises(BadInputError, match="--rename: expected OLD=NEW"):
        ReadingOptions(rename=(pair,)).choices()


def test_a_name_given_twice_is_refused():
    with pytest.raises(BadInputError, match="once"):
        ReadingOptions(condition=("v=a", "v=b")).choices()


def test_an_option_given_twice_keeps_the_values_of_both():
    words = ["file", "--condition", "a=b", "--json", "--condition=c=d", "--seed", "1"]
    assert gathered(decode, words) == ["file", "--condition", "a=b", "c=d", "--json", "--seed", "1"]


def test_options_once_each_stay_as_they_are():
    words = ["--decoder", "ridge", "kalman", "--json", "--seed", "2", "--seed", "3"]
    assert gathered(decode, words) == words


def test_a_number_that_is_none_is_told_in_plain_words(capsys):
    code, said = fails(capsys, "decode", "m1-sim:10", "--start", "soon")
    assert code == 2
    assert said.startswith("spikeloop: --start: expected a number, found 'soon'")


def test_recordings_by_name_take_no_such_options(capsys):
    code, said = fails(capsys, "inspect", "m1-sim:10", "--key", "spikes")
    assert code == 2
    assert "has its own layout" in said


def test_a_training_on_named_conditions_answers_to_them(foreign, tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    from tests.support.training import train_small_models

    train_small_models(monkeypatch)
    found = printed_by(
        capsys, "train", "--data", foreign, *OPTIONS[:-1], "v=vel", "--steps", 1, "--out", tmp_path / "run",
        "--device", "cpu",
    )  # fmt: skip
    assert [channel["name"] for channel in found["recording_summary"]["conditions"]] == ["v x", "v y"]
