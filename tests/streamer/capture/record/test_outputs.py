"""Recordings that become NWB files and Zarr folders, also after a kill; streams of any program."""

import json
from typing import Any

import numpy as np
import pylsl
import pynwb
import pytest
import zarr
from spikeinterface.extractors import read_nwb_recording

import spikeloop
from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.capture.record import record as record_module
from spikeloop.streamer.capture.record.outputs import finish_recording
from tests.support.command_line import fails, printed_by
from tests.support.recording import all_samples, bits, recording

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyNWB about its own dependencies
RATE_HZ = 30_000.0
OWN = {"bin_size_s": 0.02, "seed": 3}


@pytest.fixture
def sent(random) -> np.ndarray:
    """Voltage."""
    return random.integers(-1000, 1000, (6000, 4))


@pytest.fixture
def spool(tmp_path, sent):
    """What a recording leaves that was killed: counts, spikes, voltage, texts, and streams of other programs."""
    path = tmp_path / "session.nwb.xdf"
    writer = XdfWriter(path)
    writer.__enter__()
    units = [{"label": f"unit {i}", "unit": "count", "type": "spikes"} for i in range(3)]
    traces = [
        {"label": f"c{i}", "unit": "uV", "scaling_factor": 0.5, "location": {"X": 0.1 * i, "Y": 0.2}} for i in range(4)
    ]
    counts = writer.add_stream(stream_header("lab", "Spikes", units, 50.0, "float32", OWN))
    events = writer.add_stream(stream_header("lab-Events", "SpikeEvents", [{"label": "unit"}], 0.0, "int32", OWN))
    voltage = writer.add_stream(stream_header("lab-Broadband", "Broadband", traces, RATE_HZ, "int16", OWN))
    texts = writer.add_stream(stream_header("keys/pressed", "Markers", [{"label": ""}], 0.0, "string", {}))
    gaze = writer.add_stream(stream_header("gaze", "Gaze", [{"label": "x", "unit": "px"}], 0.0, "int64", {}))
    bins = np.arange(1, 101)
    writer.add_samples(counts, (bins % 2)[:, None] * [1, 0, 1], 100 + bins * 0.02)
    fired = 100 + np.repeat(bins[::2] * 0.02, 2) - [0.015, 0.005] * 50
    writer.add_samples(events, np.tile([[0], [2]], (50, 1)), fired)
    for part in np.split(np.arange(6000), 6):
        writer.add_samples(voltage, sent[part], 100 + part / RATE_HZ)
    writer.add_samples(texts, [["a"], ["µ"]], [100.5, 101.25])
    writer.add_samples(gaze, [[2**60 + 1], [-5]], [100.1, 100.75])
    writer.flush()
    return path


def opened_nwb(path) -> Any:
    return pynwb.NWBHDF5IO(path=str(path), mode="r")


def opened_zarr(path) -> Any:
    return zarr.open_group(str(path), "r")


def test_a_recording_that_was_killed_becomes_an_nwb_file(spool, sent):
    out = finish_recording(spool).file
    assert out.name == "session.nwb"
    assert spool.exists()
    with opened_nwb(out) as file:
        session = file.read()
        assert session.processing["ecephys"]["binned_spikes"].data[:, 0].tolist() == [1, 0] * 50
        gaze = session.acquisition["gaze"]
        assert (gaze.data[:, 0].tolist(), gaze.timestamps[:].tolist()) == ([2**60 + 1, -5], [100.1, 100.75])
        assert gaze.unit == "px"
        table = session.events["keys_pressed"].to_dataframe()
        assert (table["timestamp"].to_list(), table["channel 0"].to_list()) == ([100.5, 101.25], ["a", "µ"])
        spikes = session.units.to_dataframe()["spike_times"].to_list()
        assert [len(train) for train in spikes] == [50, 0, 50]
        np.testing.assert_allclose(spikes[2], 100 + np.arange(1, 101, 2) * 0.02 - 0.005)
    assert spikeloop.read_recording(out).counts.shape == (1, 100, 3)
    voltage: Any = read_nwb_recording(str(out))
    np.testing.assert_array_equal(voltage.get_traces(), sent)
    assert voltage.get_channel_gains().tolist() == [0.5] * 4
    assert voltage.get_channel_locations()[3].tolist() == pytest.approx([300.0, 200.0])
    assert voltage.sampling_frequency == RATE_HZ


