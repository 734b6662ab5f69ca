import pytest

from spikeloop.models.decoders.call_text import CallText, parse_call
from spikeloop.models.errors import BadInputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ridge", CallText("Ridge")),
        ("linear_model.Ridge()", CallText("linear_model.Ridge")),
        ("Ridge(alpha=10)", CallText("Ridge", (), {"alpha": 10})),
        (
            "Net(-1.5, 'a:b)', sizes=(8, [2]), on=None)",
            CallText("Net", (-1.5, "a:b)"), {"sizes": (8, [2]), "on": None}),
        ),
    ],
)
def test_a_name_is_parsed_with_its_arguments(text, expected):
    assert parse_call(text, "--decoder") == expected


@pytest.mark.parametrize(
    "text",
    ["", "(1)", "a b", "1st", "..os", "Ridge(", "Ridge(1))", "Ridge(1)(2)", "Ridge(1).fit(2)", "Ridge(1); x()",
     "f(*[1])", "f(**{'a': 1})", "f(x)", "f(a=__import__('os').system('true'))", "f(1 if 1 else 2)", "f(" + "(" * 5000],
)  # fmt: skip
def test_what_is_no_name_with_literal_arguments_is_refused(text):
    with pytest.raises(BadInputError, match="--decoder mine: expected"):
        parse_call(text, "--decoder mine")
