import re

import numpy as np
import pytest

from spikeloop.exporters.bundle import bundles, load_bundle, write_bundle
from spikeloop.models.measures.similarity import statistics_of
from spikeloop.models.measures.table import (
    DYNAMIC_STATISTICS,
    SPIKE_STATISTICS,
    STATISTICS,
    TRACE_STATISTICS,
    group_of,
    judging,
    key_of,
    title_of,
)
from tests.support.tiny import tiny_card, tiny_generator


def test_every_statistic_has_one_key_for_programs_and_one_title_for_people():
    assert all(re.fullmatch("[a-z][a-z0-9_]*", key) for key in STATISTICS)
    assert [statistic.key for statistic in STATISTICS.values()] == list(STATISTICS)
    assert len({statistic.title for statistic in STATISTICS.values()}) == len(STATISTICS)
    series = [statistic.prometheus for statistic in STATISTICS.values() if statistic.prometheus]
    assert len(set(series)) == len(series)


@pytest.mark.parametrize("key", STATISTICS)
def test_a_distance_of_a_value_from_itself_is_zero(key, random):
    windows = random.poisson(0.4, (40, 12, 4)).astype(np.uint8)
    value = STATISTICS[key].function(windows)
    assert STATISTICS[key].distance(value, value) == 0
    assert np.isfinite(STATISTICS[key].summary(value, 0.02))


def test_keys_and_titles_are_found_by_each_other():
    for key, statistic in STATISTICS.items():
        assert key_of(title_of(key)) == key_of(key) == key
        assert title_of(key) == statistic.title
    assert key_of("something else") == "something else"
    assert title_of("mean_interval_s") == "mean interval (s)"


def test_rates_and_intervals_are_summarised_in_their_units():
    windows = np.zeros((1, 10, 1), np.uint8)
    windows[0, ::2] = 1  # every second bin of 20 ms
    assert STATISTICS["rates"].summary(STATISTICS["rates"].function(windows), 0.02) == pytest.approx(25)
    intervals = STATISTICS["interspike_intervals"]
    assert intervals.summary(intervals.function(windows), 0.02) == pytest.approx(40)
    assert (STATISTICS["rates"].label, intervals.label) == ("rates, Hz", "interspike intervals, ms")


def test_bundles_that_ship_are_written_with_keys():
    for name in bundles():
        bundle = load_bundle(name)
        keys = SPIKE_STATISTICS if bundle.card.signal == "spikes" else TRACE_STATISTICS
        assert set(bundle.reference) == set(keys)
        assert set(keys) <= set(bundle.card.realism["statistics"]) <= set(STATISTICS)


def test_an_older_bundle_is_read_by_its_titles(tmp_path):
    old = {"Fano factor": np.ones(4), "lag-1 covariance": np.eye(4), "rates": np.zeros(4)}
    bundle = write_bundle(tmp_path / "old", tiny_card(4), tiny_generator(4), b"", old)
    assert set(bundle.reference) == {"fano_factor", "lag_1_covariance", "rates"}


def test_traces_have_no_statistics_of_spikes():
    assert not {"rates", "fano_factor", "window_counts", "population_count"} & set(TRACE_STATISTICS)


def test_dynamic_statistics_are_beside_the_classic_ones(random):
    windows = random.poisson(0.4, (40, 12, 4)).astype(np.uint8)
    assert list(statistics_of(windows)) == list(SPIKE_STATISTICS)
    assert list(statistics_of(windows, ("classic", "dynamic"))) == [*SPIKE_STATISTICS, *DYNAMIC_STATISTICS]
    assert {group_of(key) for key in DYNAMIC_STATISTICS} == {"dynamic"}
    assert set(judging("fluorescence", "dynamic")) == {"participation_ratio", "cross_correlograms"}
    assert group_of("population_count_divergence") == "classic"


EDGES = {
    "silence": np.zeros((5, 8, 3), np.uint8),
    "all at once": np.ones((5, 8, 3), np.uint8),
    "one spike": np.eye(1, 40, dtype=np.uint8).reshape(5, 8, 1),
    "large counts": np.full((4, 6, 12), 255, np.uint8) * (np.arange(12) % 3 == 0).astype(np.uint8),
    "one window of one bin": np.ones((1, 1, 5), np.uint8),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("windows", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("key", DYNAMIC_STATISTICS)
def test_a_dynamic_statistic_is_defined_of_units_that_are_few_or_silent_or_never_vary(key, windows):
    statistic = DYNAMIC_STATISTICS[key]
    value = statistic.function(windows)
    assert np.isfinite(value).all()
    assert statistic.distance(value, value) == 0 or value.size == 0


@pytest.mark.parametrize("key", judging("fluorescence", "dynamic"))
def test_a_dynamic_statistic_of_traces_is_that_of_the_same_counts(key, random):
    windows = random.poisson(0.4, (40, 12, 4)).astype(np.uint8)
    counted, traced = (STATISTICS[key].function(windows.astype(kind)) for kind in (np.uint8, np.float32))
    np.testing.assert_allclose(counted, traced, atol=1e-5)
