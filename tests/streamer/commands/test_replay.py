"""`spikeloop replay`: what it prints, and how it ends."""

import json
import signal

import numpy as np
import pytest

import spikeloop
from tests.support.command_line import fails, printed_by, run
from tests.support.replayed import written

ENDS_S = 60


@pytest.fixture
def session(tmp_path, stream_name):
    stamps = 100 + np.arange(30) / 100
    return written(
        tmp_path / "session.xdf",
        [
            (stream_name, "Spikes", 100.0, "int16", np.arange(60).reshape(30, 2), stamps),
            (f"{stream_name}-Markers", "Markers", 0.0, "string", [["go"], ["stop"]], stamps[[3, 20]]),
        ],
    )


def test_a_file_goes_out_whole_and_the_report_says_so(session, stream_name, capsys):
    told = printed_by(capsys, "replay", session, "--speed", 2)
    assert told["samples"] == 32
    assert [(part["name"], part["sent"]) for part in told["streams"]] == [
        (stream_name, 30),
        (f"{stream_name}-Markers", 2),
    ]
    assert (told["passes"], told["notes"], told["start_s"]) == (1, [], 0)
    assert told["stop_s"] == pytest.approx(0.3)


def test_a_part_of_one_stream_goes_out_under_another_name(session, stream_name, capsys):
    options = ("--from", 0.05, "--to", 0.1, "--name", f"{stream_name}-again")
    told = printed_by(capsys, "replay", session, "Spikes", *options)
    assert [(part["name"], part["recorded_as"], part["sent"]) for part in told["streams"]] == [
        (f"{stream_name}-again", stream_name, 5)
    ]


def test_a_recording_goes_out_as_a_stream_of_counts(stream_name, capsys):
    told = printed_by(capsys, "replay", "m1-sim:20", "--from", 1, "--to", 1.4, "--name", stream_name)
    assert (told["file"], told["samples"], told["stream"]["name"]) == ("m1-sim:20", 20, stream_name)
    assert told["position_s"] == pytest.approx(1.4)
    assert not {"bundle", "sha256", "provider"} & told["stream"].keys()


def test_of_a_file_that_may_hold_more_it_is_said_that_only_counts_go_out_and_nothing_of_training(
    stream_name, tmp_path, capsys
):
    spikeloop.write_recording(spikeloop.generate("m1-sim", duration_s=0.4, seed=1), tmp_path / "x.nwb")
    capsys.readouterr()
    told = printed_by(capsys, "replay", tmp_path / "x.nwb", "--name", stream_name)
    assert told["notes"] == [
        "only the counts of this file go out; all streams, as they were recorded, are replayed from an .xdf file"
    ]
    run("replay", tmp_path / "x.nwb", "--name", stream_name)
    said = capsys.readouterr().err
    assert "note: only the counts of this file go out" in said
    assert "train" not in said


def test_two_streams_of_one_name_are_told_apart_and_one_can_be_chosen(tmp_path, stream_name, capsys):
    stamps = 100 + np.arange(5) / 100
    one = (stream_name, "X", 100.0, "int16", np.zeros((5, 1)), stamps)
    path = written(tmp_path / "x.xdf", [one, one])
    run("replay", path)
    said = capsys.readouterr().err
    assert all(f"recorded as {stream_name}#{number} from source_id " in said for number in (1, 2))
    told = printed_by(capsys, "replay", path, f"{stream_name}#2")
    assert [part["recorded_as"] for part in told["streams"]] == [f"{stream_name}#2"]
    code, words = fails(capsys, "replay", path, "--source-id", "absent")
    assert (code, "expected a stream with --source-id 'absent'" in words) == (2, True)


def test_both_kinds_of_replay_print_the_same_document(session, stream_name, capsys):
    streams = printed_by(capsys, "replay", session)
    counts = printed_by(capsys, "replay", session, "--counts", "--name", f"{stream_name}-again")
    assert streams.keys() == counts.keys()
    assert streams["streams"][0].keys() == counts["streams"][0].keys()
    assert [(told["file"], told["streams"][0]["sent"], told["passes"]) for told in (streams, counts)] == [
        (str(session), 30, 1)
    ] * 2
    assert streams["stream"] is None


def test_ctrl_c_ends_a_loop_well_and_the_report_still_comes(session, start):
    process = start("replay", session, "--loop", "--json")
    for line in process.stderr:
        if line.startswith("  "):  # the streams are open
            break
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=ENDS_S)
    assert process.returncode == 130
    assert json.loads(printed)["speed"] == 1.0
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speed", "0"], "--speed: expected 0.01 to 1000, found 0"),
        (["--from", "5"], "--from: expected a time before the end"),
        (["--to", "0"], "--to: expected a time after --from"),
        (["nothing"], "expected the names or types of its streams"),
        (["--from", "soon"], "--from: expected a number, found 'soon'"),
        (["--broadband"], "--broadband: expected counts, found all streams of an XDF file; add --counts"),
    ],
)
def test_what_can_not_be_meant_is_explained(session, capsys, options, message):
    code, printed = fails(capsys, "replay", session, *options)
    assert code == 2
    assert message in printed


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    code, printed = fails(capsys, "replay", tmp_path / "none.xdf")
    assert code == 2
    assert "none.xdf" in printed
