"""Plans of faults: the same for the same seed, and any fault of them alone as among the others."""

from itertools import islice

import pytest

from tests.soak.faults.registry import FAULTS
from tests.soak.plan import drawn, planned

KINDS = list(FAULTS)


def first(number, **options):
    return list(islice(planned(faults=KINDS, **options), number))


def test_a_seed_gives_one_plan_and_another_seed_another():
    assert first(100, seed=3) == first(100, seed=3) != first(100, seed=4)


def test_every_kind_comes_equally_often():
    faults = [each.fault for each in first(20 * len(KINDS), seed=0)]
    assert {kind: faults.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 20)


@pytest.mark.parametrize("number", [1, 7, 61])
def test_a_number_alone_is_that_fault_with_all_that_it_draws(number):
    (alone,) = planned(5, KINDS, [str(number)])
    assert alone == first(100, seed=5)[number - 1]
    assert drawn(5, alone.number).random() == drawn(5, number).random() != drawn(5, number + 1).random()


def test_a_kind_alone_comes_without_end_and_at_its_numbers():
    only = first(10, seed=5, only=["kill"])
    assert {each.fault for each in only} == {"kill"}
    assert only == [each for each in first(200, seed=5) if each.fault == "kill"][:10]
