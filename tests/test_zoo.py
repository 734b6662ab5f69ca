"""The bundles that ship: whole, and like the recordings they were trained on."""

import numpy as np
import pytest

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.examination import examine
from spikeloop.models.measures.likeness import STATISTICS, distance, independent_units, statistics_of
from spikeloop.streamer.source import open_source


@pytest.fixture(scope="module")
def generated() -> np.ndarray:
    return open_source(read_bundle("retina"), 0, "cpu").take(2000 * 32).reshape(2000, 32, 50)


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


def test_the_retina_bundle_is_like_the_repeats_it_never_saw(retina):
    bundle = read_bundle("retina")
    settings = bundle.card.training["settings"]
    examination = examine(retina, settings["hold_out"], bundle.card.window_bins, seed=1)
    likeness = examination.judge(
        lambda windows: open_source(bundle, 0, "cpu").take(windows * 32).reshape(windows, 32, 50)
    )
    ratios = {each.statistic: each.ratio for each in likeness}
    assert np.mean(list(ratios.values())) <= 1.5
    assert max(ratios.values()) <= 3


def test_the_retina_bundle_carries_what_was_measured_of_it():
    realism = read_bundle("retina").card.realism
    assert "held out from training" in realism["judged_on"]
    assert set(realism["statistics"]) == set(STATISTICS)
    assert realism["two_sample_auc"] <= 0.65
    assert 0.45 <= realism["memorisation_auc"] <= 0.55
