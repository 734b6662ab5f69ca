"""Latency by stage: which bin an aim drove, and what a page adds."""

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.play.latency import STAGES, AimSeen, AimTimes, StageTimes


def conditions(*values):
    return np.array([[value, 0.0] for value in values], np.float32)


def test_an_aim_is_found_in_the_first_bin_that_it_drove_once_that_is_decoded():
    times = AimTimes()
    times.aimed(1, 7, 10.0, conditions(5)[0])
    times.decoded(100, 10.05)
    assert times.drove(99, np.array([10.01]), conditions(0)) == []
    assert times.drove(100, np.array([10.03]), conditions(5)) == [AimSeen(1, 7, 10.0, 100, 10.03, 10.05)]
    assert times.drove(101, np.array([10.05]), conditions(5)) == []


def test_an_aim_whose_condition_comes_before_its_counts_waits_for_them():
    times = AimTimes()
    times.aimed(1, 7, 10.0, conditions(5)[0])
    assert times.drove(100, np.array([10.03]), conditions(5)) == []
    times.decoded(100, 10.06)
    (seen,) = times.drove(101, np.array([10.05]), conditions(5))
    assert (seen.bin, seen.decoded_s) == (100, 10.06)


def test_aims_that_drove_no_bin_or_can_not_be_told_from_the_one_before_are_left_out():
    times = AimTimes()
    for number, (at_s, value) in enumerate([(10.0, 5), (10.001, 6), (10.002, 6)]):
        times.aimed(number, 7, at_s, conditions(value)[0])
    times.decoded(100, 10.05)
    assert [seen.number for seen in times.drove(100, np.array([10.02]), conditions(6))] == [1]
    assert times.drove(101, np.array([10.04]), conditions(5)) == []


def test_stages_add_up_to_the_total():
    stages = StageTimes()
    for number in range(100):
        stages.expect(AimSeen(number, 7, 1.010, 5, 1.030, 1.034))
    stages.complete(7, [[number, 1.0, 1.036, 1.050] for number in range(100)])
    stages.complete(7, [[5, 1.0, 1.036, 1.050]])  # twice
    found = stages.document()
    assert found["samples"] == 100
    medians = {name: found["stages"][name]["p50_ms"] for name in STAGES}
    expected = {"hand": 10, "population": 20, "decoder": 4, "network": 2, "screen": 14, "total": 50}
    assert medians == pytest.approx(expected)
    assert len(stages.since(90)["total"]) == 10


def test_only_the_page_of_an_aim_completes_it():
    stages = StageTimes()
    stages.expect(AimSeen(1, 7, 1.0, 5, 1.0, 1.0))
    stages.complete(8, [[1, 1.0, 1.0, 1.0]])
    stages.complete(7, [[2, 1.0, 1.0, 1.0]])
    assert len(stages) == 0


@pytest.mark.parametrize("samples", [None, {}, [3], [[1, 2, 3]], [[1, 2, 3, "x"]], [[1, 2, 3, float("inf")]]])
def test_what_is_no_measurement_is_refused(samples):
    with pytest.raises(BadInputError, match="samples: expected lists of four numbers"):
        StageTimes().complete(1, samples)
