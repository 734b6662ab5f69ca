import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.significant import significant


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.24381, 2, "0.24"), (3847.2, 2, "3847"), (0.998, 2, "1.0"), (9.96, 2, "10"), (99.96, 3, "100"),
        (-0.0312, 2, "-0.031"), (1.5, 1, "2"), (0.0, 2, "0"), (0.0000123, 2, "1.2e-05"), (math.nan, 2, "-"),
        (math.inf, 2, "inf"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_that_say_something(value, digits, text):
    assert significant(value, digits) == text


@given(st.floats(1e-3, 1e9), st.integers(1, 6))
def test_the_text_is_the_number_to_that_many_digits(value, digits):
    text = significant(value, digits)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.5 * 10 ** (1 - digits) * 1.001)
    assert len(text.replace(".", "").lstrip("0")) >= digits
