"""Recordings replayed as streams of counts: what consumers in another process and devices receive."""

import json
import socket
import struct
from dataclasses import asdict, replace
from xml.etree import ElementTree

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.provenance import Replayed, parse_provenance
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.models.recordings.recording import from_counts
from spikeloop.streamer.launch.recording_replay import RecordingReplay
from spikeloop.streamer.launch.replay_options import VoltageReplayOptions
from spikeloop.streamer.mqtt.payloads import decode_spikes
from tests.support.broker import Mosquitto
from tests.support.generated import with_own_times, with_provenance
from tests.support.mqtt_stand_ins import Device, wait_until
from tests.support.recording import recording
from tests.support.replayed import pulled, receiver, written
from tests.support.stamped import stamped

ENDS_S = 60.0
SUFFIXES = ("", "-Events", "-Condition", "-Markers")


def counted(bins=60, units=4):
    return from_counts(np.random.default_rng(1).poisson(0.4, (bins, units)), 0.02, name="counted")


def test_a_consumer_in_another_process_gets_the_recorded_counts_conditions_and_trials(tmp_path, stream_name):
    counts, out = stamped(3, 20), tmp_path / "got.json"
    names = [f"{stream_name}{suffix}" for suffix in SUFFIXES]
    with spikeloop.replay(counts, name=stream_name, start_delay_s=1.0) as replay:
        replay.pause()
        process = receiver(names, [60, int(counts.counts.sum()), 60, 4], out)
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        replay.resume()
        assert replay.wait(ENDS_S)
    got = pulled(process, out)
    np.testing.assert_array_equal(got[stream_name]["values"], counts.counts.reshape(60, 2))
    np.testing.assert_allclose(np.diff(got[stream_name]["stamps_s"]), 0.02, rtol=0, atol=1e-6)
    conditions = np.array(got[f"{stream_name}-Condition"]["values"])
    np.testing.assert_array_equal(conditions[:, :2], counts.conditions.reshape(60, 2))
    events = np.array(got[f"{stream_name}-Events"]["values"])[:, 0]
    np.testing.assert_array_equal(np.bincount(events, minlength=2), counts.counts.sum(axis=(0, 1)))
    marked = [json.loads(row[0]) for row in got[f"{stream_name}-Markers"]["values"]]
    assert [(marker["event"], marker.get("trial")) for marker in marked if marker["event"] == "trial"] == [
        ("trial", trial) for trial in range(3)
    ]
    info = ElementTree.fromstring(got[stream_name]["xml"])
    assert info.findtext("type") == "Spikes"
    assert info.findtext("desc/spikeloop/recording") == "recording"
    assert [info.find(f"desc/spikeloop/{fact}") for fact in ("bundle", "sha256", "seed")] == [None] * 3
    assert info.findtext("desc/spikeloop/condition") == "recorded"
    assert replay.report.to_dict()["stream"]["condition"] == {
        "asked": "recorded",
        "notice": "",
        "position_s": pytest.approx(1.2),
        "passes": 1,
        "spike_times": "drawn",
    }


def stated(recording, **options) -> Replayed:
    prepared = RecordingReplay(recording, VoltageReplayOptions(name="never", **options))
    said = prepared.streamed.made_by(9, 2, 500.0, "recorded")
    assert isinstance(said, Replayed)
    return said


def test_what_made_a_recording_is_stated_of_its_replay_at_the_new_time_and_only_where_the_bins_are_the_same(random):
    made = with_provenance(with_own_times(counted(), random))
    assert made.provenance is not None
    for options, start_s in (({}, 500.0), ({"start_s": 0.4}, 500.0 - 0.4)):
        said = parse_provenance(json.loads(stated(made, **options).provenance or ""))
        assert said == replace(made.provenance, start_s=pytest.approx(start_s))
    for changed, options in (
        (made, {"speed": 2.0}),
        (made, {"loop": True}),
        (replace(made, spike_times=None), {}),
        (rebinned(made, 2), {}),
        (with_provenance(with_own_times(from_counts(np.ones((2, 30, 4), int), 0.02), random)), {}),
        (replace(made, provenance=None), {}),
        (replace(made, provenance=replace(made.provenance, start_s=0.0071)), {}),
    ):
        said = stated(changed, **options)
        assert said.provenance is None
        assert parse_provenance(asdict(said)) is None
        assert (said.recording, said.start_s, said.condition) == (changed.name, 500.0, "recorded")


