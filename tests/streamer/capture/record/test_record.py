"""Recordings of real outlets, read back by pyxdf and by spikeloop."""

import json
import math
import re
import threading
from typing import Any

import numpy as np
import pylsl
import pytest
import pyxdf

import spikeloop
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.capture.record.record import record
from spikeloop.streamer.lsl.description import Provenance, channel
from spikeloop.streamer.lsl.outlet import open_outlet
from tests.support.recording import all_samples, bits, by_name, recording, wait_until

TEXTS = ["", "plain", "tab\tand\nline", "µV ≥ 3 σ", "x" * 70_000]
NUMBERS = {
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
    "double64": np.float64,
}


def outlet(name, form="float32", channels=1, rate_hz=0.0, kind="Test", source_id=""):
    return pylsl.StreamOutlet(pylsl.StreamInfo(name, kind, channels, rate_hz, form, source_id or name))  # type: ignore[arg-type]


def values_of(dtype, samples, channels, random):
    """Any bits, but for NaNs, whose kinds a processor may change."""
    values = random.integers(0, 256, (samples, channels, np.dtype(dtype).itemsize), np.uint8).view(dtype)[..., 0]
    return np.nan_to_num(values) if np.dtype(dtype).kind == "f" else values


def test_every_kind_of_stream_is_recorded_to_the_bit(tmp_path, stream_name, random):
    senders, sent = {}, {}
    for rate_hz in (0.0, 100.0):
        for form, dtype in NUMBERS.items():
            name = f"{stream_name}-{form}-{rate_hz:g}"
            senders[name] = outlet(name, form, 3, rate_hz)
            sent[name] = values_of(dtype, 700, 3, random)
    texts = f"{stream_name}-texts"
    senders[texts] = outlet(texts, "string", 2)
    stamps = pylsl.local_clock() + np.cumsum(random.random(700) * 0.01)
    with recording(f"{stream_name}*", tmp_path / "all.xdf", len(senders)) as running:
        for name, values in sent.items():
            for part in np.array_split(np.arange(700), 9):
                senders[name].push_chunk(np.ascontiguousarray(values[part]), stamps[part].tolist())
        for number, text in enumerate(TEXTS):
            senders[texts].push_sample([text, text[::-1]], stamps[number])
        running.until(lambda report: all_samples(report) == 12 * 700 + len(TEXTS))
        report = running.end()
    assert (report.lost, report.interrupted, report.missing) == (0, False, ())
    found = by_name(running.out)
    for name, values in sent.items():
        assert bits(found[name]["time_series"]) == bits(values)
        assert bits(found[name]["time_stamps"]) == bits(stamps)
        assert found[name]["footer"]["info"]["sample_count"] == ["700"]
    assert found[texts]["time_series"] == [[text, text[::-1]] for text in TEXTS]
    assert bits(found[texts]["time_stamps"]) == bits(stamps[: len(TEXTS)])


def test_the_whole_description_of_a_stream_is_in_its_header(tmp_path, stream_name):
    provenance = Provenance("retina", "abc", 7, 0.02, 5, 12.5, "steps:0.5", 2)
    sender = open_outlet(stream_name, "Spikes", [channel("a <b> & c", "count", "spikes")], 50.0, provenance=provenance)
    with recording(stream_name, tmp_path / "one.xdf") as running:
        sender.push_sample([1.0], 100.0)
        running.until(lambda report: report.samples == 1)
        (stream,) = running.end().streams
    (header,) = by_name(running.out).values()
    described = header["info"]["desc"][0]
    assert described["channels"][0]["channel"][0]["label"] == ["a <b> & c"]
    own = described["spikeloop"][0]
    assert (own["seed"], own["start_s"], own["condition"]) == (["7"], ["12.5"], ["steps:0.5"])
    assert header["info"]["uid"] == [stream.uid]
    assert (stream.number, stream.format, stream.channels, stream.nominal_rate_hz) == (1, "float32", 1, 50.0)


def test_a_name_takes_the_streams_that_spikeloop_sends_beside_it_and_no_namesakes(tmp_path, stream_name):
    wanted = [stream_name, f"{stream_name}-Events", f"{stream_name}-Cursor", f"{stream_name}-Intention"]
    others = [f"{stream_name}2", f"{stream_name}-2", f"x{stream_name}"]
    senders = [outlet(name) for name in (*wanted, *others)]
    with recording(stream_name, tmp_path / "lab.xdf", len(wanted)) as running:
        report = running.end()
    assert {stream.name for stream in report.streams} == set(wanted)
    assert len(senders) == 7


