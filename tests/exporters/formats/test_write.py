from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.registry import FORMATS, format_of
from spikeloop.exporters.formats.write import write_recording, writing_format
from spikeloop.models import packages
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.cutting import part_of, split_where
from spikeloop.models.recordings.recording import Recording, from_counts
from tests.support.bad_values import NO_TEXT
from tests.support.generated import with_own_times, with_provenance
from tests.support.stamped import stamped, stamped_counts


@pytest.mark.parametrize("path", [*NO_TEXT, None, "", "a\0.npz"])
def test_a_path_that_is_none_is_refused_by_save_and_read(path):
    with pytest.raises(BadInputError, match="path"):
        write_recording(from_counts(np.zeros((2, 2)), 0.02), path)
    with pytest.raises(BadInputError, match="path"):
        read_recording(path)


RECORDINGS = {
    "continuous": lambda: replace(part_of(stamped(1, 12), bins=slice(2, 9)), name="reaches", origin="made up"),
    "in repeats": lambda: replace(part_of(stamped(3, 12), bins=slice(2, 9)), name="réaches", origin=""),
    "phases": lambda: with_phase(stamped_counts(3, 7)),
    "fluorescence": lambda: Recording.from_fluorescence(np.linspace(0, 1, 12).reshape(6, 2), 0.25, ["a", "b"]),
    "no conditions": lambda: stamped_counts(2, 5),
    "one unit": lambda: from_counts(np.arange(6)[:, np.newaxis], 0.001, ["µ 1"]),
    "one bin": lambda: from_counts(np.arange(6).reshape(6, 1, 1), 0.001, ["the same"]),
    "of unequal lengths": lambda: split_where(stamped(2, 12), np.arange(12) != np.array([[4], [7]])),
    "with starts": lambda: replace(stamped(2, 4), starts_s=(1.5, 2282.6), history=("counted", "cut, at 3 s")),
    "with a name twice": lambda: from_counts(np.ones((5, 3)), 0.02, ["ch", "ch", "repeat"]),
}


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".parquet", ".nwb", ".zarr", ".nix", ".xdf"])
def test_a_file_of_ours_keeps_trials_and_conditions_in_larger_bins(suffix, tmp_path, random):
    counts, starts = random.integers(0, 4, (4, 100, 3)), (0.0, 10.0, 20.0, 30.0)
    saved = with_conditions(
        replace(from_counts(counts, 0.02), starts_s=starts), counts[..., :1] * 2.0, ["vx"], ["cm/s"]
    )
    write_recording(saved, tmp_path / f"recording{suffix}")
    read = read_recording(tmp_path / f"recording{suffix}", bin_size_s=0.04)
    np.testing.assert_array_equal(read.counts, counts.reshape(4, 50, 2, 3).sum(axis=2))
    np.testing.assert_allclose(read.conditions[..., 0], counts[..., 0].reshape(4, 50, 2).mean(axis=2) * 2, rtol=1e-6)
    assert ([(channel.name, channel.unit) for channel in read.channels], read.starts_s) == ([("vx", "cm/s")], starts)


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".MAT", ".parquet"])
@pytest.mark.parametrize("kind", RECORDINGS)
def test_what_is_saved_is_read_back_the_same(kind, suffix, tmp_path):
    saved = RECORDINGS[kind]()
    write_recording(saved, tmp_path / f"recording{suffix}")
    read = read_recording(tmp_path / f"recording{suffix}")
    np.testing.assert_array_equal(read.counts, saved.counts)
    np.testing.assert_array_equal(read.conditions, saved.conditions)
    assert read.counts.dtype == saved.counts.dtype
    assert read.to_dict() == saved.to_dict()


@settings(max_examples=25)
@given(
    counts=hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4))),
    letters=st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8),
    size=st.floats(1e-5, 10),
    suffix=st.sampled_from([".npz", ".mat", ".parquet"]),
)
def test_counts_names_and_bin_sizes_survive_a_file(counts, letters, size, suffix, tmp_path_factory):
    saved = from_counts(counts, size, [f"{letters}{i}" for i in range(counts.shape[2])], letters, letters)
    path = tmp_path_factory.mktemp("written") / f"any{suffix}"
    write_recording(saved, path)
    read = read_recording(path)
    np.testing.assert_array_equal(read.counts, saved.counts)
    assert read.to_dict() == saved.to_dict()


def test_a_recording_is_saved_to_no_other_kind_of_file(tmp_path):
    with pytest.raises(BadInputError, match=r"expected a file ending in .npz, .*found .*recording.docx"):
        write_recording(stamped_counts(1, 7), tmp_path / "recording.docx")
    assert not list(tmp_path.iterdir())