def test_what_was_generated_and_replayed_and_recorded_agrees_with_what_its_bundle_makes(tmp_path, bundle, stream_name):
    made = spikeloop.generate(bundle, 1.0, 4, device="cpu")
    with (
        spikeloop.replay(made, name=stream_name, start_delay_s=2.0) as replay,
        recording(stream_name, tmp_path / "again.xdf", 3) as recorder,  # what comes before it is connected is not lost
    ):
        assert replay.wait(ENDS_S)
        recorder.end()
    (stream,) = spikeloop.verify(tmp_path / "again.xdf", bundle, "cpu").streams
    assert stream.agrees, stream.problems
    assert stream.spikes


def test_of_a_replayed_recording_a_file_does_not_say_what_made_it(tmp_path, stream_name):
    with spikeloop.replay(counted(), name=stream_name, start_delay_s=1.0) as replay:
        replay.pause()
        with recording(stream_name, tmp_path / "again.xdf", 3) as recorder:
            replay.resume()
            assert replay.wait(ENDS_S)
            recorder.end()
    with pytest.raises(BadInputError, match="expected a file that says what made its spikes"):
        spikeloop.verify(tmp_path / "again.xdf")


@pytest.mark.parametrize("suffix", [".npz", ".nwb", ".xdf"])
def test_recordings_of_any_format_go_out_and_an_xdf_file_s_counts_where_asked(tmp_path, stream_name, suffix):
    played = counted(20)
    write_recording(played, tmp_path / f"x{suffix}")
    with spikeloop.replay(tmp_path / f"x{suffix}", counts=True, name=stream_name, speed=2) as replay:
        assert replay.wait(ENDS_S)
        assert replay.position_s == pytest.approx(0.4)
    told = replay.report.to_dict()
    assert (told["samples"], told["passes"], told["speed"], told["stop_s"]) == (20, 1, 2.0, pytest.approx(0.4))
    assert [(one["name"], one["samples"], one["sent"]) for one in told["streams"]] == [(stream_name, 20, 20)]
    assert told["stream"]["mean_rate_hz"] == pytest.approx(2 * played.rates_hz.mean())


def test_devices_pause_seek_and_resume_a_replay_and_receive_its_spikes(tmp_path, stream_name):
    played = counted()
    with (
        Mosquitto(tmp_path) as broker,
        Device(broker.port, stream=stream_name) as device,
        spikeloop.replay(played, name=stream_name, mqtt=broker.url, loop=True) as replay,
    ):
        assert wait_until(lambda: device.payloads("spikes"))
        device.send("control", '{"command": "pause"}')
        assert wait_until(lambda: marked(device, "pause"))
        device.send("control", '{"command": "seek", "value": 0.8}')
        device.send("control", '{"command": "seek", "value": 9}')
        device.send("control", '{"command": "resume"}')
        assert wait_until(lambda: marked(device, "seek"))
        assert wait_until(lambda: device.payloads("error"))
        replay.stop()
        assert wait_until(lambda: b'{"state":"offline"}' in device.payloads("status"))
    assert marked(device, "seek")[0]["position_s"] == pytest.approx(0.8)
    assert "seek: expected a time from 0 to 1.2 s, found 9" in json.loads(device.payloads("error")[0])["reason"]
    status = json.loads(device.payloads("status")[0])
    assert (status["bundle"], status["units"]) == ("counted", 4)
    first = decode_spikes(device.payloads("spikes")[0])
    np.testing.assert_array_equal(
        np.bincount(first.units, minlength=4),
        played.counts[0, first.first_bin : first.first_bin + first.bins].sum(0),
    )


def marked(device, event):
    documents = [json.loads(payload) for payload in device.payloads("marker")]
    return [document for document in documents if document["event"] == event]


