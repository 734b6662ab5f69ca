import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.examination import (
    DRAWS,
    JUDGED_WINDOWS,
    describe_realism,
    describe_recording,
    examine,
)
from spikeloop.models.measures.likeness import STATISTICS, Likeness, independent_units, statistics_of
from spikeloop.models.recordings.recording import from_counts, with_conditions, with_phase
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.recordings.windows import cut_windows


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=100, window_bins=40, units=4, correlation=0.6, spike_probability=0.2, seed=1)


def test_every_nth_repeat_is_judged_by_and_never_trained_on(recording):
    examination = examine(recording, every=4, window_bins=16, seed=0)
    held = np.arange(100) % 4 == 3
    np.testing.assert_array_equal(examination.training.counts, recording.counts[~held])
    np.testing.assert_array_equal(examination.judged.counts, recording.counts[held])
    assert examination.judged_on == "held-out repeats"
    assert examination.yardstick.windows == 25 * 2


def test_where_nothing_is_held_out_a_fifth_of_the_training_data_judges(recording):
    examination = examine(recording, every=0, window_bins=16, seed=0)
    np.testing.assert_array_equal(examination.training.counts, recording.counts)
    np.testing.assert_array_equal(examination.judged.counts, recording.counts[4::5])
    assert examination.judged_on == "training data"


def test_the_same_seed_makes_the_same_yardstick(recording):
    floors = [examine(recording, every=5, window_bins=16, seed=seed).yardstick.floors for seed in (0, 0, 1)]
    assert floors[0] == floors[1] != floors[2]


def test_no_more_windows_are_judged_by_than_it_takes(random):
    long = from_counts(random.integers(0, 2, (50, 1000, 2)), 0.001)
    assert examine(long, every=5, window_bins=4, seed=0).yardstick.windows == JUDGED_WINDOWS


def test_a_model_is_asked_for_several_samples_and_judged_by_them(recording, random):
    examination = examine(recording, every=5, window_bins=16, seed=0)
    asked = []

    def shuffled(windows: int) -> np.ndarray:
        asked.append(windows)
        return independent_units(recording.counts[:, :16], windows, random)

    verdicts = {each.statistic: each.ratio for each in examination.judge(shuffled)}
    assert asked == [DRAWS * examination.yardstick.windows]
    assert list(verdicts) == list(STATISTICS)
    assert verdicts["covariance"] > 2 > verdicts["rates"]


def test_its_reference_is_every_statistic_of_the_training_data(recording):
    examination = examine(recording, every=5, window_bins=16, seed=0)
    expected = statistics_of(cut_windows(examination.training, 16))
    found = examination.reference()
    assert list(found) == list(STATISTICS)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("window_bins", [2, 16, 20, 21, 33, 39, 40])
def test_counts_of_windows_are_the_mean_over_every_place_of_a_window(recording, window_bins):
    rising = replace(
        recording, counts=np.minimum(255, recording.counts * 5 * np.arange(40)[:, np.newaxis]).astype(np.uint8)
    )
    examination = examine(rising, every=5, window_bins=window_bins, seed=0)
    counts = examination.training.counts
    places = [counts[:, first : first + window_bins] for first in range(40 - window_bins + 1)]
    np.testing.assert_allclose(
        examination.counts_of_windows(), np.mean([place.mean(axis=(0, 1)) for place in places], axis=0)
    )


@pytest.mark.parametrize("every", [0, 5])
def test_recordings_that_cannot_be_examined_are_refused(every):
    for constant in (0, 3):
        with pytest.raises(BadInputError, match="flat: expected units that spike now and then, found constant"):
            examine(from_counts(np.full((10, 40, 2), constant), 0.02, name="flat"), every, 16, 0)
    with pytest.raises(
        BadInputError, match=r"short: expected parts of at least 16 bins .* is it \(bins, units\), and long enough\?"
    ):
        examine(from_counts(np.eye(20, dtype=int), 0.02, name="short"), every, 16, 0)


def test_holding_out_every_repeat_is_refused(recording):
    with pytest.raises(BadInputError, match="hold out"):
        examine(recording, every=1, window_bins=16, seed=0)


def test_a_recording_is_described_in_json_by_what_it_holds(recording):
    described = describe_recording(recording)
    assert json.loads(json.dumps(described)) == described
    assert (described["repeats"], described["bins"], described["bin_size_s"]) == (100, 40, 0.001)
    assert described["unit_names"] == ["unit 0", "unit 1", "unit 2", "unit 3"]
    assert described["sha256"] == sha256(recording.counts.tobytes()).hexdigest()
    other = recording.counts.copy()
    other[0, 0, 0] += 1
    assert describe_recording(replace(recording, counts=other))["sha256"] != described["sha256"]
    turned = replace(recording, counts=np.asfortranarray(recording.counts))
    assert describe_recording(turned) == described


def test_a_recording_is_described_by_what_its_units_emit_and_what_drives_them(recording):
    described = describe_recording(recording)
    assert (described["distribution"], described["largest"], described["channels"]) == ("bernoulli", 1, [])
    thrice = describe_recording(replace(recording, counts=3 * recording.counts))
    assert (thrice["distribution"], thrice["largest"]) == ("counts", 3)
    phased = describe_recording(with_phase(recording))
    assert json.loads(json.dumps(phased)) == phased
    assert [(each["name"], each["high"], each["cyclic"]) for each in phased["channels"]] == [("phase", 39.0, True)]
    moved = [with_conditions(recording, np.full((100, 40, 1), value), ("a",)) for value in (1.0, 2.0)]
    digests = {describe_recording(each)["sha256"] for each in (recording, with_phase(recording), *moved)}
    assert len(digests) == 4


@pytest.mark.parametrize("every", [0, 5])
def test_parts_keep_what_drove_them(every):
    """Conditions tell repeat and bin, as counts do."""
    counts = np.stack(np.broadcast_arrays(np.arange(10)[:, np.newaxis], np.arange(40)), 2)
    recording = with_conditions(from_counts(counts, 0.02), counts, ("repeat", "bin"))
    examination = examine(recording, every, 16, 0)
    for part in (examination.training, examination.judged):
        np.testing.assert_array_equal(part.conditions, part.counts)


def test_a_verdict_is_described_in_json():
    described = describe_realism(
        "held-out repeats", 7, [Likeness("rates", 3.0, 1.0, 5.0), Likeness("a", 1.0, 2.0, 3.0)]
    )
    assert json.loads(json.dumps(described)) == {
        "judged_on": "held-out repeats",
        "judged_at_step": 7,
        "statistics": {
            "rates": {"statistic": "rates", "error": 3.0, "floor": 1.0, "ceiling": 5.0},
            "a": {"statistic": "a", "error": 1.0, "floor": 2.0, "ceiling": 3.0},
        },
    }
