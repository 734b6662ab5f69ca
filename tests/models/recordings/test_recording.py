import itertools
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import conditions_from
from spikeloop.models.recordings.conditioning import with_conditions, with_lead, with_phase, without_conditions
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from spikeloop.models.recordings.requirements import require_binary, require_spikes
from spikeloop.models.recordings.windows import (
    BLOCKS,
    cut_windows,
    hold_out,
    random_places,
    random_window_count,
    random_windows,
)
from tests.support.bad_values import HUGE, NO_NUMBER, NO_TEXT, Opaque
from tests.support.shown import shown
from tests.support.stamped import stamped, stamped_counts


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


@pytest.mark.parametrize("make", [from_counts, from_fluorescence])
@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("bin_size_s", [*NO_NUMBER, None, float("nan")]),
        ("unit_names", [5, "ab", [1, 2], [None, "a"], ["a"], b"ab", 1.5, Opaque()]),
        ("name", [*NO_TEXT, None]),
        ("origin", [*NO_TEXT, None]),
    ],
)
def test_of_a_recording_no_other_error_than_bad_input_leaves(make, option, values):
    for value in values:
        with pytest.raises(BadInputError):
            make(np.zeros((2, 2)), **({"bin_size_s": 0.02} | {option: value}))


@pytest.mark.parametrize("counts", [[[1], [1, 2]], None, "counts", Opaque(), [[None, 1]], [[HUGE]], {}])
def test_what_is_no_array_of_counts_is_refused(counts):
    for make in (from_counts, from_fluorescence):
        with pytest.raises(BadInputError):
            make(counts, 0.02)


def test_every_fifth_repeat_is_held_out():
    recording = from_counts(np.arange(12)[:, None, None] * np.ones((1, 4, 2), int), 0.02)
    training, held = hold_out(recording, 5)
    assert held.counts[:, 0, 0].tolist() == [4, 9]
    assert training.counts[:, 0, 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]


def test_of_a_short_continuous_recording_the_end_is_held_out():
    training, held = hold_out(from_counts(np.arange(10)[:, None] * np.ones((1, 2), int), 0.02), 5)
    assert training.counts[0, :, 0].tolist() == list(range(8))
    assert held.counts[0, :, 0].tolist() == [8, 9]
    with pytest.raises(BadInputError, match="hold out"):
        hold_out(training, 1)


def test_the_retina_is_what_was_published(retina):
    assert retina.counts.shape == (238, 953, 50)
    assert retina.bin_size_s == 0.02
    assert retina.counts.max() == 1


