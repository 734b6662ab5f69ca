import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.frames import (
    LARGEST_REQUEST_BYTES,
    Kind,
    Request,
    bins_body,
    conditions_body,
    document_body,
    frame,
    importance_body,
    parse_request,
)
from tests.support.web_pages import received, request

FEW = st.sampled_from([0, 0, 1, 2, 255])
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2)
COUNTS = hnp.arrays(st.sampled_from([np.uint8, np.uint16]), SHAPES, elements=FEW)


@given(counts=COUNTS, first_bin=st.integers(0, 2**53), end_s=st.floats(0, 1e9))
def test_counts_come_out_as_they_went_in(counts, first_bin, end_s):
    got = received(frame(Kind.BINS, 7, bins_body(first_bin, end_s, counts)))
    block = got.block(counts.shape[1])
    assert (got.kind, got.sequence, block.first_bin, block.end_s) == (2, 7, first_bin, end_s)
    np.testing.assert_array_equal(block.counts, counts)


def test_conditions_and_importance_are_laid_out_bin_after_bin():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    body = conditions_body(5, 1.5, values)
    assert np.frombuffer(body, "<f8", 2).tolist() == [5, 1.5]
    assert np.frombuffer(body, "<u4", 2, 16).tolist() == [3, 2]
    np.testing.assert_array_equal(np.frombuffer(body, "<f4", offset=24), values.ravel())
    body = importance_body(values.astype(np.uint8), values.astype(np.float64))
    assert np.frombuffer(body, "<u4", 2, 16).tolist() == [3, 2]
    np.testing.assert_array_equal(np.frombuffer(body, "<f4", 6, 24), values.ravel())
    np.testing.assert_array_equal(np.frombuffer(body, "<u2", 6, 48), values.ravel())


def test_a_document_is_json_without_nan():
    assert json.loads(document_body({"a": float("nan"), "b": np.arange(2), "c": "<script>"})) == {
        "a": None, "b": [0, 1], "c": "<script>",
    }  # fmt: skip


def test_a_request_is_its_kind_and_its_payload():
    assert parse_request(request(16, {"values": [1]})) == Request(Kind.CONDITION, b'{"values": [1]}')
    assert parse_request(request(19)) == Request(Kind.RELEASE, b"")


@pytest.mark.parametrize("message", [b"", b"\x10", request(2, {}), request(99), b"<script>alert(1)</script>"])
def test_what_is_no_request_is_refused_in_a_line_that_says_where_to_look(message):
    with pytest.raises(BadInputError, match="expected a message of 8 bytes or more.*docs/web_protocol.md"):
        parse_request(message)


def test_a_request_that_is_too_large_is_refused():
    with pytest.raises(BadInputError, match="expected at most 65536 bytes, found 65537"):
        parse_request(bytes([16]) * (LARGEST_REQUEST_BYTES + 1))


@given(st.binary(max_size=64))
def test_no_message_does_anything_but_parse_or_be_refused(message):
    with suppress(BadInputError):
        assert parse_request(message).kind >= 16
