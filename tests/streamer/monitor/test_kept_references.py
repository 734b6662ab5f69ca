import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikeloop.models.drift.alarm import DriftAlarm
from spikeloop.streamer.monitor.kept_references import MOST_KEPT, KeptReferences
from spikeloop.streamer.monitor.reference import Reference, refer_to_sample
from tests.support.monitored import BIN_SIZE_S, WINDOW_BINS, simulate

FACTS = ("bundle", None, 30.0)


@pytest.fixture(scope="module")
def made() -> Reference:
    reference = refer_to_sample("a sample", simulate(6, 40_000, seed=1), BIN_SIZE_S, WINDOW_BINS, 30.0, 0.1)
    assert reference.drift is not None
    return reference


@pytest.fixture
def kept(made: Reference, tmp_path: Path) -> KeptReferences:
    kept = KeptReferences(tmp_path / "references")
    kept.keep(made, *FACTS)
    return kept


def assert_same(found: Any, expected: Any) -> None:
    """The same to the bit, whatever is nested in it."""
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    else:
        assert type(found) is type(expected) or isinstance(expected, np.generic)
        np.testing.assert_array_equal(found, expected)


def test_a_reference_comes_back_as_it_was(kept, made):
    found = kept.find(*FACTS)
    assert_same(found, made)
    assert isinstance(found.drift, type(made.drift))


def test_an_alarm_of_a_kept_reference_judges_the_same(kept, made):
    sample = simulate(6, 20_000, seed=2)
    sample[10_000:, 3] = 0
    alarms = [DriftAlarm(reference.drift) for reference in (made, kept.find(*FACTS))]
    raised = [alarm.add(sample) for alarm in alarms]
    assert raised[0]
    assert raised[0] == raised[1]


@pytest.mark.parametrize("facts", [("another", None, 30.0), ("bundle", "rest", 30.0), ("bundle", None, 31.0)])
def test_of_other_facts_there_is_none(kept, facts):
    assert kept.find(*facts) is None


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_what_was_damaged_is_not_there(kept, tmp_path, share):
    (file,) = (tmp_path / "references").glob("*.npz")
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert kept.find(*FACTS) is None


def test_a_pickle_is_never_loaded(kept, tmp_path):
    (file,) = (tmp_path / "references").glob("*.npz")
    with file.open("wb") as opened:
        np.savez(opened, reference=np.array([{"class": "Reference"}], object))
    assert kept.find(*FACTS) is None


def test_where_nothing_can_be_written_nothing_is_kept(made, tmp_path):
    (tmp_path / "file").write_text("")
    kept = KeptReferences(tmp_path / "file" / "references")
    kept.keep(made, *FACTS)
    assert kept.find(*FACTS) is None


def test_the_oldest_are_removed(kept, made, tmp_path):
    small = dataclasses.replace(made, drift=None, statistics={})
    (oldest,) = (tmp_path / "references").glob("*.npz")
    os.utime(oldest, (1, 1))
    for number in range(MOST_KEPT):
        kept.keep(small, number)
    assert kept.find(*FACTS) is None
    assert all(kept.find(number) is not None for number in range(MOST_KEPT))
