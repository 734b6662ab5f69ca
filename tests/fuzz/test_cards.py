"""Cards of bundles: anything is a card or is refused in a sentence."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.card import Card, format_card, parse_card
from tests.support.fuzzing import VALUES, corpus, fuzzed, refusal
from tests.support.tiny import tiny_card, tiny_stream_card

WHERE = Path("some.zip")
CARDS = [json.loads(format_card(card)) for card in (tiny_card(3), tiny_stream_card(3))]
CONDITION = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("name", "unit", "low", "high", "least", "greatest", "rest", "period"), VALUES)
)


def check(content: bytes) -> None:
    found: list[Card] = []
    if not refusal(lambda: found.append(parse_card(content, WHERE))):
        again = parse_card(format_card(found[0]), WHERE)
        assert format_card(again) == format_card(found[0])


@fuzzed(90)
@given(st.sampled_from(CARDS), st.dictionaries(st.sampled_from(sorted(CARDS[0])), VALUES, min_size=1, max_size=3))
def test_entries_of_any_value(card, changed):
    check(json.dumps(card | changed).encode("utf-8", "surrogatepass"))


@fuzzed(40)
@given(st.lists(CONDITION, min_size=1, max_size=3))
def test_conditions_of_any_value(conditions):
    check(json.dumps(CARDS[1] | {"conditions": conditions, "latency_bins": 1}).encode("utf-8", "surrogatepass"))


@fuzzed(40)
@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=100).map(str.encode), VALUES.map(lambda v: json.dumps(v).encode())
    )
)
def test_what_is_no_card(content):
    check(content)


@pytest.mark.parametrize("path", corpus("cards"))
def test_what_once_failed(path):
    check(path.read_bytes())
