import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.similarity import Similarity, independent_units, statistics_of
from spikeloop.models.measures.table import SPIKE_STATISTICS
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.recording import from_counts
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.models.training.validation import (
    DRAWS,
    JUDGED_WINDOWS,
    describe_realism,
    describe_recording,
    prepare_validation,
)


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=100, window_bins=40, units=4, correlation=0.6, spike_probability=0.2, seed=1)


def test_every_nth_repeat_is_judged_by_and_never_trained_on(recording):
    validation = prepare_validation(recording, every=4, window_bins=16, seed=0)
    held = np.arange(100) % 4 == 3
    np.testing.assert_array_equal(validation.training.counts, recording.counts[~held])
    np.testing.assert_array_equal(validation.judged.counts, recording.counts[held])
    assert validation.judged_on == "held-out repeats"
    assert validation.reference_distances.windows == 25 * 2


def test_where_nothing_is_held_out_a_fifth_of_the_training_data_judges(recording):
    validation = prepare_validation(recording, every=0, window_bins=16, seed=0)
    np.testing.assert_array_equal(validation.training.counts, recording.counts)
    np.testing.assert_array_equal(validation.judged.counts, recording.counts[4::5])
    assert validation.judged_on == "training data"


def test_the_same_seed_makes_the_same_reference_distances(recording):
    floors = [
        prepare_validation(recording, every=5, window_bins=16, seed=seed).reference_distances.floors
        for seed in (0, 0, 1)
    ]
    assert floors[0] == floors[1] != floors[2]


def test_no_more_windows_are_judged_by_than_it_takes(random):
    long = from_counts(random.integers(0, 2, (50, 1000, 2)), 0.001)
    assert prepare_validation(long, every=5, window_bins=4, seed=0).reference_distances.windows == JUDGED_WINDOWS


def test_a_model_is_asked_for_several_samples_and_judged_by_them(recording, random):
    validation = prepare_validation(recording, every=5, window_bins=16, seed=0)
    asked = []

    def shuffled(windows: int) -> np.ndarray:
        asked.append(windows)
        return independent_units(recording.counts[:, :16], windows, random)

    verdicts = {each.statistic: each.ratio for each in validation.judge(shuffled)}
    assert asked == [DRAWS * validation.reference_distances.windows]
    assert list(verdicts) == list(SPIKE_STATISTICS)
    assert verdicts["covariance"] > 2 > verdicts["rates"]


def test_its_reference_is_every_statistic_of_the_training_data(recording):
    validation = prepare_validation(recording, every=5, window_bins=16, seed=0)
    expected = statistics_of(cut_windows(validation.training, 16))
    found = validation.reference()
    assert list(found) == list(SPIKE_STATISTICS)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_expected_counts_are_the_mean_over_every_bin_of_the_training_data(recording):
    validation = prepare_validation(recording, every=5, window_bins=16, seed=0)
    expected = validation.training.counts.astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose(validation.expected_counts(), expected)


@pytest.mark.parametrize("every", [0, 5])
def test_recordings_that_cannot_be_examined_are_refused(every):
    for constant in (0, 3):
        with pytest.raises(BadInputError, match="flat: expected units that spike now and then, found constant"):
            prepare_validation(from_counts(np.full((10, 40, 2), constant), 0.02, name="flat"), every, 16, 0)
    with pytest.raises(
        BadInputError, match=r"short: expected parts of at least 16 bins .* is it \(bins, units\), and long enough\?"
    ):
        prepare_validation(from_counts(np.eye(20, dtype=int), 0.02, name="short"), every, 16, 0)


def test_holding_out_every_repeat_is_refused(recording):
    with pytest.raises(BadInputError, match="hold out"):
        prepare_validation(recording, every=1, window_bins=16, seed=0)


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
    validation = prepare_validation(recording, every, 16, 0)
    for part in (validation.training, validation.judged):
        np.testing.assert_array_equal(part.conditions, part.counts)


def test_a_verdict_is_described_in_json():
    described = describe_realism(
        "held-out repeats", 7, [Similarity("rates", 3.0, 1.0, 5.0), Similarity("a", 1.0, 2.0, 3.0)]
    )
    assert json.loads(json.dumps(described)) == {
        "judged_on": "held-out repeats",
        "judged_at_step": 7,
        "statistics": {
            "rates": {"statistic": "rates", "error": 3.0, "floor": 1.0, "ceiling": 5.0},
            "a": {"statistic": "a", "error": 1.0, "floor": 2.0, "ceiling": 3.0},
        },
    }
