import numpy as np
import pytest

from spikeloop.models.evenly_spread import evenly_spread


@pytest.mark.parametrize("number", [1, 2, 16])
def test_of_a_few_places_all_are_chosen(number):
    np.testing.assert_array_equal(evenly_spread(number, 16), np.arange(number))


@pytest.mark.parametrize("number", [17, 31, 100, 1001])
def test_of_many_places_as_many_as_wanted_are_chosen_equally_far_apart_from_end_to_end(number):
    places = evenly_spread(number, 16)
    assert (len(places), places[0], places[-1]) == (16, 0, number - 1)
    assert np.ptp(np.diff(places)) <= 1
