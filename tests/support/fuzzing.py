"""How long the fuzzers of `tests/fuzz` try, and what once failed.

Each of their tests tries few examples, the same in every run. SPIKELOOP_FUZZ=N tries N, others in every run. What fails
is printed as a line to add to the test, and its bytes belong into `tests/fuzz/corpus`.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from spikeloop.models.errors import SpikeloopError
from tests.support.places import REPOSITORY

__all__ = ["EXAMPLES", "NUMBERS", "TEXTS", "VALUES", "corpus", "fuzzed", "refusal", "seeds"]

EXAMPLES = int(os.environ.get("SPIKELOOP_FUZZ", "0"))
CORPUS = REPOSITORY / "tests" / "fuzz" / "corpus"
LONGEST_MESSAGE = 2000
EVERY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, 5e-324, float("nan")])
)
TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(["\x1b[2J\x1b[31m", "\0", "../../etc", "\ud800", "a" * 10_000]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def fuzzed(few: int) -> Callable[[Any], Any]:
    """Decorate a test of Hypothesis: so many examples where SPIKELOOP_FUZZ does not say how many."""
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=not EXAMPLES,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=EVERY,
    )


def seeds(few: int) -> range:
    """Seeds of as many damaged files."""
    return range(EXAMPLES or few)


def corpus(parser: str) -> list[Any]:
    """The inputs of a parser that once failed, by name, for `pytest.mark.parametrize`."""
    return [pytest.param(path, id=path.name) for path in sorted((CORPUS / parser).iterdir())]


def refusal(parse: Callable[[], object]) -> str:
    """Parse something hostile: how it was refused, or nothing where it was accepted.

    Any other error than the house's own fails the test that calls this; and so do messages of many lines, of control
    characters, or without end.
    """
    with np.errstate(all="raise"):
        try:
            parse()
        except SpikeloopError as error:
            text = str(error)
            assert text
            assert text.isprintable(), repr(text)
            assert len(text) <= LONGEST_MESSAGE, text[:300]
            return text
    return ""
