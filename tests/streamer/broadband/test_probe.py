import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.probe import place_units
from spikeloop.streamer.broadband.probes import open_probe


def test_the_default_utah_array_is_10_by_10_without_corners():
    positions_um = open_probe("utah").positions_um
    assert positions_um.shape == (96, 2)
    assert pdist(positions_um).min() == 400
    corners = [[0, 0], [0, 3600], [3600, 0], [3600, 3600]]
    assert cdist(positions_um, corners).min() == 400


@pytest.mark.parametrize("name", ["utah", "linear"])
@pytest.mark.parametrize("channels", [1, 2, 5, 96, 1024])
def test_any_number_of_channels_has_as_many_places(name, channels):
    positions_um = open_probe(name, channels).positions_um
    assert len(np.unique(positions_um, axis=0)) == channels


def test_the_linear_probe_has_two_columns_in_rows_of_20_um():
    positions_um = open_probe("linear", 6).positions_um
    np.testing.assert_array_equal(positions_um, [[0, 0], [32, 0], [0, 20], [32, 20], [0, 40], [32, 40]])


@pytest.mark.parametrize("units", [3, 96, 250])
def test_units_lie_near_channels_which_share_them_out(random, units):
    probe = open_probe("utah")
    positions_um = place_units(probe, units, random)
    distances_um = np.hypot(cdist(positions_um[:, :2], probe.positions_um), positions_um[:, 2:])
    assert (distances_um.min(axis=1) >= 20).all()
    assert (distances_um.min(axis=1) <= 60).all()
    shares = np.bincount(distances_um.argmin(axis=1), minlength=96)
    assert shares.max() - shares.min() <= 1


@pytest.mark.parametrize(("name", "channels"), [("utah", 0), ("linear", 4097), ("patch", 4)])
def test_other_probes_are_refused(name, channels):
    with pytest.raises(
        BadInputError, match="--probe: expected utah, linear, .* or a file|--channels: expected a whole number from 1"
    ):
        open_probe(name, channels)