WRITABLE = [suffix for found in FORMATS if found.writes for suffix in found.suffixes]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_a_package_that_only_writing_needs_is_missed_before_anything_is_read(suffix, monkeypatch):
    found = next(found for found in FORMATS if found.writes and suffix in found.suffixes)
    writing_format(Path(f"there{suffix}"))
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    needed = (*found.packages, *found.packages_to_write)
    if not needed:
        return
    with pytest.raises(FailureError, match=rf"{needed[-1]} not installed.*pip install"):
        writing_format(Path(f"there{suffix}"))


def test_writing_nwb_needs_pynwb_and_reading_does_not(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "pynwb" else find_spec(name))
    with pytest.raises(FailureError, match="pynwb not installed"):
        writing_format(Path("there.nwb"))
    found = format_of(Path("there.nwb"))
    assert found is not None
    found.reader()


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="recording: expected a Recording"):
        write_recording(np.zeros((3, 2)), tmp_path / "a.npz")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_counts_names_and_trials_come_back_from_every_format_that_is_written(tmp_path, random, suffix):
    times, units = random.uniform(0, 10, 2000), random.choice(["a", "béta", "unit 3"], 2000)
    recording = Recording.from_spike_times(times, units, 0.02, trials=[[0.5, 2.5], [3.0, 4.0], [5.0, 9.5]])
    write_recording(recording, tmp_path / f"session{suffix.upper()}")
    read = read_recording(tmp_path / f"session{suffix.upper()}", trials="all")
    np.testing.assert_array_equal(read.counts, recording.counts)
    assert (read.lengths, read.unit_names, read.bin_size_s) == ((100, 50, 225), ("a", "béta", "unit 3"), 0.02)
    assert read.starts_s == pytest.approx((0.5, 3.0, 5.0))


@settings(max_examples=60, deadline=None)
@given(
    counts=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4)), elements=st.integers(0, 5)
    ),
    gap_s=st.floats(0, 100),
    start_s=st.floats(-1e4, 1e6),
    size=st.floats(1e-3, 1),
    seed=st.integers(0, 2**63 - 1),
    condition=st.text(st.characters(categories=("L", "N", "P", "S")), max_size=20),
    suffix=st.sampled_from(WRITABLE),
)
def test_every_format_keeps_when_each_spike_came_and_what_made_it(
    counts, gap_s, start_s, size, seed, condition, suffix, tmp_path_factory
):
    random = np.random.default_rng(0)
    starts = tuple(start_s + repeat * (counts.shape[1] * size + gap_s) for repeat in range(len(counts)))
    saved = with_own_times(replace(from_counts(counts, size), starts_s=starts), random)
    saved = with_provenance(saved, seed, condition)
    path = tmp_path_factory.mktemp("written") / f"any{suffix}"
    write_recording(saved, path)
    read = read_recording(path)
    assert (read.provenance, read.starts_s) == (saved.provenance, saved.starts_s)
    np.testing.assert_array_equal(read.counts, saved.counts)
    assert saved.spike_times is not None
    assert read.spike_times is not None
    np.testing.assert_array_equal(read.spike_times.times_s, saved.spike_times.times_s)
    np.testing.assert_array_equal(read.spike_times.units, saved.spike_times.units)


@pytest.mark.parametrize("suffix", WRITABLE)
def test_of_trials_in_any_order_the_own_times_stay_with_their_trial(suffix, tmp_path, random):
    counts = random.integers(0, 3, (3, 5, 2))
    saved = with_own_times(replace(from_counts(counts, 0.02), starts_s=(4.0, 0.5, 2.0)), random)
    write_recording(saved, tmp_path / f"trials{suffix}")
    read = read_recording(tmp_path / f"trials{suffix}")
    np.testing.assert_array_equal(read.counts, saved.counts)
    if suffix in (".nix", ".nio"):  # which keeps trials of such order one after another, on another clock
        assert read.spike_times is None
        return
    assert saved.spike_times is not None
    assert read.spike_times is not None
    np.testing.assert_array_equal(read.spike_times.times_s, saved.spike_times.times_s)


@pytest.mark.parametrize("suffix", WRITABLE)
def test_chosen_units_keep_their_own_times_in_larger_bins(suffix, tmp_path, random):
    saved = with_own_times(from_counts(random.integers(0, 3, (1, 8, 3)), 0.02, ["a", "b", "c"]), random)
    write_recording(saved, tmp_path / f"some{suffix}")
    read = read_recording(tmp_path / f"some{suffix}", units="c,a", bin_size_s=0.04)
    assert saved.spike_times is not None
    assert read.spike_times is not None
    for place, unit in enumerate((2, 0)):
        expected = saved.spike_times.times_s[saved.spike_times.units == unit]
        np.testing.assert_array_equal(read.spike_times.times_s[read.spike_times.units == place], expected)
    assert len(read.spike_times.units) == read.counts.sum()
