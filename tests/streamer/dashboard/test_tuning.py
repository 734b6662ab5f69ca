import numpy as np
import pytest

import spikeloop
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.dashboard.tuning import direction_channels, measure_tuning
from tests.support.tiny import tiny_bundle


def channel(name: str) -> Condition:
    return Condition(name, "cm/s", -1.0, 1.0)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["velocity x", "velocity y"], (0, 1)),
        (["position x", "position y", "velocity x", "velocity y"], (2, 3)),
        (["Position Y", "other", "Position X"], (2, 0)),
        (["velocity x"], None),
        ([], None),
    ],
)
def test_a_direction_drives_velocities_else_positions(names, found):
    assert direction_channels(tuple(map(channel, names))) == found


def test_the_simulated_cortex_prefers_directions_all_around_and_fires_most_there():
    tuning = measure_tuning(spikeloop.load_bundle("m1-sim"))
    assert tuning is not None
    assert tuning.rates_hz.shape == (8, 96)
    tuned = tuning.depth > 0.3
    assert tuned.sum() > 30
    best = tuning.directions[tuning.rates_hz.argmax(axis=0)]
    off = np.abs(np.angle(np.exp(1j * (best - tuning.preferred))))
    assert np.median(off[tuned]) < np.pi / 4
    assert abs(np.exp(1j * tuning.preferred[tuned]).mean()) < 0.5


def test_a_model_that_no_direction_drives_has_no_tuning(tmp_path):
    assert measure_tuning(tiny_bundle(tmp_path / "tiny", units=4)) is None


def test_it_ends_early_where_it_is_stopped():
    assert measure_tuning(spikeloop.load_bundle("m1-sim"), lambda: True) is None
