"""`spikeloop record` in a process of its own that is interrupted, killed, stopped and refused by the disk."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pylsl
import pytest
import pyxdf

from spikeloop.exporters.formats.storage.file_lock import open_alone
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.models.errors import BadInputError
from tests.support.command_line import fails
from tests.support.recording import wait_until

CHANNELS = 64
LITTLE_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
from spikeloop.__main__ import main
main()
"""


class Sender:
    """An outlet that numbers its samples from 0 on; the first has the stamp 1 s, as LSL takes 0 for now."""

    def __init__(self, name: str) -> None:
        info = pylsl.StreamInfo(name, "Numbers", CHANNELS, 1000.0, pylsl.cf_int32, name)
        self.outlet = pylsl.StreamOutlet(info, max_buffered=60)
        self.sent = 0

    def send(self, number: int) -> None:
        first = self.sent
        self.sent += number
        values = np.repeat(np.arange(first, self.sent, dtype=np.int32)[:, None], CHANNELS, axis=1)
        self.outlet.push_chunk(values, (1 + np.arange(first, self.sent) / 1000).tolist())


@pytest.fixture
def sender(stream_name) -> Sender:
    return Sender(stream_name)


def samples_in(path: Path) -> int:
    try:
        with open_streams(path) as streams:
            return sum(stream.samples for stream in streams.streams)
    except BadInputError:
        return 0


def recorder(start, sender: Sender, stream_name: str, path: Path, *options: str, **more) -> "subprocess.Popen[str]":
    """A recorder that has received and written what was sent."""
    out = () if "--out" in options else ("--out", path)
    process = start("record", stream_name, *out, *options, **more)
    wait_until(lambda: sender.outlet.have_consumers() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    sender.send(100)
    wait_until(lambda: samples_in(path) == 100 or process.poll() is not None)
    return process


def numbers_in(path: Path) -> np.ndarray:
    """The samples, which are whole and in their order."""
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    values = streams[0]["time_series"]
    assert (values == values[:, :1]).all()
    np.testing.assert_allclose(streams[0]["time_stamps"], 1 + values[:, 0] / 1000, atol=1e-9)
    return values[:, 0]


def test_ctrl_c_ends_a_recording_well(start, sender, stream_name, tmp_path):
    process = recorder(start, sender, stream_name, tmp_path / "x.xdf", "--json")
    sender.send(17)
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=280)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    document = json.loads(printed)
    assert (document["interrupted"], document["lost"]) == (True, 0)
    numbers = numbers_in(tmp_path / "x.xdf")
    assert numbers.tolist() == list(range(document["samples"]))
    assert document["size_bytes"] == (tmp_path / "x.xdf").stat().st_size
    streams, _ = pyxdf.load_xdf(tmp_path / "x.xdf")
    assert streams[0]["footer"]["info"]["sample_count"] == [str(len(numbers))]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no such signal")
def test_a_terminal_that_is_closed_ends_a_recording_well(start, sender, stream_name, tmp_path):
    terminal, side = os.openpty()
    process = recorder(start, sender, stream_name, tmp_path / "x.xdf", stdout=side, stderr=side)
    os.close(side)
    os.close(terminal)  # from now on nothing can be printed
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)
    assert numbers_in(tmp_path / "x.xdf").tolist() == list(range(100))
    streams, _ = pyxdf.load_xdf(tmp_path / "x.xdf")
    assert streams[0]["footer"]["info"]["sample_count"] == ["100"]


@pytest.mark.parametrize("options", [["--out", "x.xdf", "--overwrite"], ["--out", "x.nwb"], ["--finish", "x.nwb.xdf"]])
def test_what_is_being_recorded_is_left_alone_by_others(sender, stream_name, tmp_path, options, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_alone(Path("x.xdf" if "x.xdf" in options else "x.nwb.xdf"), replace=False) as file:
        file.write(b"being recorded")
        code, message = fails(capsys, "record", *([] if "--finish" in options else [stream_name]), *options)
        assert (code, "another program is recording to x." in message) == (2, True), message
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"being recorded"]


def test_ctrl_c_before_any_stream_says_what_was_waited_for_and_that_no_file_was_written(start, stream_name, tmp_path):
    terminal, side = os.openpty()
    process = start("record", stream_name, "--out", tmp_path / "x.xdf", "--wait", "inf", stderr=side)
    os.close(side)
    shown = b""
    while f"waiting for {stream_name}".encode() not in shown:
        shown += os.read(terminal, 1024)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == 130
    assert f"no stream came: waited for {stream_name}; no file was written" in printed
    assert not (tmp_path / "x.xdf").exists()


def test_a_kill_leaves_what_was_written_before(start, sender, stream_name, tmp_path):
    path = tmp_path / "x.xdf"
    process = recorder(start, sender, stream_name, path)
    sender.send(1000)
    process.kill()
    process.wait()
    numbers = numbers_in(path)
    assert len(numbers) >= 100
    assert numbers.tolist() == list(range(len(numbers)))
    assert samples_in(path) == len(numbers)


def test_a_recorder_that_stood_still_loses_nothing(start, sender, stream_name, tmp_path):
    path = tmp_path / "x.xdf"
    process = recorder(start, sender, stream_name, path)
    process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(50):  # of what five seconds bring
            sender.send(100)
    finally:
        process.send_signal(signal.SIGCONT)
    wait_until(lambda: samples_in(path) == 5100)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=280)
    assert numbers_in(path).tolist() == list(range(5100)), told


@pytest.mark.parametrize("name", ["x.xdf", "x.nwb"])
def test_a_full_disk_ends_a_recording_with_a_sentence_and_a_file_that_opens(name, start, sender, stream_name, tmp_path):
    out = tmp_path / name
    path = out if name == "x.xdf" else tmp_path / "x.nwb.xdf"
    process = recorder(start, sender, stream_name, path, "--out", str(out), program=LITTLE_DISK)
    while process.poll() is None:
        sender.send(100)
        wait_until(lambda: samples_in(path) == sender.sent or process.poll() is not None)
    _, told = process.communicate(timeout=280)
    assert process.returncode == 1
    assert f"could not write {path} (" in told
    assert f"what was recorded before, {path.stat().st_size:,} bytes, is there" in told
    assert (f"`spikeloop record --finish {path}` makes {out} of it" in told) == (path != out)
    assert "Traceback" not in told
    numbers = numbers_in(path)
    assert numbers.tolist() == list(range(sender.sent - 100))
    with open_streams(path) as streams:
        assert streams.damaged == 0
