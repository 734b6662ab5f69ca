"""Which stream is meant, in words."""

import pylsl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.stream_query import StreamQuery, describe_origin


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("hand", StreamQuery("hand")),
        ("hand?source_id=mouse 1", StreamQuery("hand", source_id="mouse 1")),
        ("hand?host=lab-pc", StreamQuery("hand", host="lab-pc")),
        ("hand?host=lab-pc&source_id=a%26b%2Bc", StreamQuery("hand", "a&b+c", "lab-pc")),
        ("really?", StreamQuery("really?")),
        ("a?b?source_id=c", StreamQuery("a?b", "c")),
        ("a?b=c", StreamQuery("a?b=c")),
    ],
)
def test_a_name_may_have_source_id_and_host_after_it(text, query):
    assert StreamQuery.parse(text) == query


@pytest.mark.parametrize("text", ["", "?host=a", "hand?host=", "hand?host=a&host=b", "hand?host=a&rate=3"])
def test_what_is_none_is_told_with_the_option(text):
    with pytest.raises(BadInputError, match="--user: expected the name of a stream, or NAME"):
        StreamQuery.parse(text, "--user")


@given(st.text(min_size=1).filter(lambda name: "?" not in name))
def test_every_other_name_is_itself(name):
    assert StreamQuery.parse(name) == StreamQuery(name)


def test_all_that_is_given_must_fit():
    info = pylsl.StreamInfo("hand", "Mouse", 2, 0, pylsl.cf_float32, "mouse 1")
    assert StreamQuery(None).matches(info)
    assert StreamQuery("hand", "mouse 1", info.hostname()).matches(info)
    assert not StreamQuery("foot").matches(info)
    assert not StreamQuery("hand", "mouse 2").matches(info)
    assert not StreamQuery("hand", host="elsewhere!").matches(info)
    assert str(StreamQuery("hand", "a", "b")) == "'hand' with source_id 'a' and host 'b'"
    assert "source_id 'mouse 1'" in describe_origin(info)
    assert "no source_id" in describe_origin(pylsl.StreamInfo("hand", "Mouse", 2, 0, pylsl.cf_float32, ""))