def test_streams_of_an_xdf_file_obey_devices_that_pause_and_seek_and_refuse_others(tmp_path, stream_name):
    rows, stamps_s = np.arange(200)[:, None], 5 + np.arange(200) / 100
    file = written(tmp_path / "x.xdf", [(stream_name, "EEG", 100.0, "int32", rows, stamps_s)])
    with (
        Mosquitto(tmp_path) as broker,
        Device(broker.port, stream=stream_name) as device,
        spikeloop.replay(file, mqtt=broker.url, loop=True) as replay,
    ):
        for control in ('"pause"', '"seek", "value": 1.5', '"seek", "value": 9', '"gain", "value": 2', '"resume"'):
            device.send("control", f'{{"command": {control}}}')
        device.send("stimulate", '{"units": "all", "amplitude_ua": 20}')
        assert wait_until(lambda: len(device.payloads("error")) == 3)
        assert [len(marked(device, event)) for event in ("pause", "seek", "resume")] == [1, 1, 1]
        assert wait_until(lambda: replay.report.to_dict()["passes"] > 0)
    reasons = [json.loads(payload)["reason"] for payload in device.payloads("error")]
    assert "seek: expected a time from 0 to 2 s" in reasons[0]
    assert all("--counts" in reason for reason in reasons[1:])


def test_the_voltage_of_a_recording_goes_out_too(stream_name, tmp_path):
    with spikeloop.replay(counted(), name=stream_name, broadband=True, loop=True) as replay:
        process = receiver([f"{stream_name}-Broadband"], [3000], tmp_path / "got.json")
        got = pulled(process, tmp_path / "got.json")
        replay.stop()
    values = np.array(got[f"{stream_name}-Broadband"]["values"])
    assert values.shape[1] == 96
    assert values.std() > 0


def test_the_voltage_of_a_recording_goes_out_to_the_open_ephys_gui(stream_name):
    options = {"broadband": True, "probe": "linear", "channels": 8, "ephys_socket": 0, "loop": True}
    with spikeloop.replay(counted(), name=stream_name, **options) as replay:
        listening = replay.report.to_dict()["stream"]["ephys_socket"]
        with socket.create_connection(("127.0.0.1", int(listening["address"].rpartition(":")[2]))) as client:
            client.settimeout(ENDS_S)
            assert client.recv(22, socket.MSG_WAITALL) == struct.pack("<iihiii", 0, 2 * 8 * 300, 3, 2, 8, 300)
        replay.stop()
    (received,) = replay.report.to_dict()["stream"]["ephys_socket"]["clients"]
    assert received["first_sample"] % 300 == 0


@pytest.mark.parametrize(
    ("streams", "options", "message"),
    [
        (("Spikes",), {}, "STREAM: expected streams of an XDF file only, found 'Spikes'"),
        ((), {"start_s": 5.0}, "--from, --to: expected at least one bin"),
        ((), {"seed": -1}, "--seed: expected"),
        ((), {"name": "a/b"}, "expected a stream name"),
        ((), {"speed": 1000, "reading": {}}, None),
    ],
)
def test_what_does_not_suit_a_recording_is_refused(streams, options, message):
    replay = spikeloop.replay(counted(), *streams, **options)
    if message is None:
        with replay:
            assert replay.wait(ENDS_S)
        return
    with pytest.raises(BadInputError, match=message):
        replay.start()


def test_bins_of_a_replay_can_not_be_too_short():
    played = from_counts(np.ones((10, 2), int), 1e-4)
    with pytest.raises(BadInputError, match="--speed: expected bins of 1e-05 s or longer, found 1e-06 s"):
        spikeloop.replay(played, speed=100).start()


def test_something_that_is_no_recording_is_refused(tmp_path):
    for file, message in (
        (3, "FILE: expected"),
        (tmp_path / "none.npz", "none.npz"),
        ("nothing", "no recording named"),
    ):
        with pytest.raises(BadInputError, match=message):
            spikeloop.replay(file).start()  # pyright: ignore[reportArgumentType]