def test_a_query_is_evaluated_by_lsl_and_joins_with_names(tmp_path, stream_name):
    senders = [outlet(f"{stream_name}{i}", kind=kind) for i, kind in enumerate(("EEG", "Gaze", "EEG"))]
    asked = [f"type='EEG' and starts-with(name,'{stream_name}')", f"{stream_name}1", "absent"]
    with recording(asked, tmp_path / "some.xdf", 3) as running:
        report = running.end()
    assert sorted(stream.type for stream in report.streams) == ["EEG", "EEG", "Gaze"]
    assert report.missing == ("absent",)
    assert len(senders) == 3


def test_a_stream_that_comes_later_is_recorded_from_its_first_sample_to_come(tmp_path, stream_name):
    first = outlet(f"{stream_name}1")
    with recording(f"{stream_name}*", tmp_path / "late.xdf") as running:
        first.push_sample([1.0])
        second = outlet(f"{stream_name}2")
        running.until(lambda report: [stream.state for stream in report.streams] == ["recording"] * 2)
        second.push_sample([2.0])
        running.until(lambda report: report.samples == 2)
        running.end()
    assert {name: stream["time_series"].tolist() for name, stream in by_name(running.out).items()} == {
        f"{stream_name}1": [[1.0]],
        f"{stream_name}2": [[2.0]],
    }


def test_the_next_run_of_a_sender_is_a_stream_of_its_own(tmp_path, stream_name):
    sender = outlet(stream_name, source_id="the same")
    with recording(stream_name, tmp_path / "runs.xdf") as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.samples == 1)
        del sender
        running.until(lambda report: "out of reach" in report.notes[-1].text)
        again = outlet(stream_name, source_id="the same")
        running.until(lambda report: any(s.state == "recording" for s in report.streams))
        again.push_sample([2.0])
        running.until(lambda report: report.samples == 2)
        report = running.end()
    assert [(stream.number, stream.samples, stream.reconnections) for stream in report.streams] == [
        (1, 1, 0),
        (2, 1, 0),
    ]
    streams, _ = pyxdf.load_xdf(running.out)
    assert [stream["time_series"].tolist() for stream in streams] == [[[1.0]], [[2.0]]]


def test_samples_that_are_missing_in_a_stream_of_ours_are_counted_and_noted(tmp_path, stream_name):
    provenance = Provenance("retina", "", 0, 0.02, 1, 0.0)
    sender = open_outlet(stream_name, "Spikes", [channel("a", "count", "spikes")], 50.0, provenance=provenance)
    with recording(stream_name, tmp_path / "gap.xdf") as running:
        for number in (1, 2, 3, 7, 8, 20):
            sender.push_sample([0.0], number * 0.02)
        running.until(lambda report: report.samples == 6)
        report = running.end()
    assert (report.streams[0].gaps, report.lost) == (2, 3 + 11)
    told = re.findall(rf"'{stream_name}' has a gap of (\d+) samples", "\n".join(note.text for note in report.notes))
    assert sum(map(int, told)) == 3 + 11  # said at once, unless samples came one by one


def test_a_recording_ends_when_its_streams_have_ended_or_the_time_is_over(tmp_path, stream_name):
    sender = outlet(stream_name)
    with recording(stream_name, tmp_path / "ended.xdf", until_end=True) as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.samples == 1)
        del sender
        wait_until(lambda: running.report)
    assert running.end().streams[0].state == "ended"
    other = outlet(stream_name)
    report = record(stream_name, tmp_path / "timed.xdf", duration_s=0.3)
    assert report.duration_s >= 0.3
    assert report.streams[0].state == "recording"
    assert other.have_consumers() in (True, False)


def test_clocks_are_compared_as_labrecorder_does(tmp_path, stream_name):
    sender = outlet(stream_name)
    with recording(stream_name, tmp_path / "clocks.xdf") as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.streams[0].clock_offset_s is not None)
        offset_s = running.end().streams[0].clock_offset_s
    (stream,) = by_name(running.out).values()
    assert offset_s is not None
    assert stream["clock_values"][0] == offset_s
    assert abs(offset_s) < 0.1
    assert abs(stream["clock_times"][0] - stream["time_stamps"][0]) < 60


