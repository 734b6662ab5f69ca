"""Streams of another program, of other clocks and two of one name: recorded, and made an NWB file and a Zarr folder."""

import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pynwb
import pytest
import pyxdf
import zarr
from nwbinspector import Importance, inspect_nwbfile

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.outputs import finish_recording
from spikeloop.streamer.capture.record.record import record
from spikeloop.streamer.capture.replay.file_streams import read_streams
from tests.support.foreign_lab import BACK_S, STREAMS
from tests.support.places import SUPPORT
from tests.support.recording import recording

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyNWB about its own dependencies
ARRIVED_S = 1.0  # from sending to writing, at most, unless the machine is very slow
SECONDS, MOMENTS = 4.0, 200


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> SimpleNamespace:
    """A recording of all streams of the other program, until it ends."""
    name, folder = f"test-{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("foreign")
    sender = subprocess.Popen(
        [sys.executable, SUPPORT / "foreign_lab.py", name, str(SECONDS)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "up\n"
        with recording(f"{name}*", folder / "x.xdf", len(STREAMS)) as running:
            running.until(lambda report: all(stream.state == "ended" for stream in report.streams))
            running.until(lambda report: "all senders have ended" in report.notes[-1].text)
            report = running.end()
    finally:
        sender.kill()
        sender.communicate()
    return SimpleNamespace(name=name, xdf=folder / "x.xdf", folder=folder, report=report)


def warnings_of(session, suffix: str) -> str:
    return "; ".join(
        sentence
        for stream in session.report.streams
        if stream.name == f"{session.name}{suffix}"
        for sentence in stream.warnings
    )


def raw(session) -> dict[tuple[str, str], Any]:
    """What pyxdf reads, as it was sent, by name and source id."""
    streams, _ = pyxdf.load_xdf(session.xdf, synchronize_clocks=False, dejitter_timestamps=False)
    return {(stream["info"]["name"][0], stream["info"]["source_id"][0]): stream for stream in streams}


def true_s(session) -> np.ndarray:
    """When each moment was, on the recorder's clock."""
    return raw(session)[(f"{session.name}-true", "t")]["time_stamps"]


def test_other_clocks_are_said_once_for_each_stream_and_of_no_other(session):
    for suffix, words in (("-eeg", "years ahead of"), ("-keys", "years ahead of"), ("-device", "behind LSL's clock")):
        assert warnings_of(session, suffix).startswith("another clock: its stamps are "), suffix
        assert words in warnings_of(session, suffix)
        assert "the file has them as they were sent" in warnings_of(session, suffix)
        (said,) = [note for note in session.report.notes if note.text.startswith(f"'{session.name}{suffix}' another")]
        assert "local_clock()" in said.text
    for suffix in ("-true", "-back", "-volts", "-empty"):
        assert "another clock" not in warnings_of(session, suffix)


def test_stamps_that_run_backwards_and_a_voltage_that_calls_itself_spikes_are_said(session):
    said = warnings_of(session, "-back")
    assert f"stamps run backwards: {MOMENTS // 10} of {MOMENTS} are earlier than the one before, by up to 0.4" in said
    assert BACK_S == 0.5
    assert "look like a voltage; detect its spikes" in warnings_of(session, "-volts")
    assert warnings_of(session, "-true") == ""


def test_the_xdf_file_has_all_stamps_as_they_were_sent(session):
    streams = raw(session)
    true, eeg, keys = (streams[(f"{session.name}{suffix}", suffix[1])] for suffix in ("-true", "-eeg", "-keys"))
    offset_s = eeg["time_stamps"] - true["time_stamps"]
    assert np.ptp(offset_s) < 1e-5
    assert offset_s[0] > 1e9
    np.testing.assert_array_equal(eeg["time_stamps"], keys["time_stamps"])
    assert true["time_series"][:, 0].tolist() == list(range(MOMENTS))


def test_replay_has_streams_of_all_clocks_at_the_moments_at_which_they_were_sent(session):
    read = read_streams(session.xdf)
    streams = {stream.label: stream for stream in read.streams}
    true = streams[f"{session.name}-true"].times_s
    for suffix in ("-eeg", "-keys", "-device"):
        times_s = streams[f"{session.name}{suffix}"].times_s
        np.testing.assert_allclose(times_s, true, rtol=0, atol=ARRIVED_S)
        np.testing.assert_allclose(np.diff(times_s), np.diff(true), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        streams[f"{session.name}-eeg"].times_s, streams[f"{session.name}-keys"].times_s, rtol=0, atol=1e-6
    )
    assert read.duration_s < 60
    said = "\n".join(read.notes)
    assert f"{session.name}-eeg: stamps of another clock, " in said
    assert f"{session.name}-back: {MOMENTS // 10} of {MOMENTS} samples are stamped earlier" in said


def test_streams_of_one_name_have_numbers_and_can_be_chosen(session):
    labels = [stream.label for stream in session.report.streams if stream.name == session.name]
    numbers = [stream.number for stream in session.report.streams if stream.name == session.name]
    assert labels == [f"{session.name}#{number}" for number in numbers]
    begun = [note.text for note in session.report.notes if note.text.startswith("recording")]
    assert any("source_id 'second'" in text for text in begun)
    (second,) = read_streams(session.xdf, [session.name], source_id="second").streams[:1]
    assert second.info.findtext("source_id") == "second"
    with pytest.raises(BadInputError, match="expected a stream with --source-id 'third'.*#. \\(host .*source_id"):
        read_streams(session.xdf, [session.name], source_id="third")


def taken(session) -> tuple[str, str, int]:
    """Source ids of the two streams of counts, and the number of the first."""
    two = sorted((stream.number, stream.source_id) for stream in session.report.streams if stream.name == session.name)
    return two[0][1], two[1][1], two[0][0]


def counts_of(source_id: str) -> list[list[int]]:
    return [[i % 3, 1] if source_id == "first" else [2, i % 5] for i in range(MOMENTS)]


@pytest.fixture(scope="module")
def finished(session) -> Any:
    return finish_recording(session.xdf, session.folder / "x.nwb")


@pytest.fixture(scope="module")
def nwb(finished) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file: Any = pynwb.NWBHDF5IO(path=str(finished.file), mode="r")
        with file:
            yield file.read()


def times_of(series: Any) -> np.ndarray:
    if series.rate is None:
        return series.timestamps[:]
    return series.starting_time + np.arange(len(series.data)) / series.rate


def test_the_nwb_file_has_streams_of_all_clocks_in_one_time_and_their_stamps_beside_them(session, nwb):
    eeg = nwb.acquisition[f"{session.name}-eeg"]
    np.testing.assert_allclose(times_of(eeg), true_s(session), rtol=0, atol=ARRIVED_S)
    assert "stamps of another clock, " in eeg.description
    assert "source_id 'e'" in eeg.description
    sent = nwb.acquisition[f"{session.name}-eeg stamps"]
    np.testing.assert_array_equal(sent.data[:], raw(session)[(f"{session.name}-eeg", "e")]["time_stamps"])
    np.testing.assert_array_equal(times_of(sent), times_of(eeg))
    keys = nwb.events[f"{session.name}-keys"].to_dataframe()
    np.testing.assert_allclose(keys["timestamp"], true_s(session), rtol=0, atol=ARRIVED_S)


def test_counts_of_other_programs_keep_their_stamps_and_origin_beside_the_binned_ones(session, nwb):
    source_id, other, _ = taken(session)
    assert nwb.processing["ecephys"]["binned_spikes"].data[:].tolist() == counts_of(source_id)
    assert f"source_id '{source_id}'" in nwb.experiment_description
    for name, sender in ((session.name, source_id), (f"{session.name} 2", other)):
        series = nwb.acquisition[name]
        assert series.data[:].tolist() == counts_of(sender)
        np.testing.assert_allclose(times_of(series), true_s(session), rtol=0, atol=ARRIVED_S)
        assert f"<source_id>{sender}<" in series.comments
        assert (f"{session.name} stamps" in series.description) == (sender == "first")


def test_what_was_chosen_what_gave_no_counts_and_what_was_left_out_is_said(session, finished, nwb):
    first, second = sorted(stream.number for stream in session.report.streams if stream.name == session.name)
    said = "\n".join(finished.notes)
    assert nwb.notes == said
    volts = next(stream.number for stream in session.report.streams if stream.name.endswith("-volts"))
    if volts < first:
        assert f"{session.name}-volts: its type is Spikes, but it gives no counts: no whole counts: values" in said
        assert "look like a voltage" in said
    assert f"the counts are those of {session.name}#{first}, the first that has some; " in said
    assert f"{session.name}#{second}" in said
    assert f"left out, as they sent nothing: {session.name}-empty (EEG, host " in said
    places = {stream.name: stream.place for stream in finished.streams}
    assert places[f"{session.name}-empty"] == "left out: no samples"
    assert places[f"{session.name}#{first}"] == f"processing/ecephys, units and acquisition/{session.name}"
    assert f"{session.name}-eeg" in str(finished)


def test_the_nwb_file_is_valid(finished):
    assert list(pynwb.validate(path=str(finished.file))) == []
    assert list(inspect_nwbfile(nwbfile_path=str(finished.file), importance_threshold=Importance.CRITICAL)) == []


def test_another_stream_of_counts_can_be_asked_for(session):
    numbers = {stream.source_id: stream.number for stream in session.report.streams}
    key = f"{session.name}#{numbers['second']}"
    out = finish_recording(session.xdf, session.folder / "second.zarr", key=key).file
    group: Any = zarr.open_group(str(out), "r")
    assert group["spikes"][:].reshape(-1, 2).tolist() == counts_of("second")
    with pytest.raises(BadInputError, match=f"--key: expected one stream of numbers .*, found '{session.name}'"):
        finish_recording(session.xdf, session.folder / "no.zarr", key=session.name)
    with pytest.raises(BadInputError, match="expected whole spike counts"):
        finish_recording(session.xdf, session.folder / "no.zarr", key=f"{session.name}-volts")


def test_the_zarr_folder_has_each_stream_as_sent_and_in_one_time(session):
    out = finish_recording(session.xdf, session.folder / "x.zarr").file
    group: Any = zarr.open_group(str(out), "r")
    streams = raw(session)
    for suffix, source_id in (("-eeg", "e"), ("-keys", "k"), ("-device", "d"), ("-true", "t")):
        written = group[f"streams/{session.name}{suffix}"]
        sent_s = streams[(f"{session.name}{suffix}", source_id)]["time_stamps"]
        np.testing.assert_array_equal(written["stamps_s"][:], sent_s)
        np.testing.assert_allclose(written["times_s"][:], true_s(session), rtol=0, atol=ARRIVED_S)
        assert written.attrs["source_id"] == source_id
        assert ("other_clock" in written.attrs) == (suffix != "-true")
    assert group[f"streams/{session.name}-empty/values"].shape == (0, 1)
    assert any("stamps of another clock" in note for note in group.attrs["notes"])


def test_only_streams_of_a_source_id_or_host_are_recorded(tmp_path):
    name = f"test-{uuid.uuid4().hex[:12]}"
    sender = subprocess.Popen(
        [sys.executable, SUPPORT / "foreign_lab.py", name, "1"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        sender.stdout.readline()
        report = record(name, tmp_path / "x.xdf", duration_s=0.2, source_id="second", wait_s=60.0)
        assert [stream.source_id for stream in report.streams] == ["second"]
        with pytest.raises(BadInputError, match=f"expected an LSL stream '{name}' \\(with host 'nowhere'\\) within"):
            record(name, tmp_path / "y.xdf", wait_s=0.5, host="nowhere")
    finally:
        sender.kill()
        sender.communicate()
