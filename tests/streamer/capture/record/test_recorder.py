"""The recorder's rounds on a simulated clock: when it compares clocks, and when it connects anew."""

import gc
import math
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.streamer.capture.record.inlets import OpenInlet
from spikeloop.streamer.capture.record.recorder import Recorder
from tests.support.recording import wait_until


class Inlet:
    """Of a stream of one channel, which a test fills."""

    channel_count, np_dtype = 1, np.float32

    def __init__(self) -> None:
        self.waiting: list[float] = []
        self.lost = False

    def pull_chunk(self, timeout, most, dest_obj, as_numpy):
        if self.lost:
            raise RuntimeError("the stream has been lost")
        stamps, self.waiting = np.array(self.waiting[:most]), self.waiting[most:]
        dest_obj[: len(stamps)] = 1
        return dest_obj[: len(stamps)], stamps


class Clock:
    """Of the stream's sender."""

    def measure(self, within_s):
        return 0.5


class Sheet:
    """A writer that keeps what was written."""

    def __init__(self) -> None:
        self.headers: list[ElementTree.Element] = []
        self.stamps: list[float] = []
        self.offsets: list[tuple[float, float]] = []
        self.boundaries = 0

    def add_stream(self, info):
        self.headers.append(info)
        return len(self.headers)

    def add_samples(self, stream, values, stamps_s):
        self.stamps += stamps_s.tolist()

    def add_clock_offset(self, stream, at_s, offset_s):
        self.offsets.append((at_s, offset_s))

    def add_boundary(self):
        self.boundaries += 1

    def flush(self):
        pass


class File(XdfWriter):
    """A file, which counts the comparisons of clocks."""

    offsets = 0

    def add_clock_offset(self, stream, at_s, offset_s):
        super().add_clock_offset(stream, at_s, offset_s)
        self.offsets += 1


class Found(SimpleNamespace):
    """What LSL finds of a stream."""


class Lab:
    """One stream, a recorder, and their clock."""

    def __init__(self, rate_hz: float, until_end: bool = False, sheet: Any = None) -> None:
        self.now, self.visible, self.inlets = 1000.0, True, []
        facts = {"name": "lab", "type": "X", "hostname": "elsewhere", "source_id": "", "uid": "u"}
        facts |= {"channel_count": 1, "nominal_srate": rate_hz}
        self.info: Any = Found(**{key: lambda value=value: value for key, value in facts.items()})
        self.sheet = sheet or Sheet()
        self.recorder = Recorder(self.look, self.sheet, lambda: self.now, self.connect, until_end)
        self._rate_hz, self.sent_s = rate_hz, 1000.0

    def look(self):
        return {"lab": [self.info] if self.visible else []}

    def connect(self, info):
        self.inlets.append(Inlet())
        inlet: Any = self.inlets[-1]
        clock: Any = Clock()
        return OpenInlet(inlet, stream_header("lab", "X", [{"label": "x"}], self._rate_hz, "float32", {}), clock)

    def work_until(self, condition) -> None:
        """Let other threads do what they were asked for; the clock stands still."""
        wait_until(lambda: (self.recorder.work(), condition())[1])

    def pass_s(self, seconds: int, samples: bool = False) -> None:
        """Two rounds a second, at each of which a sample has come, or none."""
        for _ in range(2 * seconds):
            self.now += 0.5
            if samples:
                self.inlets[-1].waiting.append(self.now)
            self.recorder.work()

    def send(self, samples: int) -> None:
        """Send samples that follow those before, half a second later."""
        self.now += 0.5
        self.inlets[-1].waiting += (self.sent_s + np.arange(1, samples + 1) / 50).tolist()
        self.sent_s += samples / 50
        self.recorder.work()

    @property
    def stream(self):
        (stream,) = self.recorder.streams
        return stream


@pytest.fixture
def lab() -> Lab:
    return begun(Lab(2.0))


def begun(lab: Lab) -> Lab:
    lab.work_until(lambda: lab.stream.state == "recording" and lab.sheet.offsets)
    return lab


