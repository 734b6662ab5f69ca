"""Replays over LSL: what inlets in another process receive."""

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest

import spikeloop
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.replay.file_streams import read_streams
from spikeloop.streamer.capture.replay.outlets import LslOutlets, names_of
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.capture.replay.report import ReplayReport
from tests.support.recording import recording
from tests.support.replayed import pulled, receiver, written
from tests.support.xdf_files import header

ENDS_S = 60.0


def of_every_kind(path, name):
    stamps = 100 + np.arange(60) / 100
    rows = np.arange(120).reshape(60, 2)
    texts = [[json.dumps({"trial": i}), f"é {i} "] for i in range(5)]
    streams: list[tuple[str, str, float, str, Any, Any]] = [
        (f"{name} {form}", "EEG", 100.0, form, rows, stamps) for form in ("int8", "int32", "float32")
    ]
    streams.append((f"{name} int64", "Big", 100.0, "int64", rows + 2**60, stamps))
    streams.append(
        (
            f"{name} double64",
            "Big",
            0.0,
            "double64",
            rows[:7] / 3,
            100 + np.array([0, 0.1, 0.101, 0.2, 0.37, 0.4, 0.55]),
        )
    )
    streams.append((f"{name} texts", "Markers", 0.0, "string", texts, 100 + np.array([0.03, 0.03, 0.2, 0.21, 0.5])))
    return written(path, streams), streams


def replayed_to(names, samples, tmp_path, file, **options):
    """What inlets of another process receive of a replay that begins once they are connected."""
    out = tmp_path / "got.json"
    with spikeloop.replay(file, start_delay_s=2.0, **options) as replay:
        replay.pause()
        process = receiver(names, samples, out)
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        replay.resume()
        assert replay.wait(ENDS_S)
    assert isinstance(replay.report, ReplayReport)
    return pulled(process, out), replay.report


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_streams_of_every_kind_come_back_equal_with_their_intervals_and_descriptions(tmp_path, stream_name, speed):
    file, streams = of_every_kind(tmp_path / "x.xdf", stream_name)
    names, sizes = [stream[0] for stream in streams], [len(stream[5]) for stream in streams]
    got, report = replayed_to(names, sizes, tmp_path, file, speed=speed)
    assert report.samples == sum(sizes)
    first_s = min(got[name]["stamps_s"][0] - (stamps[0] - 100) / speed for name, *_, stamps in streams)
    for (name, kind, rate_hz, form, values, stamps), size in zip(streams, sizes, strict=True):
        received = got[name]
        assert received["values"] == [list(row) for row in np.asarray(values).tolist()]
        assert len(received["stamps_s"]) == size
        np.testing.assert_allclose(received["stamps_s"] - first_s, (stamps - 100) / speed, rtol=0, atol=1e-6)
        info = ElementTree.fromstring(received["xml"])
        found = [info.findtext(key) for key in ("name", "type", "channel_format")]
        assert found == [name, kind, form]
        assert float(info.findtext("nominal_srate") or "") == rate_hz * speed
        assert described(info) == described(read_streams(file, [name]).streams[0].info)


def described(info):
    """All texts of a description, in their order."""
    desc = info.find("desc")
    return [(node.tag, (node.text or "").strip()) for node in desc.iter()]


@pytest.mark.parametrize(
    ("file", "speed", "notes"),
    [("minimal.xdf", 5.0, 0), ("empty_streams.xdf", 10.0, 0), ("clock_resets.xdf", 50.0, 2)],
)
def test_the_real_files_of_a_folder_come_back_equal_through_a_recorder(
    tmp_path, data_folder, stream_name, file, speed, notes
):
    path = data_folder / "formats" / file
    read = read_streams(path)
    names = names_of(read.streams, stream_name)
    with spikeloop.replay(path, name=stream_name, speed=speed) as replay:
        replay.pause()
        with recording(f"{stream_name}*", tmp_path / "again.xdf", len(names)) as recorder:
            replay.resume()
            assert replay.wait(ENDS_S)
            recorder.end()
    assert len([note for note in replay.report.to_dict()["notes"] if "its clock was set anew" in note]) == notes
    again = {stream.name: stream for stream in read_streams(tmp_path / "again.xdf").streams}
    for stream, name in zip(read.streams, names, strict=True):
        assert again[name].form == stream.form
        np.testing.assert_array_equal(np.array(again[name].values), np.array(stream.values))
        np.testing.assert_allclose(np.diff(again[name].times_s), np.diff(stream.times_s) / speed, rtol=0, atol=1e-6)


def test_a_recorded_stream_replayed_beside_the_live_one_is_the_same_at_an_inlet(tmp_path, stream_name, bundle):
    names = [f"{stream_name}{suffix}" for suffix in ("", "-Events")]
    with spikeloop.stream(bundle, stream_name, seed=3, start_delay_s=4.0, duration_s=1.0, device="cpu") as live:
        process = receiver(names, [1000, 10**9], tmp_path / "live.json")
        with recording(stream_name, tmp_path / "session.xdf", 2) as recorder:
            assert live.wait(ENDS_S)
            recorder.end()
    known = pulled(process, tmp_path / "live.json")
    with spikeloop.stream(bundle, stream_name, device="cpu"):
        again = [f"{name.replace(stream_name, f'{stream_name}-again')}" for name in names]
        recorded = {stream.name: len(stream.times_s) for stream in read_streams(tmp_path / "session.xdf").streams}
        sizes = [recorded[name] for name in names]
        got, _ = replayed_to(again, sizes, tmp_path, tmp_path / "session.xdf", name=f"{stream_name}-again")
    for before, after, size in zip(names, again, sizes, strict=True):
        assert len(got[after]["values"]) == size
        both = min(size, len(known[before]["values"]))  # one may have connected later, at most by some samples
        assert got[after]["values"][-both:] == known[before]["values"][-both:]
        intervals_s = np.diff(known[before]["stamps_s"][-both:])
        np.testing.assert_allclose(np.diff(got[after]["stamps_s"][-both:]), intervals_s, rtol=0, atol=1e-6)


