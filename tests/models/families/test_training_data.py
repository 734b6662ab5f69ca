from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.recordings.conditioning import with_phase
from spikeloop.models.recordings.cutting import part_of
from spikeloop.models.recordings.recording import from_counts
from tests.support.stamped import stamped
from tests.support.unequal import with_garbage

CPU = torch.device("cpu")


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


def check_segments(counts: torch.Tensor, conditions: torch.Tensor) -> None:
    """Make sure that every segment runs on inside one repeat, with the conditions of its own bins."""
    assert torch.equal(counts, conditions)
    assert (counts[..., 0] == counts[:, :1, 0]).all()
    assert (counts[..., 1].diff(dim=1) == 1).all()


def followed(data: TrainingData, runs: int, bins: int, steps: int, random: torch.Generator):
    """The places that runs went on from, and what they met: (repeat, bin), and (steps, runs) of `begins`."""
    places, before, met, begins = data.begin(runs, bins, random), [], [], []
    for _ in range(steps):
        before.append(places)
        counts, conditions, places, began = data.follow(places, bins, random)
        check_segments(counts, conditions)
        assert counts.shape == (runs, bins, 2)
        met.append(counts)
        begins.append(began[:, 0])
    return torch.stack(before), torch.stack(met), torch.stack(begins)


@pytest.mark.parametrize(("repeats", "bins"), [(10, 100), (1, 250), (7, 32)])
def test_crops_lie_inside_repeats_with_the_conditions_that_drove_them(repeats, bins, random_numbers):
    counts, conditions = TrainingData(stamped(repeats, bins), CPU).crops(5000, 32, random_numbers)
    assert (counts.shape, counts.dtype) == ((5000, 32, 2), torch.float32)
    check_segments(counts, conditions)
    assert set(counts[:, 0, 0].tolist()) == set(range(repeats))
    assert {0, bins - 32} <= set(counts[:, 0, 1].tolist()) <= set(range(bins - 31))


def test_short_repeats_give_shorter_crops(random_numbers):
    counts, conditions = TrainingData(stamped(10, 40), CPU).crops(9, 128, random_numbers)
    assert counts.shape == (9, 40, 2)
    check_segments(counts, conditions)


def test_crops_of_what_nothing_drives_have_no_conditions(random_numbers):
    data = TrainingData(from_counts(stamped(4, 40).counts, 0.02), CPU)
    assert data.crops(5, 32, random_numbers)[1].shape == (5, 32, 0)
    assert data.drives(5, 32, 16, random_numbers).shape == (5, 48, 0)
    assert data.follow(data.begin(5, 32, random_numbers), 32, random_numbers).conditions.shape == (5, 32, 0)


@pytest.mark.parametrize("bins", [40, 100])
def test_before_a_repeat_began_it_was_driven_as_in_its_first_bin(bins, random_numbers):
    drives = TrainingData(stamped(6, bins), CPU).drives(3000, 32, 64, random_numbers)
    assert drives.shape == (3000, 96, 2)
    assert (drives[..., 0] == drives[:, :1, 0]).all()
    first = drives[:, 64:65, 1]
    assert {0, bins - 32} <= set(first.flatten().tolist()) <= set(range(bins - 31))
    expected = (first + torch.arange(-64, 32)).clamp(min=0)
    torch.testing.assert_close(drives[..., 1], expected, rtol=0, atol=0)


@pytest.mark.parametrize(("first", "bins"), [(0, 50), (0, 40), (40, 10)])
def test_before_a_stimulus_began_its_end_was_shown(first, bins, random_numbers):
    """Also where only a part of each repeat is trained on or judged by; what else drives is held."""
    whole = with_phase(from_counts(stamped(6, 50).counts, 0.02))
    both = np.concatenate([whole.conditions, stamped(6, 50).conditions[..., 1:]], 2)
    whole = replace(whole, driven_by=both, channels=(*whole.channels, stamped(6, 50).channels[1]))
    data = TrainingData(part_of(whole, bins=slice(first, first + bins)), CPU)
    drives = data.drives(3000, 8, 120, random_numbers)
    phase, held = drives[..., 0], drives[..., 1]
    assert torch.equal(phase[:, 120:], held[:, 120:])
    assert set(phase[:, 120].tolist()) == set(range(first, first + bins - 7))
    assert (phase.diff(dim=1) % 50 == 1).all()
    assert (phase.min(), phase.max()) == (0, 49)
    before = (held[:, 120:121] + torch.arange(-120, 0)).clamp(min=first)
    torch.testing.assert_close(held[:, :120], before, rtol=0, atol=0)


