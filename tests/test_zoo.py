"""The bundles that ship: whole, and like the recordings they were trained on."""

import numpy as np
import pytest

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.measures.likeness import distance, independent_units, judge, make_yardstick, statistics_of
from spikeloop.models.recordings.recording import cut_windows, hold_out
from spikeloop.streamer.engine import Engine
from spikeloop.streamer.source import WindowSource


@pytest.fixture(scope="module")
def generated() -> np.ndarray:
    bundle = read_bundle("retina")
    return WindowSource(Engine(bundle, "cpu"), 0).take(2000 * 32).reshape(2000, 32, 50)


@pytest.mark.parametrize("name", shipped_bundles())
def test_a_shipped_bundle_is_whole_and_named_as_its_folder(name):
    bundle = read_bundle(name)
    assert bundle.card.name == name
    assert bundle.critic
    assert bundle.card.training["recording"]["origin"]


def test_what_the_retina_bundle_streams_has_its_references_statistics(generated):
    """Without the recording: far nearer to the reference than independent units at the same rates are."""
    reference = read_bundle("retina").reference
    found = statistics_of(generated)
    shuffled = statistics_of(independent_units(generated, 2000, np.random.Generator(np.random.Philox(0))))
    assert np.corrcoef(found["rates"], reference["rates"])[0, 1] > 0.99
    for name in ("covariance", "lag-1 covariance", "population count", "autocorrelation"):
        assert distance(name, found[name], reference[name]) < 0.35 * distance(name, shuffled[name], reference[name])


def test_the_retina_bundle_is_like_the_recording_it_was_trained_on(generated, retina, random):
    unseen, judged = hold_out(retina, 5)
    yardstick = make_yardstick(cut_windows(unseen, 32), cut_windows(judged, 32), random)
    ratios = {each.statistic: each.ratio for each in judge(generated, yardstick)}
    assert ratios["covariance"] <= 2
    assert ratios["population count"] <= 3