@given(repeats=st.integers(1, 25), bins=st.integers(1, 120), window=st.integers(1, 12), seed=st.integers(0, 99))
def test_random_windows_lie_inside_their_block(repeats, bins, window, seed):
    random = np.random.Generator(np.random.Philox(seed))
    recording = stamped_counts(repeats, bins)
    if window > bins:
        with pytest.raises(BadInputError, match="expected repeats of at least"):
            random_windows(recording, window, random)
        return
    windows = random_windows(recording, window, random).astype(int)
    segments = max(1, min(-(-BLOCKS // repeats), bins // (2 * window)))
    stretch = bins // segments  # that a block is long
    assert windows.shape == (repeats * segments, stretch // window, window, 2)
    repeat, place = windows[..., 0], windows[..., 1]
    block = np.arange(repeats * segments)[:, None, None]
    assert np.all(repeat == block // segments)
    assert np.all(np.diff(place, axis=2) == 1)
    assert np.all(place // stretch == block % segments)


def coverage(bins: int, window_bins: int) -> np.ndarray:
    """How often windows cover each bin, (bins,), by all that `random_places` can draw, each as likely as any other."""
    fitting = bins // window_bins
    windows = fitting - 1 if fitting >= 4 else fitting
    left_over = bins - windows * window_bins
    draws = itertools.product(range(windows), range(left_over + 1), range(windows + 1), range(windows + 1))

    class Listed:
        """In place of random numbers: every combination once."""

        columns = iter(np.array(list(draws)).T)

        def integers(self, upper, size):
            if isinstance(size, tuple):
                return np.stack([next(self.columns), next(self.columns)])
            return next(self.columns)

    number = windows * (left_over + 1) * (windows + 1) ** 2
    first = random_places(number, bins, window_bins, Listed())  # type: ignore[arg-type]
    return np.convolve(np.bincount(first, minlength=bins), np.ones(window_bins))[:bins]


@pytest.mark.parametrize(("bins", "window_bins"), [(953, 128), (953, 64), (480, 100), (128, 32), (100, 10)])
def test_random_places_cover_every_bin_about_alike(bins, window_bins):
    """Even places would cover the first bin `window_bins` times less often than one in the middle."""
    covered = coverage(bins, window_bins)
    assert covered.min() >= (1 - 2 / (bins // window_bins)) * covered.max()
    assert covered[[0, -1]].min() > 0.7 * covered.mean()


@pytest.mark.parametrize(("bins", "window_bins"), [(20, 4), (21, 4), (33, 8)])
def test_random_places_lie_anywhere_inside(bins, window_bins, random):
    first = random_places(20_000, bins, window_bins, random)
    assert set(first) == set(range(bins - window_bins + 1))


def test_a_repeat_of_one_window_has_one_place(random):
    assert set(random_places(100, 16, 16, random)) == {0}


def test_random_windows_count_is_how_many_are_drawn(random):
    for repeats, bins in ((200, 10), (3, 100), (1, 47)):
        recording = stamped_counts(repeats, bins)
        assert random_window_count(recording, 4) == np.prod(random_windows(recording, 4, random).shape[:2])


def test_random_windows_are_those_of_the_random_numbers():
    one, same, other = (
        random_windows(stamped_counts(30, 50), 4, np.random.Generator(np.random.Philox(seed))) for seed in (0, 0, 1)
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


def test_conditions_belong_to_a_recording_and_can_be_left_out():
    recording = stamped(3, 7)
    assert recording.conditions.dtype == np.float32
    np.testing.assert_array_equal(recording.conditions, recording.counts)
    assert [(each.name, each.unit, each.low, each.high) for each in recording.channels] == [
        ("repeat", "", 0, 2),
        ("bin", "bin", 0, 6),
    ]
    bare = without_conditions(recording)
    assert (bare.channels, bare.driven_by, bare.conditions.shape) == ((), None, (3, 7, 0))
    one = with_conditions(stamped_counts(1, 7), np.zeros((7, 1)), ("a",))
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
        with_conditions(stamped_counts(3, 7), values, names, units)


def test_the_phase_of_repeats_is_their_bin():
    recording = with_phase(stamped_counts(3, 7))
    np.testing.assert_array_equal(recording.conditions[..., 0], recording.counts[..., 1])
    assert (recording.channels[0].cyclic, recording.channels[0].period) == (True, 7)
    with pytest.raises(BadInputError, match="expected repeats of a stimulus, found one; give --repeat-bins"):
        with_phase(stamped_counts(1, 7))


def test_with_a_lead_every_bin_has_the_conditions_of_later():
    recording = with_lead(stamped(3, 7), 2)
    assert recording.counts.shape == (3, 5, 2)
    np.testing.assert_array_equal(recording.conditions[..., 0], recording.counts[..., 0])
    np.testing.assert_array_equal(recording.conditions[..., 1], recording.counts[..., 1] + 2.0)
    for lead in (-1, 7):
        with pytest.raises(BadInputError, match="expected a lead of 0 to 6 bins"):
            with_lead(stamped(3, 7), lead)
    assert with_lead(stamped_counts(3, 7), 2).bins == 7  # nothing drives it, so nothing is late


@pytest.mark.parametrize("repeats", [1, 10])
def test_parts_keep_their_conditions(repeats):
    """Conditions equal counts, so they must in every part."""
    recording = stamped(repeats, 20)
    for part in (*hold_out(recording, 5), part_of(recording, bins=slice(3, 9)), part_of(recording, slice(0, 1))):
        np.testing.assert_array_equal(part.conditions, part.counts)
        assert part.channels == recording.channels
    bare = part_of(without_conditions(recording), bins=slice(3, 9))
    assert (bare.driven_by, bare.bins) == (None, 6)


def test_what_a_recording_takes_as_conditions_a_card_takes_too():
    largest = float(np.finfo(np.float32).max)
    values = np.linspace(-largest, largest, 12)[:, np.newaxis]
    channels = with_conditions(stamped_counts(1, 12), values, ["a" * 64], ["s" * 64]).channels
    assert conditions_from([asdict(each) for each in channels], "there") == channels


def test_fluorescence_is_refused_where_spikes_are_wanted():
    imaged = replace(stamped_counts(2, 3), counts=np.ones((2, 3, 2), np.float32), signal="fluorescence", name="imaged")
    for refuse in (require_spikes, require_binary):
        with pytest.raises(BadInputError, match="imaged: Some-GAN needs spike counts, found fluorescence"):
            refuse(imaged, "Some-GAN")


def test_a_recording_describes_itself_in_json_and_html():
    recording = with_conditions(from_counts(np.eye(4, 2), 0.5, name="<b>"), np.ones((4, 1)), ["speed"], ["cm/s"])
    described = json.loads(json.dumps(recording.to_dict()))
    assert (described["bins"], described["units"], described["duration_s"]) == (4, 2, 2.0)
    assert described["mean_rate_hz"] == 0.5
    assert described["conditions"][0]["name"] == "speed"
    page = recording._repr_html_()
    assert "&lt;b&gt;" in page
    assert "speed (cm/s)" in page
    assert "speed (cm/s)" in shown(recording)
    imaged = Recording.from_fluorescence(np.ones((3, 2)), 0.25)
    assert imaged.to_dict()["mean_rate_hz"] is None
    assert "rate" not in imaged._repr_html_()
