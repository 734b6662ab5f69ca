import sys
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording
from tests.support.unequal import unequal, with_garbage


@pytest.fixture
def recording(random):
    counts = random.integers(0, 4, (3, 20, 2))
    recording = Recording.from_counts(counts, 0.05, ["left", "right"], name="reaches", origin="made up")
    return with_conditions(recording, random.standard_normal((3, 20, 1)), ["velocity x"], ["cm/s"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_neo_has_a_segment_a_repeat_and_a_train_a_unit(recording):
    block = recording.to_neo()
    assert (block.name, len(block.segments)) == ("reaches", 3)
    for counts, conditions, segment in zip(recording.counts, recording.conditions, block.segments, strict=True):
        assert [train.name for train in segment.spiketrains] == ["left", "right"]
        for unit, train in enumerate(segment.spiketrains):
            times = train.rescale("s").magnitude
            np.testing.assert_array_equal(np.histogram(times, 0.05 * np.arange(21))[0], counts[:, unit])
            assert float(train.t_stop) == pytest.approx(1.0)
        (signal,) = segment.analogsignals
        np.testing.assert_array_equal(signal.magnitude, conditions)
        assert signal.array_annotations["labels"].tolist() == ["velocity x (cm/s)"]
        assert float(signal.sampling_rate.rescale("Hz")) == pytest.approx(20)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fluorescence_becomes_a_signal_in_neo(random):
    traces = random.random((1, 20, 2)).astype(np.float32)
    (segment,) = Recording.from_fluorescence(traces, 0.25).to_neo().segments
    np.testing.assert_array_equal(segment.analogsignals[0].magnitude, traces[0])
    assert not segment.spiketrains


def test_pandas_has_a_row_a_bin(recording):
    table = recording.to_pandas()
    assert list(table.columns) == ["left", "right", "velocity x"]
    np.testing.assert_array_equal(table.loc[1, ["left", "right"]], recording.counts[1])
    np.testing.assert_array_equal(table["velocity x"], recording.conditions.ravel())
    assert table.index.names == ["repeat", "time_s"]
    np.testing.assert_allclose(table.loc[2].index, 0.05 * np.arange(20))


def test_pynapple_has_a_frame_of_counts(recording):
    pytest.importorskip("pynapple")
    frames = recording.to_pynapple()
    assert set(frames) == {"spikes", "conditions", "repeats"}
    np.testing.assert_array_equal(frames["spikes"].values, recording.counts.reshape(60, 2))
    np.testing.assert_allclose(frames["spikes"].times(), 0.05 * (np.arange(60) + 0.5))
    np.testing.assert_array_equal(frames["conditions"].values, recording.conditions.reshape(60, 1))
    np.testing.assert_allclose(frames["repeats"].times(), [0, 1, 2])


@pytest.mark.parametrize("package", ["neo", "pynapple", "pandas"])
def test_a_package_that_is_not_installed_is_named(recording, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FailureError, match=f"{package} is not installed.*pip install {package}"):
        getattr(recording, f"to_{package}")()


@pytest.fixture
def trials():
    """Trials of unequal length that began at these times."""
    return replace(unequal([20, 35, 8]), starts_s=(1.0, 2.5, 7.25))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_neo_segments_last_as_long_as_trials_at_their_own_times(trials):
    segments = with_garbage(trials).to_neo().segments
    for segment, counts, bins, start_s in zip(segments, trials.counts, trials.lengths, trials.starts_s, strict=True):
        edges = start_s + 0.02 * np.arange(bins + 1)
        for unit, train in enumerate(segment.spiketrains):
            assert float(train.t_start) == start_s
            assert float(train.t_stop) == pytest.approx(edges[-1])
            np.testing.assert_array_equal(np.histogram(train.magnitude, edges)[0], counts[:bins, unit])
        (signal,) = segment.analogsignals
        assert (signal.shape, float(signal.t_start)) == ((bins, 2), start_s)


def test_pandas_has_a_row_for_recorded_bins_alone(trials):
    table = with_garbage(trials).to_pandas()
    assert len(table) == trials.recorded_bins
    np.testing.assert_array_equal(table.loc[2].iloc[:, :4], trials.counts[2, :8])
    np.testing.assert_allclose(table.loc[2].index, 7.25 + 0.02 * np.arange(8))
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize("known", [True, False])
def test_pynapple_has_the_times_of_trials_where_they_are_known(trials, known):
    pytest.importorskip("pynapple")
    frames = with_garbage(trials if known else replace(trials, starts_s=None)).to_pynapple()
    begins = trials.starts_s if known else (0.0, 0.4, 1.1)
    times = np.concatenate([s + 0.02 * (np.arange(n) + 0.5) for s, n in zip(begins, trials.lengths, strict=True)])
    np.testing.assert_allclose(frames["spikes"].times(), times)
    np.testing.assert_allclose(frames["repeats"].times(), begins)
    assert np.isfinite(frames["conditions"].values).all()
