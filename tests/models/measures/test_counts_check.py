"""What is said of values that are no spike counts."""

import numpy as np
import pytest

from spikeloop.models.measures.counts_check import JUDGED_S, CountsCheck

BIN_S = 0.004


def judged(values: np.ndarray, invalid: bool = True) -> str:
    check = CountsCheck(BIN_S)
    for at_s in (0.0, JUDGED_S / 2, JUDGED_S):
        check.add(values, len(values) if invalid else 0, at_s)
    return check.finding


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ([[-57.25, 61.5]], "values from -57.25 to 61.5 at 250 Hz look like a voltage; detect its spikes"),
        ([[0.5, 12.31]], "are fractions, as of rates or smoothed counts; send the counts before"),
        (
            [[250.0, 500.0], [0.0, 1250.0]],
            "look like rates, counts divided by the bin size; send the counts themselves",
        ),
        ([[-3, 12]], "negative whole numbers are no counts, and look like the raw samples of an amplifier"),
        ([[3, 40_000]], "more than 1000 is no count"),
        ([[np.nan, np.inf]], "all values are NaN or infinite; see whether its sender has data"),
        ([[np.nan, 1.0]], "50% of the values are NaN or infinite; leave units without data out"),
    ],
)
def test_what_it_looks_like_and_what_to_do(values, finding):
    said = judged(np.array(values))
    assert said.startswith("no whole counts: ")
    assert finding in said


def test_nothing_is_said_of_counts_nor_before_two_seconds():
    assert judged(np.array([[0, 3]]), invalid=False) == ""
    check = CountsCheck(BIN_S)
    check.add(np.array([[0.5]]), 1, 0.0)
    check.add(np.array([[0.5]]), 1, JUDGED_S - 0.1)
    assert check.finding == ""


def test_it_is_no_longer_said_when_counts_come():
    check = CountsCheck(BIN_S)
    check.add(np.array([[0.5]]), 1, 0.0)
    check.add(np.array([[0.5]]), 1, JUDGED_S)
    assert check.finding
    check.add(np.array([[2.0]] * 5), 0, 2 * JUDGED_S)
    assert check.finding == ""