def test_nothing_is_left_where_no_stream_was_found(tmp_path, stream_name):
    with pytest.raises(BadInputError, match=f"expected an LSL stream '{stream_name}' within 0.1 s, found .*--wait"):
        record(stream_name, tmp_path / "none.xdf", wait_s=0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ([["name=", "x"]], {}, "expected a query such as .* found 'name='"),
        ([[]], {}, "expected names of LSL streams.*'\\*' records all"),
        ([[""]], {}, "expected names of LSL streams"),
        ([3], {}, "expected names of LSL streams.*found 3"),
        (["x"], {"duration_s": 0}, "--duration: expected more than 0 s, found 0"),
        (["x"], {"duration_s": math.nan}, "--duration: expected more than 0 s, found nan"),
        (["x"], {"wait_s": -1}, "--wait: expected 0 s or more, found -1"),
        (["x"], {"out": "x.edf"}, "--out: expected a file ending in .xdf, .nwb, .zarr, found x.edf"),
        (["x"], {"out": 3}, "--out: expected"),
    ],
)
def test_what_can_not_be_asked_for_is_refused(arguments, options, message, tmp_path):
    with pytest.raises(BadInputError, match=message):
        record(*arguments, **{"out": tmp_path / "x.xdf", **options})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path, stream_name):
    path = tmp_path / "there.xdf"
    path.write_text("mine")
    with pytest.raises(BadInputError, match="--out: expected no file, found .*--overwrite"):
        record(stream_name, path)
    assert path.read_text() == "mine"
    sender = outlet(stream_name)
    with recording(stream_name, path, overwrite=True) as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.samples == 1)
        running.end()
    assert len(by_name(path)) == 1


@pytest.mark.parametrize("name", ["x.xdf", "x.nwb", "x.zarr"])
def test_what_is_to_be_replaced_stays_where_nothing_came(name, tmp_path, stream_name):
    path = tmp_path / name
    if name.endswith(".zarr"):
        path.mkdir()
        (path / ".zgroup").write_text("{}")
    else:
        path.write_text("mine")
    with pytest.raises(BadInputError, match="expected an LSL stream"):
        record(stream_name, path, wait_s=0, overwrite=True)
    stop = threading.Event()
    stop.set()
    assert record(stream_name, path, overwrite=True, stop=stop).size_bytes == 0
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() or path.read_text() == "mine"


def test_folders_above_the_file_are_made_when_the_first_stream_comes(tmp_path, stream_name):
    path = tmp_path / "new" / "newer" / "x.xdf"
    with pytest.raises(BadInputError, match="expected an LSL stream"):
        record(stream_name, path, wait_s=0)
    assert list(tmp_path.iterdir()) == []
    sender = outlet(stream_name)
    with recording(stream_name, path) as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.samples == 1)
        running.end()
    assert len(by_name(path)) == 1


@pytest.mark.parametrize("name", ["x.xdf", "x.nwb", "x.zarr"])
def test_a_place_that_can_not_be_written_to_is_said_before_the_wait(name, tmp_path, stream_name):
    (tmp_path / "file").touch()
    with pytest.raises(FailureError, match="could not write .*choose another place$"):
        record(stream_name, tmp_path / "file" / name, wait_s=math.inf)


def test_the_file_has_boundaries_and_is_sound_in_our_reader(tmp_path, stream_name):
    sender = outlet(stream_name, "int16", 4, 1000.0)
    with recording(stream_name, tmp_path / "sound.xdf") as running:
        sender.push_chunk(np.arange(40, dtype=np.int16).reshape(10, 4))
        running.until(lambda report: report.samples == 10)
        running.end()
    with open_streams(running.out) as streams:
        assert (streams.damaged, [stream.samples for stream in streams.streams]) == (0, [10])


def test_record_is_a_public_function_that_a_thread_can_be_told_to_end(tmp_path, stream_name):
    stop = threading.Event()
    stop.set()
    report = spikeloop.record(stream_name, tmp_path / "x.xdf", stop=stop)
    assert (report.streams, report.duration_s, report.size_bytes) == ((), 0.0, 0)
    assert list(tmp_path.iterdir()) == []
    assert "Recording" in repr(report)


def test_the_document_of_a_report_is_json_whatever_the_stamps_are(tmp_path, stream_name):
    sender = outlet(stream_name, rate_hz=100.0)
    with recording(stream_name, tmp_path / "x.xdf") as running:
        stamps: Any = [100.0, math.inf, 100.02]
        sender.push_chunk([[1.0], [2.0], [3.0]], stamps)
        running.until(lambda report: report.samples == 3)
        report = running.end()
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (document["file"], document["samples"], document["lost"]) == (str(report.file), 3, 0)
    (stream,) = document["streams"]
    assert (stream["bad_stamps"], stream["first_s"], stream["last_s"]) == (1, 100.0, 100.02)
    assert stream["nominal_rate_hz"] == 100.0
