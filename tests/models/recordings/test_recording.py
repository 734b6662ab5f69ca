from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import conditions_from
from spikeloop.models.recordings.files import load_recording
from spikeloop.models.recordings.recording import (
    from_counts,
    part_of,
    require_binary,
    require_spikes,
    with_conditions,
    with_lead,
    with_phase,
    without_conditions,
)
from spikeloop.models.recordings.windows import BLOCKS, cut_windows, hold_out, random_windows


@given(repeats=st.integers(1, 5), bins=st.integers(1, 40), window=st.integers(1, 12))
def test_windows_are_adjacent_and_never_cross_a_repeats_seam(repeats, bins, window):
    stamp = (np.arange(repeats)[:, None] * 50 + np.arange(bins)).astype(np.uint8)  # tells repeat and bin
    recording = from_counts(stamp[:, :, None], 0.02)
    if window > bins:
        with pytest.raises(BadInputError, match="expected repeats of at least"):
            cut_windows(recording, window)
        return
    windows = cut_windows(recording, window)[:, :, 0].astype(int)
    assert windows.shape == (repeats * (bins // window), window)
    assert np.all(windows[:, 0] % 50 % window == 0)
    assert np.all(np.diff(windows, axis=1) == 1)
    assert np.all(windows // 50 == windows[:, :1] // 50)


def test_a_continuous_array_is_one_repeat():
    recording = from_counts(np.zeros((7, 3)), 0.001)
    assert (recording.repeats, recording.bins, recording.units) == (1, 7, 3)
    assert recording.counts.dtype == np.uint8
    assert recording.unit_names == ("unit 0", "unit 1", "unit 2")


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (np.zeros(4), {}, "expected counts of shape"),
        (np.zeros((0, 4)), {}, "expected counts of shape"),
        (np.full((2, 2), 0.5), {}, "whole spike counts"),
        (np.full((2, 2), -1), {}, "from 0 to 255"),
        (np.full((2, 2), 256), {}, "from 0 to 255"),
        (np.full((2, 2), np.nan), {}, "NaN or infinity"),
        (np.array([["a", "b"]]), {}, "values of type"),
        (np.zeros((2, 2)), {"bin_size_s": 0.0}, "bin size from 1e-05 to 10 s"),
        (np.zeros((2, 2)), {"bin_size_s": float("nan")}, "bin size from 1e-05 to 10 s"),
        (np.zeros((2, 2)), {"bin_size_s": 1e300}, "bin size from 1e-05 to 10 s"),
        (np.zeros((2, 2)), {"unit_names": ["a", "\x1b[2J"]}, "unit names of 1 to 200 printable"),
        (np.zeros((2, 2)), {"unit_names": ["a", ""]}, "unit names of 1 to 200 printable"),
        (np.zeros((2, 2)), {"unit_names": ["one"]}, "expected 2 unit names, found 1"),
    ],
)
def test_what_is_no_recording_is_refused(counts, options, message):
    with pytest.raises(BadInputError, match=message):
        from_counts(counts, **({"bin_size_s": 0.02} | options))


def test_npz_round_trips_with_names_and_bin_size(tmp_path, random):
    counts = random.integers(0, 3, (4, 30, 5)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", spikes=counts, bin_size_s=0.01, unit_names=np.array(list("abcde")))
    recording = load_recording(tmp_path / "a.npz")
    np.testing.assert_array_equal(recording.counts, counts)
    assert (recording.bin_size_s, recording.unit_names) == (0.01, tuple("abcde"))


def test_mat_as_published_is_cut_into_repeats(tmp_path, random):
    data = random.integers(0, 2, (6 * 11, 5)).astype(float)
    scipy.io.savemat(tmp_path / "a.mat", {"data": data})
    recording = load_recording(tmp_path / "a.mat", bin_size_s=0.02, repeat_bins=11)
    np.testing.assert_array_equal(recording.counts, data.reshape(6, 11, 5))
    with pytest.raises(BadInputError, match="can't be cut into repeats of 13"):
        load_recording(tmp_path / "a.mat", bin_size_s=0.02, repeat_bins=13)


def test_files_that_hold_no_recording_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        load_recording(tmp_path / "a.npz")
    with pytest.raises(BadInputError, match=r"expected a \.npz or \.mat"):
        load_recording(tmp_path / "a.csv")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadInputError, match="is it complete"):
        load_recording(tmp_path / "cut.npz")
    (tmp_path / "cut.mat").write_bytes(b"\0" * 40)
    with pytest.raises(BadInputError, match="is it complete"):
        load_recording(tmp_path / "cut.mat")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(BadInputError, match="found a folder"):
        load_recording(tmp_path / "folder.npz")
    np.savez(tmp_path / "named.npz", spikes=np.zeros((4, 2)), bin_size_s=0.1, unit_names=np.array("ab"))
    with pytest.raises(BadInputError, match="expected 2 unit names, found 1"):
        load_recording(tmp_path / "named.npz")
    np.savez(tmp_path / "other.npz", voltage=np.zeros(3))
    with pytest.raises(BadInputError, match=r"expected an array named spikes.*found voltage"):
        load_recording(tmp_path / "other.npz")
    np.savez(tmp_path / "sizeless.npz", spikes=np.zeros((4, 2)))
    with pytest.raises(BadInputError, match="--bin-size-ms"):
        load_recording(tmp_path / "sizeless.npz")
    for odd in ("twenty", [], [0.1, 0.2]):
        np.savez(tmp_path / "odd.npz", spikes=np.zeros((4, 2)), bin_size_s=odd)
        with pytest.raises(BadInputError, match="bin_size_s to be one number"):
            load_recording(tmp_path / "odd.npz")


def test_a_pickled_array_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "pickled.npz", spikes=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInputError, match="not a readable"):
        load_recording(tmp_path / "pickled.npz")


