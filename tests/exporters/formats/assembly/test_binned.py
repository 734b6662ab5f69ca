"""Times of spikes beside the counts of a file, which are those of its counts or not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.recordings.recording import Recording, from_counts
from tests.support.generated import with_own_times, with_provenance

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyNWB about its own dependencies
LEFT_OUT = "left out the spikes' own times, as they are not those of its counts"
FORMATS = [".npz", ".mat", ".zarr", ".parquet", ".nwb", ".nix"]


@pytest.fixture
def generated(random) -> Recording:
    counts = random.poisson(0.5, (2, 40, 3))
    return with_provenance(with_own_times(from_counts(counts, 0.02), random))


@pytest.mark.parametrize("suffix", FORMATS)
def test_times_of_the_counted_spikes_are_read(suffix, tmp_path, generated):
    write_recording(generated, tmp_path / f"a{suffix}")
    found = read_recording(tmp_path / f"a{suffix}")
    assert not found.unfit_times
    assert found.spike_times is not None
    assert generated.spike_times is not None
    np.testing.assert_array_equal(found.spike_times.times_s, generated.spike_times.times_s)
    assert LEFT_OUT not in found.history


@pytest.mark.parametrize("suffix", FORMATS)
def test_times_of_other_spikes_are_left_out_and_said(suffix, tmp_path, generated):
    times = generated.spike_times
    assert times is not None
    units = times.units.copy()
    units[7] = (units[7] + 1) % 3
    write_recording(replace(generated, spike_times=replace(times, units=units)), tmp_path / f"a{suffix}")
    found = read_recording(tmp_path / f"a{suffix}")
    assert found.spike_times is None
    assert found.unfit_times
    assert LEFT_OUT in found.history
    np.testing.assert_array_equal(found.counts, generated.counts)
    write_recording(replace(generated, starts_s=None, spike_times=None), tmp_path / f"b{suffix}")
    assert not read_recording(tmp_path / f"b{suffix}").unfit_times


@pytest.mark.parametrize(
    "damaged",
    [
        lambda times, units: {"event_times_s": times[:-3], "event_units": units},
        lambda times, units: {"event_times_s": times[:-3], "event_units": units[:-3]},
        lambda times, units: {"event_times_s": times[:0], "event_units": units[:0]},
        lambda times, units: {
            "event_times_s": np.where(np.arange(len(times)) == 5, np.nan, times),
            "event_units": units,
        },
        lambda times, units: {"event_times_s": times, "event_units": units.astype(np.int64) + 2**32},
        lambda times, units: {"event_times_s": times, "event_units": units.astype(float)},
        lambda times, units: {"event_times_s": times},
        lambda times, units: {"event_units": units},
        lambda times, units: {"event_times_s": times, "event_units": units, "starts_s": [0.0]},
    ],
)
def test_damaged_times_are_left_out_and_said(damaged: Callable[..., dict], tmp_path, generated):
    write_recording(generated, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = {name: array for name, array in file.items() if not name.startswith("event_")}
        arrays |= damaged(file["event_times_s"], file["event_units"])
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_recording(tmp_path / "a.npz")
    assert (found.spike_times, found.unfit_times) == (None, True)
    assert LEFT_OUT in found.history


def test_arrays_of_such_names_in_a_file_of_another_program_say_nothing(tmp_path):
    np.savez(tmp_path / "a.npz", spikes=np.ones((4, 3), int), bin_size_s=0.02, event_times_s=[0.5, 1.5])
    found = read_recording(tmp_path / "a.npz")
    assert (found.spike_times, found.unfit_times, found.history) == (None, False, ())
