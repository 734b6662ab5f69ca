"""Recordings to NWB and back, and what the standard's own validators say of the files."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pynwb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from nwbinspector import Importance, inspect_nwbfile

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.rebinning import rebinned
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from tests.support.any_recording import any_recordings, assert_same_recording
from tests.support.nwb_sessions import read_by_pynwb

pytestmark = [
    pytest.mark.realtime,  # a program looks through each file first
    pytest.mark.filterwarnings("ignore"),  # PyNWB and HDMF warn about each other
]

FEW = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FEW
@given(recording=any_recordings())
def test_a_recording_comes_back_as_it_was(tmp_path, recording):
    write_recording(recording, tmp_path / "there.nwb")
    assert_same_recording(read_recording(tmp_path / "there.nwb"), recording)


@FEW
@given(recording=any_recordings(signals=("spikes",)))
def test_spike_times_binned_again_give_the_same_counts_in_the_order_of_time(tmp_path, recording):
    write_recording(recording, tmp_path / "there.nwb")
    trials = recording.repeats > 1 or recording.starts_s is not None
    whole = {} if trials else {"start_s": 0.0, "stop_s": recording.duration_s}
    again = read_recording(
        tmp_path / "there.nwb", recording.bin_size_s, key="units", trials="all" if trials else None, **whole
    )
    begins = np.array(again.starts_s)
    known = recording.starts_s is not None and np.allclose(begins, np.sort(recording.starts_s or []))
    order = np.argsort(recording.starts_s or [], kind="stable") if known else np.arange(recording.repeats)
    np.testing.assert_array_equal(again.bins_of_repeats, recording.bins_of_repeats[order])
    np.testing.assert_array_equal(again.counts, recording.counts[order])


@pytest.mark.parametrize("kind", ["continuous", "trials", "fluorescence"])
def test_validators_find_nothing_critical(tmp_path, kind):
    path = tmp_path / "valid.nwb"
    write_recording(recordings()[kind], path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not pynwb.validate(path=str(path))
        found = [message for message in inspect_nwbfile(nwbfile_path=str(path)) if message is not None]
    serious = (Importance.CRITICAL, Importance.ERROR, Importance.PYNWB_VALIDATION)
    assert not [message.message for message in found if message.importance in serious]


def recordings() -> dict[str, Recording]:
    random = np.random.Generator(np.random.Philox(1))
    counts = random.poisson(0.5, (3, 40, 5)).astype(np.uint8)
    counts[1, 30:] = 0
    trials = replace(from_counts(counts, 0.02), lengths=(40, 30, 40), starts_s=(5.0, 1.0, 9.0), history=("cut",))
    return {
        "continuous": from_counts(counts[0], 0.02, name="session", origin="a lab"),
        "trials": trials,
        "fluorescence": from_fluorescence(random.random((50, 4)), 0.25),
    }


def test_pynwb_reads_units_trials_and_counts(tmp_path):
    recording = recordings()["trials"]
    write_recording(recording, tmp_path / "read.nwb")
    with read_by_pynwb(tmp_path / "read.nwb") as session:
        assert session.units["unit_name"][:].tolist() == list(recording.unit_names)
        assert session.trials["start_time"][:].tolist() == [1.0, 5.0, 9.0]
        np.testing.assert_allclose(session.trials["stop_time"][:], [1.6, 5.8, 9.8])
        assert [len(times) for times in session.units["spike_times"][:]] == recording.counts.sum(axis=(0, 1)).tolist()
        series = session.processing["ecephys"]["binned_spikes"]
        np.testing.assert_array_equal(series.data[30:70], recording.counts[0])
        np.testing.assert_allclose(series.timestamps[30:33], [5.0, 5.02, 5.04])


def test_trials_whose_beginnings_are_unknown_follow_one_another_and_the_file_says_so(tmp_path):
    recording = replace(recordings()["trials"], starts_s=None)
    write_recording(recording, tmp_path / "read.nwb")
    with read_by_pynwb(tmp_path / "read.nwb") as session:
        np.testing.assert_allclose(session.trials["start_time"][:], [0, 0.8, 1.4])
        assert "follow one another" in session.session_description


@FEW
@given(recording=any_recordings())
def test_larger_bins_keep_trials_names_and_conditions(tmp_path, recording):
    assume(recording.bin_size_s < 5 and recording.bins >= 2 and not any(c.cyclic for c in recording.channels))
    assume(recording.signal == "fluorescence" or recording.counts.max() < 128)
    write_recording(recording, tmp_path / "read.nwb")
    assert_same_recording(read_recording(tmp_path / "read.nwb", 2 * recording.bin_size_s), rebinned(recording, 2))


@pytest.mark.parametrize("kind", ["trials", "fluorescence"])
def test_bins_that_are_no_multiple_of_those_in_the_file_are_refused(tmp_path, kind):
    write_recording(recordings()[kind], tmp_path / "read.nwb")
    with pytest.raises(BadInputError, match="multiple"):
        read_recording(tmp_path / "read.nwb", 0.03)


@pytest.mark.parametrize("starts_s", [(5.0, 1.0, 9.0), None])
def test_conditions_that_are_chosen_keep_the_trials(tmp_path, starts_s):
    recording = replace(recordings()["trials"], starts_s=starts_s)
    inside = recording.recorded[..., np.newaxis]
    values = np.where(inside, np.arange(120).reshape(3, 40, 1), 0)
    recording = with_conditions(recording, values, ("vx",), ("cm/s",))
    write_recording(recording, tmp_path / "read.nwb")
    again = read_recording(tmp_path / "read.nwb", conditions={"speed": "processing/behavior/vx"})
    assert again.lengths == recording.lengths
    np.testing.assert_array_equal(again.counts, recording.counts)
    np.testing.assert_allclose(again.conditions[inside[..., 0]], values[inside[..., 0]])


def test_a_disk_that_refuses_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FailureError, match="could not write"):
        write_recording(recordings()["continuous"], Path(tmp_path / "file" / "x.nwb"))


def test_what_was_written_wrongly_afterwards_is_refused(tmp_path):
    import h5py

    write_recording(recordings()["continuous"], tmp_path / "odd.nwb")
    with h5py.File(tmp_path / "odd.nwb", "a") as file:
        del file["scratch/spikeloop_recording"]
        file["scratch/spikeloop_recording"] = '{"name": 3}'
    with pytest.raises(BadInputError, match="expected a description"):
        read_recording(tmp_path / "odd.nwb")