async def test_the_times_in_our_own_description_follow_the_stamps(tmp_path, stream_name):
    size, bins = 0.02, np.arange(3, 40)
    with XdfWriter(tmp_path / "x.xdf") as writer:
        own = {"bin_size_s": size, "start_s": 77.0}
        number = writer.add_stream(header(stream_name, "Spikes", ["a"], 1 / size, own=own))
        writer.add_clock_offset(number, 77.0, -12.0)
        writer.add_samples(number, bins[:, None], 77.0 + (bins + 1) * size)
    read, playhead = read_streams(tmp_path / "x.xdf"), Playhead(0.0, 1.0, 5000.0, speed=2.0)
    async with LslOutlets(read.streams, [stream_name], playhead):
        (found,) = pylsl.resolve_byprop("name", stream_name, timeout=ENDS_S)
        info = ElementTree.fromstring(pylsl.StreamInlet(found, recover=False).info(ENDS_S).as_xml())
    start_s, half_s = (float(info.findtext(f"desc/spikeloop/{key}") or "") for key in ("start_s", "bin_size_s"))
    assert half_s == size / 2
    stamps_s = playhead.due_s(read.streams[0].times_s)
    np.testing.assert_allclose(stamps_s, start_s + (bins + 1) * half_s, rtol=0, atol=1e-6)


async def test_two_streams_of_one_name_are_two_sources(tmp_path, stream_name):
    one = (stream_name, "X", 10.0, "int16", [[0]] * 3, 5 + np.arange(3) / 10)
    read = read_streams(written(tmp_path / "x.xdf", [one, one]))
    async with LslOutlets(read.streams, [stream_name] * 2, Playhead(0.0, 1.0, 5000.0)):
        found = pylsl.resolve_byprop("name", stream_name, minimum=2, timeout=ENDS_S)
        assert len({info.source_id() for info in found}) == 2


def test_a_name_replaces_that_of_one_source_and_stands_before_those_of_others(tmp_path):
    stamps = 5 + np.arange(3) / 10

    def names(*recorded):
        streams = [(name, "X", 10.0, "int16", [[0]] * 3, stamps) for name in recorded]
        return names_of(read_streams(written(tmp_path / "x.xdf", streams)).streams, "new")

    assert names("lab-Events", "lab", "lab-Markers") == ["new-Events", "new", "new-Markers"]
    assert names("anything") == ["new"]
    assert names("lab", "eeg") == ["new-lab", "new-eeg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 0}, "--speed: expected 0.01 to 1000, found 0"),
        ({"speed": "2"}, "--speed: expected"),
        ({"speed": float("nan")}, "--speed: expected"),
        ({"start_s": -1}, "--from: expected"),
        ({"start_s": 5, "stop_s": 5}, "--to: expected a time after --from"),
        ({"start_s": 5}, "--from: expected a time before the end"),
        ({"start_s": 0.52, "stop_s": 0.525}, "--from, --to: expected samples from"),
        ({"start_delay_s": -1}, "--start-delay: expected"),
        ({"name": 3}, "--name: expected"),
        ({"broadband": True}, "--broadband: expected counts, .* add --counts"),
        ({"reading": {"trials": "0"}}, "--trials .* expected counts, .* add --counts"),
        ({"reading": {"tempo": "0"}}, "--tempo|reading: expected"),
        ({"tempo": 3}, "expected options of .*found 'tempo'"),
    ],
)
def test_options_that_can_not_be_meant_are_refused_before_anything_is_on_the_network(tmp_path, options, message):
    file, _ = of_every_kind(tmp_path / "x.xdf", "never")
    with pytest.raises(BadInputError, match=message), spikeloop.replay(file, **options):
        pass


async def test_a_replay_works_where_an_event_loop_runs_and_is_paused_sought_and_stopped(tmp_path, stream_name):
    file, _ = of_every_kind(tmp_path / "x.xdf", stream_name)
    unbegun = spikeloop.replay(file)
    with pytest.raises(BadInputError, match="the replay has not begun"):
        unbegun.pause()
    with spikeloop.replay(file, f"{stream_name} int32", loop=True) as replay:
        replay.pause()
        with pytest.raises(BadInputError, match="seek: expected a time from 0 to 0.6"):
            replay.seek(0.7)
        replay.seek(0.3)
        assert replay.running
        replay.resume()
        while replay.report.to_dict()["passes"] < 2:
            assert not replay.wait(0.01)
    assert not replay.running
    assert not pylsl.resolve_byprop("name", f"{stream_name} int32", timeout=0.3)
    assert f"{file}: " in str(replay.report)
    assert replay.report.to_dict()["passes"] >= 2