def test_a_recording_becomes_a_zarr_folder_with_every_stream(spool, sent):
    out = finish_recording(spool, spool.with_name("session.zarr")).file
    group = opened_zarr(out)
    assert sorted(group["streams"]) == ["gaze", "keys_pressed", "lab", "lab-Broadband", "lab-Events"]
    voltage = group["streams/lab-Broadband"]
    np.testing.assert_array_equal(voltage["values"][:], sent)
    assert bits(voltage["stamps_s"][:]) == bits(100 + np.arange(6000) / RATE_HZ)
    assert voltage.attrs["nominal_rate_hz"] == RATE_HZ
    assert "<scaling_factor>0.5" in voltage.attrs["description"]
    assert group["streams/keys_pressed/values"][:, 0].tolist() == ["a", "µ"]
    assert group["streams/gaze/values"][:, 0].tolist() == [2**60 + 1, -5]
    assert spikeloop.read_recording(out).counts.sum() == 100


@pytest.mark.parametrize("suffix", [".nwb", ".zarr"])
def test_streams_without_counts_are_recorded_to_any_format(suffix, tmp_path, stream_name):
    senders = [
        pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}-a", "EEG", 2, 100.0, pylsl.cf_double64, "a")),
        pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}-b", "Keys", 1, 0.0, pylsl.cf_string, "b")),
    ]
    out = tmp_path / f"x{suffix}"
    with recording(f"{stream_name}*", out, 2) as running:
        began_s = pylsl.local_clock()
        stamps: Any = [began_s, began_s + 0.01]
        senders[0].push_chunk([[0.1, 0.2], [0.3, 0.4]], stamps)
        senders[1].push_sample(["a"], began_s)
        running.until(lambda report: all_samples(report) == 3)
        report = running.end()
    assert report.file == out
    assert report.size_bytes > 0
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    if suffix == ".zarr":
        values = opened_zarr(out)[f"streams/{stream_name}-a/values"]
        assert values[:].tolist() == [[0.1, 0.2], [0.3, 0.4]]
        return
    with opened_nwb(out) as file:
        series = file.read().acquisition[f"{stream_name}-a"]
        assert series.data[:].tolist() == [[0.1, 0.2], [0.3, 0.4]]
        assert series.starting_time == began_s


@pytest.mark.parametrize("error", [FailureError("the disk is full"), RuntimeError("of a library: the disk is full")])
def test_what_could_not_be_finished_stays_and_says_how_to_go_on(error, tmp_path, stream_name, monkeypatch):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(record_module, "finish_recording", refuse)
    sender = pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "EEG", 1, 100.0, pylsl.cf_float32, stream_name))
    with recording(stream_name, tmp_path / "x.nwb") as running:
        sender.push_sample([1.0])
        running.until(lambda report: report.samples == 1)
        with pytest.raises(
            AssertionError, match="the disk is full.?; all that was recorded is in .*x.nwb.xdf: .*--finish"
        ):
            running.end()
    monkeypatch.undo()
    with pytest.raises(BadInputError, match="--out: expected no .*x.nwb.xdf, which an earlier recording left"):
        spikeloop.record(stream_name, tmp_path / "x.nwb")
    assert finish_recording(tmp_path / "x.nwb.xdf").file == tmp_path / "x.nwb"


def test_the_command_finishes_a_recording(spool, capsys):
    document = printed_by(capsys, "record", "--finish", spool)
    out = spool.with_suffix("")
    assert (document["file"], document["size_bytes"]) == (str(out), out.stat().st_size)
    assert {stream["name"]: stream["place"] for stream in document["streams"]} == {
        "lab": "processing/ecephys, units",
        "lab-Events": "units",
        "lab-Broadband": "acquisition/lab-Broadband",
        "keys/pressed": "events/keys_pressed",
        "gaze": "acquisition/gaze",
    }
    code, told = fails(capsys, "record", "--finish", spool)
    assert code == 2
    assert f"--out: expected no file, found {out}" in told
    assert json.dumps(printed_by(capsys, "record", "--finish", spool, "--overwrite"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--finish", "x.edf"], "--finish: expected an XDF file and a file to make of it"),
        (["--finish", "x.xdf"], "--finish: expected an XDF file and a file to make of it"),
        (["--finish", "x.nwb.xdf"], "x.nwb.xdf: no such file"),
        (["lab", "--finish", "x.nwb.xdf"], "--finish: expected no streams to record beside it, found lab"),
        (["lab"], "--out: expected a file to write, found none"),
    ],
)
def test_the_command_says_what_it_can_not_do(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, told = fails(capsys, "record", *arguments)
    assert (code, message in told) == (2, True)
