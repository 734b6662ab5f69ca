from typing import Any

import numpy as np
import pytest

from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.stabilizer import Stabilized
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.closedloop.days.policies import parse_policies
from spikeloop.streamer.closedloop.experiment.record import Block

OWN = """
class Own:
    warm_up = 5
    def relearn(self, decoder, block, gain): pass
broken = 3
"""


def only(text) -> Any:
    (spec,) = parse_policies(text)
    return spec


def block(bins, velocity, target, on_target=False, counts=None):
    """A stretch of a closed loop in which the same goes on in all bins."""
    return Block(
        name="before recalibration",
        counts=np.zeros((bins, 3)) if counts is None else counts,
        arrived=np.ones(bins, bool),
        intended_velocity=np.zeros((bins, 2)),
        velocity=np.tile(np.array(velocity, float), (bins, 1)),
        position=np.zeros((bins, 2)),
        target=np.tile(np.array(target, float), (bins, 1)),
        on_target=np.full(bins, on_target),
        trial=np.zeros(bins, np.int64),
    )


class Taught:
    """Remembers what it was fitted to."""

    def fit(self, counts, kinematics):
        self.kinematics = kinematics

    def step(self, counts):
        return np.zeros(2)


def test_each_policy_says_when_it_calibrates_and_from_how_many_trials_it_learns():
    found = {spec.name: spec for spec in parse_policies(["none", "daily", "refit:7", "stabilize"])}
    assert {name: spec.warm_up for name, spec in found.items()} == {
        "none": 0,
        "daily": 0,
        "refit:7": 7,
        "stabilize": 32,
    }
    calibrates = {name: [spec.make().calibrates(day) for day in range(3)] for name, spec in found.items()}
    assert calibrates.pop("daily") == [True, True, True]
    assert all(days == [True, False, False] for days in calibrates.values())


def test_no_policy_but_one_wraps_the_decoder():
    decoder = KalmanDecoder()
    assert isinstance(only("stabilize").make().wrap(decoder), Stabilized)
    for text in ("none", "daily", "refit"):
        assert only(text).make().wrap(decoder) is decoder


def test_refit_takes_later_speeds_for_those_of_its_first_day():
    policy, decoder = only("refit").make(), Taught()
    policy.relearn(decoder, block(5, (3.0, 4.0), (0.0, 8.0)), 1.0)
    np.testing.assert_allclose(decoder.kinematics, np.tile([0.0, 5.0], (5, 1)))
    policy.relearn(decoder, block(5, (0.0, 2.0), (8.0, 0.0)), 1.0)
    np.testing.assert_allclose(decoder.kinematics, np.tile([5.0, 0.0], (5, 1)))
    policy.relearn(decoder, block(5, (0.0, 2.0), (8.0, 0.0), on_target=True), 1.0)  # where nothing is to be scaled by
    assert not decoder.kinematics.any()


def test_stabilize_counts_from_the_later_half_of_each_pause():
    seen = []

    class Watched(Stabilized):
        def update(self, counts, at_rest=None):
            seen.append((counts, at_rest))

    policy: Any = only("stabilize").make()
    policy.wrap(Taught())
    policy._stabilized = Watched(Taught())
    happened = block(10, (0.0, 0.0), (1.0, 1.0), counts=np.arange(30).reshape(10, 3))
    happened.target[[0, 1, 2, 3, 7, 8]] = np.nan
    happened.arrived[3] = False
    policy.relearn(Taught(), happened, 1.0)
    (counts, at_rest), arrived = seen[0], np.delete(np.arange(10), 3)
    np.testing.assert_array_equal(counts, happened.counts[arrived])
    np.testing.assert_array_equal(arrived[at_rest], [2, 8])


def test_a_policy_of_ones_own_needs_one_method_and_may_have_the_others(tmp_path):
    class Own:
        warm_up = 3

        def __init__(self):
            self.learned = []

        def calibrates(self, day):
            return day % 2 == 0

        def relearn(self, decoder, block, gain):
            self.learned.append(gain)

    (tmp_path / "own.py").write_text(OWN)
    own, of_file = parse_policies([Own, f"python:{tmp_path / 'own.py'}:Own"])
    assert (own.name, own.warm_up, of_file.warm_up) == ("Own", 3, 5)
    policy: Any = own.make()
    decoder = Taught()
    assert [policy.calibrates(day) for day in range(3)] == [True, False, True]
    assert policy.wrap(decoder) is decoder
    policy.relearn(decoder, block(1, (0, 0), (0, 0)), 2.0)
    assert policy.policy.learned == [2.0]
    there = of_file.make()
    assert [there.calibrates(day) for day in range(2)] == [True, False]
    there.close()


def test_a_policy_in_a_file_imports_its_neighbours_and_takes_arguments(tmp_path):
    (tmp_path / "beside_the_policy.py").write_text("TRIALS = 7\n")
    (tmp_path / "own.py").write_text(
        "from beside_the_policy import TRIALS\n\n\nclass Own:\n    warm_up = TRIALS\n\n"
        "    def __init__(self, every=1):\n"
        "        self.every = every\n\n    def relearn(self, decoder, block, gain): ...\n"
    )
    (spec,) = parse_policies(f"python:{tmp_path / 'own.py'}:Own(every=3)", in_process=True)
    policy: Any = spec.make()
    assert (spec.warm_up, policy.policy.every) == (7, 3)


@pytest.mark.parametrize(
    "policies", ["", "nothing", "none:3", "daily:1", "refit:0", "refit:x", "refit:99999", "refit:", "python:", 3, [],
                 ["none", "none"], "python:nowhere.py:Own", "python:Own"]
)  # fmt: skip
def test_what_is_no_policy_is_refused(policies):
    with pytest.raises(BadInputError, match="--policy"):
        parse_policies(policies)


def test_what_makes_no_policy_is_refused(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    for name in ("missing", "broken"):
        with pytest.raises(BadInputError, match=name):
            parse_policies(f"python:{tmp_path / 'own.py'}:{name}")

    class Many:
        warm_up = 10**6

    with pytest.raises(BadInputError, match="warm_up"):
        parse_policies([Many])
    with pytest.raises(BadInputError, match="relearn"):
        only([dict]).make()

    def fails():
        raise ValueError("not today")

    with pytest.raises(FailureError, match="fails failed: ValueError: not today"):
        only([fails]).make()

    class Wraps:
        def wrap(self, decoder):
            return None

        def relearn(self, decoder, block, gain): ...

    with pytest.raises(BadInputError, match="expected wrap to give a decoder .*found NoneType without fit and step"):
        only([Wraps]).make().wrap(KalmanDecoder())
