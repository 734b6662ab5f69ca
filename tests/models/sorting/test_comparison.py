"""Found spikes against true ones, with an independent count beside."""

import warnings

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.sorting.comparison import compare_trains
from spikeloop.models.sorting.trains import UnitTrains

with warnings.catch_warnings():  # its own
    warnings.simplefilter("ignore")
    pytest.importorskip("spikeinterface.comparison", reason="needs spikeinterface")

pytestmark = pytest.mark.filterwarnings("ignore")


def poisson(random: np.random.Generator, units: int = 5, seconds: float = 60.0, rate_hz: float = 8.0) -> UnitTrains:
    """Units with pauses of at least 3 ms after each spike, so that pairs are plain."""
    gaps = [0.003 + random.exponential(1 / rate_hz, int(2 * seconds * rate_hz)) for _ in range(units)]
    trains = [np.cumsum(gap)[np.cumsum(gap) < seconds] for gap in gaps]
    return UnitTrains.of("truth", [f"true {number}" for number in range(units)], trains)


def pairs(true_s: np.ndarray, found_s: np.ndarray, within_s: float) -> int:
    """True spikes that have a found one near, where each has one at most."""
    return sum(bool(np.abs(found_s - at_s).min(initial=np.inf) <= within_s) for at_s in true_s)


def test_the_truth_itself_is_found_without_a_fault(random):
    truth = poisson(random)
    score = compare_trains(truth, truth)
    assert score.accuracy == 1
    assert score.well_detected == 5
    assert [unit.found for unit in score.units] == list(truth.unit_names)
    assert (score.latency_ms, score.jitter_ms, score.unmatched) == (0, 0, ())


def test_each_figure_is_that_of_counting_by_hand(random):
    truth = poisson(random)
    lost = [train[random.random(len(train)) < 0.8] for train in truth.trains_s]
    added = [np.sort(np.concatenate([train, random.uniform(0, 60, 60)])) for train in lost]
    found = UnitTrains.of("found", list("edcba"), added[::-1])
    score = compare_trains(truth, found, 0.4)
    for number, unit in enumerate(score.units):
        true_s = truth.between(score.start_s, score.stop_s).trains_s[number]
        found_s = found.between(score.start_s, score.stop_s).trains_s[4 - number]
        both = pairs(true_s, found_s, 0.4e-3)
        assert unit.found == "abcde"[number]
        assert (unit.spikes, unit.found_spikes) == (len(true_s), len(found_s))
        assert unit.pairs == pytest.approx(both, abs=2)  # of two found spikes near a true one, one counts
        assert unit.accuracy == pytest.approx(unit.pairs / (len(true_s) + len(found_s) - unit.pairs))
        assert unit.precision == pytest.approx(unit.pairs / len(found_s))
        assert unit.recall == pytest.approx(unit.pairs / len(true_s))
        assert score.agreement[number, 4 - number] == pytest.approx(unit.accuracy)


@pytest.mark.parametrize("offset_s", [0.0, -2.0])
def test_latency_and_jitter_are_those_that_were_put_in(random, offset_s):
    truth = poisson(random)
    late = [train + 0.25e-3 - offset_s + 0.04e-3 * random.standard_normal(len(train)) for train in truth.trains_s]
    score = compare_trains(truth, UnitTrains.of("found", truth.unit_names, late), 0.5, offset_s)
    assert score.latency_ms == pytest.approx(0.25 - 1000 * offset_s, abs=0.01)
    assert score.jitter_ms == pytest.approx(0.04, rel=0.1)
    for unit in score.units:
        assert unit.latency_ms == pytest.approx(0.25 - 1000 * offset_s, abs=0.02)


def test_units_that_were_not_found_and_found_units_of_nobody_are_named(random):
    truth, others = poisson(random), poisson(random, 2)
    found = UnitTrains.of("found", ["a", "b", "x", "y"], [*truth.trains_s[:2], *others.trains_s])
    score = compare_trains(truth, found)
    assert [unit.found for unit in score.units] == ["a", "b", None, None, None]
    lost = score.units[2]
    assert (lost.accuracy, lost.recall, lost.pairs) == (0, 0, 0)
    assert np.isnan([lost.precision, lost.latency_ms, lost.jitter_ms]).all()
    assert score.unmatched == ("x", "y")
    assert score.accuracy == pytest.approx(2 / 5)
    assert "2 of 5 units found" in str(score)


def test_redundant_and_overmerged_units_are_named(random):
    truth = poisson(random)
    first, second, third = truth.trains_s[:3]
    merged, most = np.sort(np.concatenate([second, third])), len(first) * 2 // 3
    found = UnitTrains.of("found", ["most", "rest", "merged"], [first[:most], first[most:], merged])
    score = compare_trains(truth, found)
    assert score.redundant == ("rest",)
    assert score.overmerged == ("merged",)


def test_only_the_stretch_counts_in_which_both_have_spikes(random):
    truth = poisson(random)
    score = compare_trains(truth, truth.between(20.0, 40.0))
    assert score.accuracy == 1
    assert score.start_s == pytest.approx(20, abs=0.3)
    assert score.stop_s == pytest.approx(40, abs=0.3)


@pytest.mark.parametrize("moved_s", [100.0, np.nan])
def test_nothing_in_common_is_refused(random, moved_s):
    truth = poisson(random)
    with pytest.raises(BadInputError, match="found none in common; their clocks may differ: try --offset auto"):
        compare_trains(truth, UnitTrains.of("found", truth.unit_names, truth.moved(moved_s).trains_s))
