"""The times of the spikes that a recording counts."""

import numpy as np
import pandas as pd

import spikeloop
from spikeloop.exporters.formats.assembly.session_times import spikes_in_bins
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read import read_timed

SIZE = 0.02


def test_the_spikes_of_a_table_keep_their_times_whichever_units_and_times_are_chosen(tmp_path, random):
    times_s, units = np.sort(random.uniform(0, 3, 200)), random.integers(0, 4, 200)
    pd.DataFrame({"time": times_s, "unit": units}).to_csv(tmp_path / "spikes.csv", index=False)
    for choices in (
        Choices.checked(SIZE),
        Choices.checked(SIZE, units="1,3"),
        Choices.checked(SIZE, start_s=0.5, stop_s=2.0),
    ):
        recording, spikes = read_timed(tmp_path / "spikes.csv", choices)
        assert spikes is not None
        assert recording.starts_s is not None
        counted = np.zeros_like(recording.counts[0])
        np.add.at(counted, (spikes.bins, spikes.units), 1)
        np.testing.assert_array_equal(counted, recording.counts[0])
        known = recording.starts_s[0] + (spikes.bins + spikes.shares) * SIZE
        assert np.abs(known[:, None] - times_s).min(axis=1).max() < 1e-9
        assert (np.diff(known) >= 0).all()


def test_generated_spikes_keep_the_times_that_they_were_generated_with(bundle, tmp_path):
    generated = spikeloop.generate(bundle, duration_s=2.0)
    spikeloop.write_recording(generated, tmp_path / "x.npz")
    for recording, spikes in ((generated, spikes_in_bins(generated)), read_timed(tmp_path / "x.npz", Choices())):
        assert spikes is not None
        assert recording.spike_times is not None
        assert recording.starts_s is not None
        known_s = recording.starts_s[0] + (spikes.bins + spikes.shares) * recording.bin_size_s
        np.testing.assert_allclose(known_s, recording.spike_times.times_s, rtol=0, atol=1e-9)
        counted = np.zeros_like(recording.counts[0])
        np.add.at(counted, (spikes.bins, spikes.units), 1)
        np.testing.assert_array_equal(counted, recording.counts[0])


def test_counts_and_named_recordings_have_no_times(tmp_path):
    np.savez(tmp_path / "counts.npz", spikes=np.ones((10, 2), np.uint8), bin_size_s=SIZE)
    assert read_timed(tmp_path / "counts.npz", Choices())[1] is None
    assert read_timed("m1-sim:5", Choices())[1] is None


def test_trials_of_a_named_recording_can_be_chosen(data_folder, monkeypatch):
    monkeypatch.setenv("SPIKELOOP_DATA", str(data_folder))
    whole = spikeloop.read_recording("retina")
    part, _ = read_timed("retina", Choices.checked(trials="3-4"))
    np.testing.assert_array_equal(part.counts, whole.counts[3:5])