def test_every_fifth_repeat_is_held_out():
    recording = from_counts(np.arange(12)[:, None, None] * np.ones((1, 4, 2), int), 0.02)
    training, held = hold_out(recording, 5)
    assert held.counts[:, 0, 0].tolist() == [4, 9]
    assert training.counts[:, 0, 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]


def test_of_a_continuous_recording_the_end_is_held_out():
    training, held = hold_out(from_counts(np.arange(10)[:, None] * np.ones((1, 2), int), 0.02), 5)
    assert training.counts[0, :, 0].tolist() == list(range(8))
    assert held.counts[0, :, 0].tolist() == [8, 9]
    with pytest.raises(BadInputError, match="hold out"):
        hold_out(training, 1)


def test_the_retina_is_what_was_published(retina):
    assert retina.counts.shape == (238, 953, 50)
    assert retina.bin_size_s == 0.02
    assert retina.counts.max() == 1


def stamped(repeats: int, bins: int):
    """A recording whose two units tell repeat and bin."""
    stamp = np.stack(np.broadcast_arrays(np.arange(repeats)[:, None], np.arange(bins)), axis=2)
    return from_counts(stamp, 0.02)


@given(repeats=st.integers(1, 25), bins=st.integers(1, 120), window=st.integers(1, 12), seed=st.integers(0, 99))
def test_random_windows_lie_inside_their_block(repeats, bins, window, seed):
    random = np.random.Generator(np.random.Philox(seed))
    recording = stamped(repeats, bins)
    if window > bins:
        with pytest.raises(BadInputError, match="expected repeats of at least"):
            random_windows(recording, window, random)
        return
    windows = random_windows(recording, window, random).astype(int)
    pieces = max(1, min(-(-BLOCKS // repeats), bins // (2 * window)))
    stretch = bins // pieces  # that a block is long
    assert windows.shape == (repeats * pieces, stretch // window, window, 2)
    repeat, place = windows[..., 0], windows[..., 1]
    block = np.arange(repeats * pieces)[:, None, None]
    assert np.all(repeat == block // pieces)
    assert np.all(np.diff(place, axis=2) == 1)
    assert np.all(place // stretch == block % pieces)


def test_random_windows_lie_at_every_place_alike(random):
    windows = random_windows(stamped(200, 10), 4, random)
    first = np.concatenate([random_windows(stamped(200, 10), 4, random)[:, :, 0, 1].ravel() for _ in range(20)])
    assert windows.shape == (200, 2, 4, 2)
    np.testing.assert_allclose(np.bincount(first, minlength=7) / len(first), 1 / 7, atol=0.02)


def test_random_windows_are_those_of_the_random_numbers():
    one, same, other = (
        random_windows(stamped(30, 50), 4, np.random.Generator(np.random.Philox(seed))) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_more_than_one_spike_in_a_bin_is_refused_where_a_model_knows_none():
    require_binary(from_counts(np.eye(3), 0.02), "Some-GAN")
    require_binary(from_counts(np.zeros((3, 3)), 0.02), "Some-GAN")
    with pytest.raises(
        BadInputError, match="busy: Some-GAN needs at most one spike in a bin, found 2; bin finer than 20 ms"
    ):
        require_binary(from_counts(2 * np.eye(3), 0.02, name="busy"), "Some-GAN")


def driven(repeats: int, bins: int):
    """A recording whose conditions tell repeat and bin, as its units do."""
    recording = stamped(repeats, bins)
    return with_conditions(recording, recording.counts, ("repeat", "bin"), ("", "bin"))


def test_conditions_belong_to_a_recording_and_can_be_left_out():
    recording = driven(3, 7)
    assert recording.conditions.dtype == np.float32
    np.testing.assert_array_equal(recording.conditions, recording.counts)
    assert [(each.name, each.unit, each.low, each.high) for each in recording.channels] == [
        ("repeat", "", 0, 2),
        ("bin", "bin", 0, 6),
    ]
    bare = without_conditions(recording)
    assert (bare.channels, bare.driven_by, bare.conditions.shape) == ((), None, (3, 7, 0))
    one = with_conditions(stamped(1, 7), np.zeros((7, 1)), ("a",))
    assert (one.conditions.shape, one.channels[0].unit) == ((1, 7, 1), "")


@pytest.mark.parametrize(
    ("values", "names", "units", "message"),
    [
        (np.zeros((3, 7, 2)), ["a"], None, r"expected conditions of shape \(3, 7, 1\)"),
        (np.zeros((3, 6, 1)), ["a"], None, r"found \(3, 6, 1\)"),
        (np.zeros((7, 1)), ["a"], None, r"found \(1, 7, 1\)"),
        (np.zeros((3, 7, 0)), [], None, "expected conditions"),
        (np.full((3, 7, 1), np.nan), ["a"], None, "expected conditions that are finite as float32, found NaN"),
        (np.full((3, 7, 1), 1e39), ["a"], None, "or numbers beyond 3e38"),
        (np.full((3, 7, 1), "b"), ["a"], None, r"found \(3, 7, 1\) of <U1"),
        (np.zeros((3, 7, 1)), ["a"], ["cm", "s"], r"expected a name and a unit .* found \['a'\] in \['cm', 's'\]"),
        (np.zeros((3, 7, 1)), ["\x1b"], None, "expected a name and a unit for every condition, printable"),
        (np.zeros((3, 7, 1)), ["a" * 65], None, "of up to 64 letters"),
        (np.zeros((3, 7, 1)), [""], None, "expected a name and a unit"),
        (np.zeros((3, 7, 1)), ["a"], ["\n"], r"found \['a'\] in \['\\n'\]"),
        (np.zeros((3, 7, 1)), ["a"], ["s" * 65], "of up to 64 letters"),
    ],
)
def test_what_drives_no_such_recording_is_refused(values, names, units, message):
    with pytest.raises(BadInputError, match=message):
        with_conditions(stamped(3, 7), values, names, units)


def test_the_phase_of_repeats_is_their_bin():
    recording = with_phase(stamped(3, 7))
    np.testing.assert_array_equal(recording.conditions[..., 0], recording.counts[..., 1])
    assert (recording.channels[0].cyclic, recording.channels[0].period) == (True, 7)
    with pytest.raises(BadInputError, match="expected repeats of a stimulus, found one; give --repeat-bins"):
        with_phase(stamped(1, 7))


def test_with_a_lead_every_bin_has_the_conditions_of_later():
    recording = with_lead(driven(3, 7), 2)
    assert recording.counts.shape == (3, 5, 2)
    np.testing.assert_array_equal(recording.conditions[..., 0], recording.counts[..., 0])
    np.testing.assert_array_equal(recording.conditions[..., 1], recording.counts[..., 1] + 2.0)
    for lead in (-1, 7):
        with pytest.raises(BadInputError, match="expected a lead of 0 to 6 bins"):
            with_lead(driven(3, 7), lead)
    assert with_lead(stamped(3, 7), 2).bins == 7  # nothing drives it, so nothing is late


@pytest.mark.parametrize("repeats", [1, 10])
def test_parts_keep_their_conditions(repeats):
    """Conditions equal counts, so they must in every part."""
    recording = driven(repeats, 20)
    for part in (*hold_out(recording, 5), part_of(recording, bins=slice(3, 9)), part_of(recording, slice(0, 1))):
        np.testing.assert_array_equal(part.conditions, part.counts)
        assert part.channels == recording.channels
    bare = part_of(without_conditions(recording), bins=slice(3, 9))
    assert (bare.driven_by, bare.bins) == (None, 6)


def test_files_hold_conditions_too(tmp_path):
    recording = driven(1, 12)
    arrays = {"spikes": recording.counts[0], "conditions": recording.conditions[0], "bin_size_s": 0.02}
    np.savez(tmp_path / "a.npz", **arrays, condition_names=["repeat", "bin"], condition_units=["", "bin"])
    read = load_recording(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.conditions, recording.conditions)
    assert read.channels == recording.channels
    cut = load_recording(tmp_path / "a.npz", repeat_bins=4)
    assert cut.repeats == 3
    np.testing.assert_array_equal(cut.conditions, cut.counts)
    np.savez(tmp_path / "nameless.npz", **arrays)
    assert [each.name for each in load_recording(tmp_path / "nameless.npz").channels] == ["condition 0", "condition 1"]
    np.savez(tmp_path / "short.npz", spikes=recording.counts[0], conditions=np.zeros((11, 2)), bin_size_s=0.02)
    with pytest.raises(BadInputError, match=r"expected conditions of shape \(1, 12, 2\)"):
        load_recording(tmp_path / "short.npz")
    for flat, shape in ((np.zeros(12), r"\(12,\)"), (np.array(3.0), r"\(\)")):
        np.savez(tmp_path / "flat.npz", spikes=recording.counts[0], conditions=flat, bin_size_s=0.02)
        with pytest.raises(BadInputError, match=rf"flat.npz: expected conditions of shape \(bins, .*, found {shape}"):
            load_recording(tmp_path / "flat.npz")


def test_what_a_recording_takes_as_conditions_a_card_takes_too():
    largest = float(np.finfo(np.float32).max)
    values = np.linspace(-largest, largest, 12)[:, np.newaxis]
    channels = with_conditions(stamped(1, 12), values, ["a" * 64], ["s" * 64]).channels
    assert conditions_from([asdict(each) for each in channels], "there") == channels


def test_fluorescence_is_refused_where_spikes_are_wanted():
    imaged = replace(stamped(2, 3), counts=np.ones((2, 3, 2), np.float32), signal="fluorescence", name="imaged")
    for refuse in (require_spikes, require_binary):
        with pytest.raises(BadInputError, match="imaged: Some-GAN needs spike counts, found fluorescence"):
            refuse(imaged, "Some-GAN")