def test_runs_go_on_where_they_were_and_begin_elsewhere_only_at_a_repeats_end(random_numbers):
    """Bins left at the end of a repeat, too few for a segment, are skipped."""
    before, met, begins = followed(TrainingData(stamped(9, 100), CPU), 40, 16, 60, random_numbers)
    started = met[:, :, 0]  # repeat and bin of each segment's first
    assert torch.equal(begins, before[..., 1] + 16 > 100)
    assert torch.equal(started[~begins].long(), before[~begins])
    again = started[begins]
    assert set(again[:, 0].tolist()) == set(range(9))
    assert set(again[:, 1].tolist()) == set(range(16))  # near the beginning, spread over a segment's length
    assert begins.sum(0).min() > 1


def test_runs_are_spread_over_the_recording_at_first(random_numbers):
    places = TrainingData(stamped(9, 100), CPU).begin(3000, 16, random_numbers)
    assert set(places[:, 0].tolist()) == set(range(9))
    assert set(places[:, 1].tolist()) == set(range(85))


@pytest.mark.parametrize(("repeats", "bins"), [(5, 100), (1, 250), (5, 16), (5, 17), (5, 31), (5, 33)])
def test_every_bin_of_every_repeat_is_met_in_time(repeats, bins, random_numbers):
    _, met, begins = followed(TrainingData(stamped(repeats, bins), CPU), 16, 16, 250, random_numbers)
    later = met[125:].reshape(-1, 2).long()  # long after the runs were spread at random
    times = torch.zeros(repeats, bins).index_put((later[:, 0], later[:, 1]), torch.ones(len(later)), accumulate=True)
    assert times.min() > 0
    assert begins[125:].any()


def test_a_repeat_of_one_segment_begins_anew_each_time(random_numbers):
    _, met, begins = followed(TrainingData(stamped(5, 16), CPU), 16, 16, 10, random_numbers)
    assert not begins[0].any()
    assert begins[1:].all()
    assert (met[:, :, 0, 1] == 0).all()


UNEQUAL = (32, 63, 64, 100, 31, 250)


def of_unequal(lengths=UNEQUAL) -> TrainingData:
    recording = stamped(len(lengths), max(lengths))
    return TrainingData(with_garbage(replace(recording, lengths=tuple(lengths))), CPU)


def times_met(segments: torch.Tensor) -> torch.Tensor:
    """How often each bin was met in each repeat long enough, on average over its bins."""
    places = segments.reshape(-1, 2).long()
    met = torch.zeros(len(UNEQUAL), max(UNEQUAL)).index_put(
        (places[:, 0], places[:, 1]), torch.ones(len(places)), accumulate=True
    )
    assert met[UNEQUAL.index(31)].sum() == 0
    return torch.stack([met[i, :bins].mean() for i, bins in enumerate(UNEQUAL) if bins >= 32])


def test_crops_of_unequal_repeats_use_all_bins_about_alike(random_numbers):
    counts, conditions = of_unequal().crops(20_000, 32, random_numbers)
    check_segments(counts, conditions)
    met = times_met(counts)
    torch.testing.assert_close(met / met.mean(), torch.ones_like(met), rtol=0.1, atol=0)


def test_runs_through_unequal_repeats_use_all_bins_about_alike(random_numbers):
    data = of_unequal()
    places, met = data.begin(400, 32, random_numbers), []
    for _ in range(200):
        counts, conditions, places, _ = data.follow(places, 32, random_numbers)
        check_segments(counts, conditions)
        met.append(counts)
    times = times_met(torch.stack(met[50:]))
    torch.testing.assert_close(times / times.mean(), torch.ones_like(times), rtol=0.1, atol=0)


def test_long_crops_take_in_short_repeats_whole(random_numbers):
    counts, conditions, lengths = of_unequal().longest_crops(2000, 80, random_numbers)
    assert lengths is not None
    assert set(lengths.tolist()) == {min(bins, 80) for bins in UNEQUAL}
    for count, driven, bins in zip(counts, conditions, lengths.tolist(), strict=True):
        check_segments(count[None, :bins], driven[None, :bins])
        assert not count[bins:].any()
        assert not driven[bins:].any()


def test_windows_of_unequal_repeats_are_driven_by_their_own_bins(random_numbers):
    drives = of_unequal().drives(3000, 32, 40, random_numbers)
    assert (drives[..., 0] == drives[:, :1, 0]).all()
    assert (drives[:, 40:, 1].diff(dim=1) == 1).all()
    assert drives.isfinite().all()
