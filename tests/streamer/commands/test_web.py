import json
import re
import signal

import pytest

import spikeloop
from tests.support.command_line import fails, printed_by
from tests.support.tiny import tiny_stream_bundle

ENDS_S = 120


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "small"
    tiny_stream_bundle(path, units=4, bin_size_s=0.02)
    return path


@pytest.mark.lsl
def test_it_serves_for_its_duration_and_reports(path, stream_name, capsys):
    report = printed_by(capsys, "web", path, "--name", stream_name, "--port", "0", "--duration", "1")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", report["url"])
    assert (report["viewers"], report["dropped_frames"], report["refused_requests"]) == (0, 0, 0)
    assert report["own_stream"]["name"] == stream_name


@pytest.mark.lsl
def test_ctrl_c_ends_the_page_and_its_stream_and_the_report_is_printed(path, stream_name, start):
    serving = start("web", path, "--name", stream_name, "--port", "0", "--json")
    assert serving.stderr is not None
    while "the page:" not in serving.stderr.readline():
        assert serving.poll() is None
    serving.send_signal(signal.SIGINT)
    printed, said = serving.communicate(timeout=ENDS_S)
    assert serving.returncode == 130
    assert "Traceback" not in said
    assert json.loads(printed)["url"].startswith("http://127.0.0.1:")


def test_a_file_is_served_without_a_stream(tmp_path, capsys):
    spikeloop.write_recording(spikeloop.Recording.from_counts([[0, 1], [2, 0]], 0.02), tmp_path / "session.npz")
    report = printed_by(capsys, "web", "--replay", tmp_path / "session.npz", "--port", "0", "--duration", "0.1")
    assert (report["stream"], report["own_stream"], report["latency"]) == ("session.npz", None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "65536"], "--port: expected a whole number from 0 to 65535, found 65536"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0: others reach the page there, so it needs a token; add --token"),
        (["--token", "no"], "--token: expected 16 or more of the characters"),
        (["--replay", "absent.npz"], "absent.npz: no such file"),
        (["--decoder", "oracle"], "--decoder oracle: needs a session"),
        (["--duration", "0"], "--duration: expected more than 0 s, found 0"),
    ],
)
def test_what_it_can_not_do_is_said_in_a_line(options, message, path, capsys):
    code, said = fails(capsys, "web", path, *options)
    assert code == 2
    assert said.startswith(f"spikeloop: {message}")
