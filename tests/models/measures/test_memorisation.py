import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.memorisation import (
    ROWS,
    exact_duplicates,
    known_windows,
    memorisation_auc,
    nearest_distances,
)
from spikeloop.models.recordings.simulated import correlated_groups


@st.composite
def sets_of_windows(draw, largest=3):
    """Three arrays (windows, bins, units), the last two of one length."""
    elements = st.integers(0, largest)
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 3)))
    sampled, others = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    return tuple(
        draw(hnp.arrays(np.uint8, (number, *shape), elements=elements)) for number in (sampled, others, others)
    )


@pytest.fixture(scope="module")
def population():
    return correlated_groups(windows=1200, window_bins=16, units=6, spike_probability=0.2, seed=1).counts


@given(sets_of_windows(largest=255))
def test_nearest_distances_are_scipys(sets):
    windows, others, _ = (each.reshape(len(each), -1).astype(float) for each in sets)
    np.testing.assert_allclose(nearest_distances(*sets[:2]), cdist(windows, others, "sqeuclidean").min(axis=1))


def test_nearest_distances_of_more_windows_than_are_compared_at_once(random):
    windows = random.integers(0, 2, (ROWS + 5, 4, 3)).astype(np.uint8)
    distances = nearest_distances(windows, windows[:50])
    assert np.all(distances[:50] == 0)
    expected = cdist(windows.reshape(-1, 12), windows[:50].reshape(-1, 12), "hamming").min(axis=1) * 12
    np.testing.assert_allclose(distances, expected)


def test_nearest_distances_of_large_counts_do_not_lose_precision():
    full = np.full((1, 32, 50), 255, np.uint8)
    other = full.copy()
    other[0, 0, 0] = 254
    np.testing.assert_array_equal(nearest_distances(full, other), [1])


@given(sets_of_windows())
def test_memorisation_is_the_share_of_pairs_that_lie_nearer_to_training(sets):
    """One sampled window's distance to training, against another's to held-out windows."""
    sampled, training, held_out = sets
    pairs = [
        0.5 * (near <= far) + 0.5 * (near < far)
        for near in nearest_distances(sampled, training)
        for far in nearest_distances(sampled, held_out)
    ]
    assert memorisation_auc(sampled, training, held_out) == pytest.approx(np.mean(pairs))


@given(sets_of_windows())
def test_memorisation_of_training_and_of_held_out_windows_mirror_each_other(sets):
    sampled, training, held_out = sets
    auc = memorisation_auc(sampled, training, held_out)
    assert 0 <= auc <= 1
    assert memorisation_auc(sampled, held_out, training) == pytest.approx(1 - auc)
    assert memorisation_auc(sampled, training, training) == 0.5


def test_fresh_windows_are_as_near_to_held_out_ones_and_memorised_ones_are_not(population):
    training, held_out, fresh = population.reshape(3, 400, 16, 6)
    assert memorisation_auc(fresh, training, held_out) == pytest.approx(0.5, abs=0.05)
    assert memorisation_auc(training, training, held_out) > 0.95
    half = np.concatenate([training[:200], fresh[:200]])
    assert 0.6 < memorisation_auc(half, training, held_out) < 0.9


def test_memorisation_asks_for_sets_of_one_size(population):
    with pytest.raises(BadInputError, match="expected as many training as held-out windows, found 10, 9"):
        memorisation_auc(population, population[:10], population[:9])


def test_duplicates_are_a_share_of_the_windows_with_any_spike():
    silent, one, two, three = (np.full((2, 2), count, np.uint8) for count in range(4))
    recorded = known_windows(np.stack([silent, one, two]), 2)
    assert exact_duplicates(np.stack([silent, silent, one, three]), recorded) == 0.5
    assert exact_duplicates(np.stack([one, one, two]), recorded) == 1
    assert exact_duplicates(np.stack([silent, silent]), recorded) == 0


def test_duplicates_are_found_in_arrays_that_do_not_lie_in_order(population):
    turned = np.asfortranarray(population)
    assert exact_duplicates(turned[::-1], known_windows(population, population.shape[1])) == 1


def test_duplicates_are_found_at_every_place_of_a_repeat(population):
    inside = population[:, 3:9]
    assert exact_duplicates(inside, known_windows(population, 6)) == 1
    assert exact_duplicates(1 - inside, known_windows(population, 6)) < 1
