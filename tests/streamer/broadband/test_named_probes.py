"""Probes of probeinterface, by name and from a file."""

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.probes import open_probe

with warnings.catch_warnings():  # its own
    warnings.simplefilter("ignore")
    probeinterface = pytest.importorskip("probeinterface", reason="needs probeinterface")


def test_neuropixels_1_has_the_staggered_contacts_of_its_data_sheet():
    probe = open_probe("neuropixels-1.0")
    assert (probe.channels, probe.shape, dict(probe.size_um)) == (384, "square", {"width": 12.0})
    assert sorted(set(probe.positions_um[:, 0])) == [0, 16, 32, 48]
    np.testing.assert_array_equal(np.unique(probe.positions_um[:, 1]), 20.0 * np.arange(192))  # nearest the tip
    assert open_probe("neuropixels-1.0", 960).positions_um[:, 1].max() == 20 * 479


def test_neuropixels_2_has_two_columns_in_rows_of_15_um():
    probe = open_probe("neuropixels-2.0")
    assert probe.channels == 384
    assert sorted(set(probe.positions_um[:, 0])) == [0, 32]
    np.testing.assert_array_equal(np.unique(probe.positions_um[:, 1]), 15.0 * np.arange(192))


def test_neuropixels_2_with_four_shanks_has_a_quarter_of_its_channels_on_each():
    probe = open_probe("neuropixels-2.0-4")
    assert probe.channels == 384
    shanks = np.floor(probe.positions_um[:, 0] / 250).astype(int)
    np.testing.assert_array_equal(np.bincount(shanks), [96] * 4)
    for shank in range(4):
        np.testing.assert_array_equal(np.unique(probe.positions_um[shanks == shank, 1]), 15.0 * np.arange(48))


def test_tetrodes_are_groups_of_four_far_from_each_other():
    probe = open_probe("tetrodes", 10)
    assert probe.channels == 10
    assert pdist(probe.positions_um[:4]).max() < 25
    assert np.abs(probe.positions_um[4:8] - probe.positions_um[:4] - [250, 0]).max() < 1e-9


@pytest.mark.parametrize("name", ["neuropixels-1.0", "neuropixels-2.0", "neuropixels-2.0-4", "tetrodes"])
@pytest.mark.parametrize("channels", [1, 5, 64])
def test_any_number_of_channels_has_as_many_places(name, channels):
    positions_um = open_probe(name, channels).positions_um
    assert len(np.unique(positions_um, axis=0)) == channels


@pytest.fixture
def own(tmp_path):
    """A file of five contacts, of which four are wired, backwards."""
    probe = probeinterface.Probe(ndim=2, si_units="um")
    places_um = np.column_stack([np.zeros(5), 30 * np.arange(5)])
    probe.set_contacts(places_um, shapes="rect", shape_params={"width": 8, "height": 20})
    probe.set_device_channel_indices([3, 2, -1, 1, 0])
    probeinterface.write_probeinterface(tmp_path / "own.json", probe)
    return tmp_path / "own.json"


def test_a_file_gives_its_wired_contacts_in_the_order_of_their_wiring(own):
    probe = open_probe(str(own))
    np.testing.assert_array_equal(probe.positions_um[:, 1], [120, 90, 30, 0])
    assert (probe.name, probe.shape, dict(probe.size_um)) == ("own", "rect", {"width": 8.0, "height": 20.0})
    np.testing.assert_array_equal(open_probe(str(own), 2).positions_um[:, 1], [120, 90])


def test_other_files_are_refused(own, tmp_path):
    with pytest.raises(BadInputError, match="--channels: expected a whole number from 1 to 4, found 5"):
        open_probe(str(own), 5)
    (tmp_path / "damaged.json").write_text(own.read_text()[:50])
    with pytest.raises(BadInputError, match="expected a file of probeinterface with one probe"):
        open_probe(str(tmp_path / "damaged.json"))
    deep = probeinterface.Probe(ndim=3, si_units="um")
    deep.set_contacts(np.array([[0, 0, 0], [0, 0, 9]]), plane_axes=np.tile(np.eye(3)[:2], (2, 1, 1)))
    probeinterface.write_probeinterface(tmp_path / "deep.json", deep)
    with pytest.raises(BadInputError, match="--probe: expected a flat probe in um, found one of 3 dimensions"):
        open_probe(str(tmp_path / "deep.json"))
    unwired = probeinterface.Probe(ndim=2, si_units="um")
    unwired.set_contacts(np.array([[0, 0]]))
    unwired.set_device_channel_indices([-1])
    probeinterface.write_probeinterface(tmp_path / "unwired.json", unwired)
    with pytest.raises(BadInputError, match="expected wired contacts, found none"):
        open_probe(str(tmp_path / "unwired.json"))
