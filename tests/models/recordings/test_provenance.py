from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.recordings.provenance import Provenance, parse_provenance

MADE_BY = Provenance("m1-sim", "ab" * 32, 7, 0.02, 4, 12.5, "resting", 2)


@given(
    st.builds(
        Provenance,
        bundle=st.text(),
        sha256=st.text(),
        seed=st.integers(0, 2**63 - 1),
        bin_size_s=st.floats(1e-5, 10),
        step_bins=st.integers(1, 1000),
        start_s=st.floats(allow_nan=False, allow_infinity=False),
        condition=st.text(),
        latency_bins=st.integers(0, 100),
        signal=st.sampled_from(["spikes", "fluorescence"]),
        version=st.text(),
    )
)
def test_the_facts_are_read_from_texts_and_from_values(made_by):
    entries = asdict(made_by)
    texts = {key: value if isinstance(value, str) else repr(value) for key, value in entries.items()}
    assert parse_provenance(entries) == parse_provenance(texts) == made_by


@pytest.mark.parametrize("fact", asdict(MADE_BY))
def test_without_one_of_the_facts_there_are_none(fact):
    entries = asdict(MADE_BY)
    del entries[fact]
    assert parse_provenance(entries) is None


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("seed", -1), ("seed", 2**63), ("seed", "x"), ("seed", 1.5), ("start_s", "nan"), ("start_s", "inf"),
        ("bin_size_s", 0.0), ("step_bins", 0), ("latency_bins", -1), ("signal", "voltage"),
    ],
)  # fmt: skip
def test_facts_that_can_not_be_are_none(fact, value):
    assert parse_provenance(asdict(MADE_BY) | {fact: value}) is None


def test_what_is_made_now_says_this_version():
    from importlib.metadata import version

    assert MADE_BY.version == version("spikeloop")