def test_clocks_are_compared_every_five_seconds_at_the_streams_own_time(lab):
    for second in range(1, 31):
        lab.pass_s(1, samples=True)
        lab.work_until(lambda wanted=1 + second // 5: len(lab.sheet.offsets) == wanted)
    assert lab.sheet.offsets == [(1000 + after - 0.5, 0.5) for after in range(0, 31, 5)]
    assert lab.stream.clock_offset_s == 0.5
    assert lab.sheet.boundaries == 4


def test_a_stream_that_was_cut_off_goes_on_in_the_file_as_it_was(lab):
    lab.pass_s(3, samples=True)
    lab.inlets[0].lost = True
    lab.now += 0.1  # before it is looked for again
    lab.recorder.work()
    assert lab.stream.state == "ended"
    lab.now += 2
    lab.work_until(lambda: lab.stream.state == "recording")
    lab.pass_s(3, samples=True)
    assert (lab.stream.number, lab.stream.samples, lab.stream.reconnections) == (1, 12, 1)
    assert len(lab.sheet.headers) == 1
    lab.recorder.finish()
    assert len(lab.sheet.stamps) == 12


def test_a_recording_has_ended_when_its_streams_are_gone_from_the_network(lab):
    assert not lab.recorder.all_ended
    lab.inlets[0].lost = True
    lab.pass_s(1)
    assert not lab.recorder.all_ended
    lab.visible = False
    lab.pass_s(1)
    assert lab.recorder.all_ended


def test_a_regular_stream_that_is_silent_for_long_is_connected_anew(lab):
    lab.pass_s(9)
    assert len(lab.inlets) == 1
    lab.pass_s(2)
    lab.work_until(lambda: len(lab.inlets) == 2 and lab.stream.state == "recording")
    lab.pass_s(15)
    assert len(lab.inlets) == 2  # next time it has longer


@contextmanager
def held_bytes() -> Iterator[Callable[[], int]]:
    """Count what Python allocated since and still holds, garbage excepted."""
    tracemalloc.start()
    try:
        yield lambda: (gc.collect(), tracemalloc.get_traced_memory()[0])[1]
    finally:
        tracemalloc.stop()


def notes_of(lab: Lab) -> list[str]:
    return [note.text for note in lab.recorder.notes]


def test_a_stream_that_was_merely_silent_is_said_to_be_that_and_not_to_be_connected_again(lab):
    lab.pass_s(11)
    lab.work_until(lambda: len(lab.inlets) == 2 and lab.stream.state == "recording")
    lab.pass_s(1, samples=True)
    assert lab.stream.reconnections == 0
    assert notes_of(lab)[1:] == ["'lab' has sent nothing for 10 s; its connection is made anew"]


def test_it_is_said_once_that_all_senders_have_ended_and_how_to_end_a_recording():
    for until_end, said in ((False, 1), (True, 0)):
        lab = Lab(2.0, until_end=until_end)
        begun(lab)
        lab.inlets[0].lost, lab.visible = True, False
        lab.pass_s(5)
        assert lab.recorder.all_ended
        told = [text for text in notes_of(lab) if "all senders have ended; the recording waits for others" in text]
        assert len(told) == said
        assert all("Ctrl-C ends it, and with --until-end it ends by itself" in text for text in told)


def test_an_irregular_stream_may_be_silent_but_is_connected_anew_when_it_was_out_of_sight():
    lab = begun(Lab(0.0))
    lab.pass_s(60)
    assert len(lab.inlets) == 1
    lab.visible = False
    lab.pass_s(2)
    assert (lab.stream.state, len(lab.inlets)) == ("recording", 1)
    lab.visible = True
    lab.pass_s(1)
    lab.work_until(lambda: len(lab.inlets) == 2 and lab.stream.state == "recording")


def test_a_stream_that_sends_stays_connected_though_it_is_out_of_sight(lab):
    lab.visible = False
    lab.pass_s(30, samples=True)
    lab.visible = True
    lab.pass_s(2, samples=True)
    assert (len(lab.inlets), lab.stream.samples) == (1, 64)


def test_a_clock_that_is_reset_is_told_and_nothing_counts_as_lost():
    lab = begun(Lab(50.0))
    for _ in range(100):
        lab.send(25)
    lab.sent_s += 200_000
    for _ in range(100):
        lab.send(25)
    lab.recorder.finish()
    stream = lab.stream
    assert (stream.samples, stream.lost, stream.gaps, stream.clock_resets) == (5000, 0, 0, 1)
    assert stream.measured_rate_hz is None
    assert any("clock that was reset" in note.text for note in lab.recorder.notes)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("rate_hz", [0.0, 50.0])
def test_a_stamp_that_is_no_time_is_written_and_counted_and_the_recording_goes_on(rate_hz, bad):
    lab = begun(Lab(rate_hz))
    for number in range(20):
        lab.send(25)
        if number in (3, 4, 10):
            lab.inlets[0].waiting.append(bad)
    lab.send(1)
    lab.recorder.finish()
    stream = lab.stream
    assert (stream.samples, stream.bad_stamps, stream.lost) == (504, 3, 0)
    assert stream.first_s is not None
    assert stream.last_s is not None
    assert math.isfinite(stream.last_s - stream.first_s)
    assert np.count_nonzero(~np.isfinite(lab.sheet.stamps)) == 3
    assert any("that are no times" in note.text for note in lab.recorder.notes)


def test_a_stream_whose_first_stamp_is_no_time_is_recorded():
    lab = begun(Lab(50.0))
    lab.inlets[0].waiting.append(np.inf)
    for _ in range(4):
        lab.send(25)
    lab.recorder.finish()
    assert (lab.stream.samples, lab.stream.bad_stamps, lab.stream.lost) == (101, 1, 0)


def test_of_a_stream_that_is_gone_only_figures_are_kept(lab):
    found = weakref.ref(lab.info)
    lab.pass_s(2, samples=True)
    lab.inlets[0].lost, lab.visible, lab.info = True, False, None
    lab.pass_s(1)
    assert found() is None  # LSL's own object, of which a recording of days would pile up those of every run
    assert (lab.stream.name, lab.stream.hostname, lab.stream.nominal_rate_hz, lab.stream.samples) == (
        "lab", "elsewhere", 2.0, 4,
    )  # fmt: skip


def test_what_a_recorder_holds_does_not_grow_with_the_bins(tmp_path):
    with File(tmp_path / "lab.xdf", flush_each_chunk=False) as file, held_bytes() as held:
        lab = begun(Lab(50.0, sheet=file))
        for _ in range(100):
            lab.send(25)
        before = held()
        for _ in range(300):
            lab.send(25)
        assert held() - before < 300 * 25  # a stamp has 8 bytes
    assert file.size_bytes > 12 * 400 * 25


def test_what_was_gathered_is_written_before_a_stream_is_connected_anew():
    lab = begun(Lab(0.0))
    lab.visible = False
    lab.pass_s(2)
    lab.now += 0.01  # before it is written again
    lab.inlets[0].waiting += [1.0, 2.0]
    lab.recorder.work()
    lab.visible = True
    lab.pass_s(4)
    lab.recorder.finish()
    assert lab.sheet.stamps == [1.0, 2.0]


def test_no_thread_is_left_when_a_recorder_is_left(lab):
    with lab.recorder:
        lab.pass_s(12, samples=True)
    assert not [thread for thread in threading.enumerate() if thread.name == "spikeloop-record"]


def test_a_recorder_that_stood_still_first_takes_what_waits(lab):
    lab.pass_s(2, samples=True)
    lab.now += 300
    lab.inlets[0].waiting += [1.0] * 600
    lab.visible = False  # LSL heard of nobody either
    lab.recorder.work()
    lab.visible = True
    lab.pass_s(3, samples=True)
    assert (len(lab.inlets), lab.stream.samples) == (1, 4 + 600 + 6)
