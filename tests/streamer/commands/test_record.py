"""`spikeloop record` as it is called: its document, its words, its live status."""

import io
import threading

import pylsl
import pytest
from rich.console import Console

from spikeloop.streamer.commands import record as command
from tests.support.command_line import fails, printed_by, run


@pytest.fixture
def sender(stream_name) -> pylsl.StreamOutlet:
    return pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "Keys", 1, 100.0, pylsl.cf_int32, stream_name))


@pytest.fixture
def sending(sender):
    """A sample as soon as somebody listens."""

    def send() -> None:
        if sender.wait_for_consumers(60):
            sender.push_sample([7], 50.0)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    thread.join(60)


def test_the_document_says_what_was_recorded(sending, stream_name, tmp_path, capsys):
    out = tmp_path / "x.xdf"
    document = printed_by(capsys, "record", stream_name, "--out", out, "--duration", 1)
    (stream,) = document["streams"]
    assert (stream["name"], stream["samples"], stream["state"]) == (stream_name, 1, "recording")
    assert (document["file"], document["samples"], document["lost"]) == (str(out), 1, 0)
    assert document["size_bytes"] == out.stat().st_size
    assert document["notes"][0]["text"].startswith(f"recording {stream_name!r} from ")


def test_people_get_a_line_and_what_happened(sending, stream_name, tmp_path, capsys):
    run("record", stream_name, "absent", "--out", tmp_path / "x.xdf", "--duration", 1)
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{tmp_path / 'x.xdf'}: 1 streams, 1 samples, ")
    assert f"recording {stream_name!r} from " in printed.err
    assert "waiting for absent" in printed.err


def test_what_is_odd_about_a_stream_is_in_the_status_once_and_in_the_summary(sender, stream_name, tmp_path, capsys):
    def send() -> None:
        if sender.wait_for_consumers(60):
            for _ in range(3):
                sender.push_sample([7], pylsl.local_clock() + 1e9)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    run("record", stream_name, "--out", tmp_path / "x.xdf", "--duration", 1)
    thread.join(60)
    printed = capsys.readouterr()
    said = "another clock: its stamps are 32 years ahead of LSL's clock; the file has them as they were sent"
    assert f"warning: {stream_name}: {said}" in printed.out
    assert printed.err.count(f"{stream_name!r} {said}") == 1
    assert "  1 warning" in printed.err


def test_a_terminal_shows_each_stream(sending, stream_name, tmp_path, capsys, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(command, "SideConsole", lambda: Console(file=terminal, force_terminal=True, width=100))
    run("record", stream_name, "--out", tmp_path / "x.xdf", "--duration", 1)
    shown = terminal.getvalue()
    assert "offset (ms)" in shown
    assert stream_name in shown


def test_nothing_found_is_bad_input_that_lists_what_is_there(sender, tmp_path, capsys):
    code, told = fails(capsys, "record", "absent", "--out", tmp_path / "x.xdf", "--wait", 1)
    assert code == 2
    assert "expected an LSL stream 'absent' within 1 s, found" in told
    assert sender.channel_count == 1


def test_a_place_that_can_not_be_written_to_is_said_before_the_wait(tmp_path, capsys):
    (tmp_path / "file").touch()
    code, told = fails(capsys, "record", "lab", "--out", tmp_path / "file" / "x.xdf", "--wait", "inf")
    assert (code, "could not write" in told) == (1, True)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_stands_still_does_not_hold_up_the_recorder(
    terminal, sending, stream_name, tmp_path, capsys, monkeypatch
):
    released = threading.Event()

    class StandsStill(io.StringIO):
        def write(self, text: str) -> int:
            released.wait(280)
            return len(text)

    monkeypatch.setattr(command, "SideConsole", lambda: Console(file=StandsStill(), force_terminal=terminal))
    document = printed_by(capsys, "record", stream_name, "--out", tmp_path / "x.xdf", "--duration", 1)
    assert not released.is_set()
    assert document["samples"] == 1
    released.set()
