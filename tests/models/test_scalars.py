"""Checks of single arguments: they return Python's own types, and nothing else than a BadInputError leaves them."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import (
    checked_callable,
    checked_choice,
    checked_number,
    checked_path,
    checked_text,
    checked_whole,
    shown,
)
from tests.support.bad_values import NO_NUMBER, NO_TEXT, NO_WHOLE_NUMBER


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_whole_numbers_become_pythons_own(value):
    assert json.dumps(checked_whole("trials", value, 1)) == "3"


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int8(3), np.array(3.0)])
def test_numbers_become_pythons_own(value):
    assert json.dumps(checked_number("gain", value, 0, 10)) == "3.0"


@pytest.mark.parametrize("value", [*NO_WHOLE_NUMBER, None], ids=shown)
def test_what_is_no_whole_number_in_range_is_refused(value):
    with pytest.raises(BadInputError, match="^trials: expected a whole number from 1 to 100, found "):
        checked_whole("trials", value, 1, 100)


@pytest.mark.parametrize("value", [*NO_NUMBER, None, -1, 11, float("nan"), float("inf")], ids=shown)
def test_what_is_no_number_in_range_is_refused(value):
    with pytest.raises(BadInputError, match="^gain: expected 0 to 10 s, found "):
        checked_number("gain", value, 0, 10, "s")


@pytest.mark.parametrize("value", [*NO_TEXT, None, ""], ids=shown)
def test_what_is_no_choice_is_refused(value):
    with pytest.raises(BadInputError, match="^device: expected auto, cpu or cuda, found "):
        checked_choice("device", value, ("auto", "cpu", "cuda"))


@pytest.mark.parametrize("value", [*NO_TEXT, None], ids=shown)
def test_what_is_no_text_path_or_function_is_refused(value):
    for check in (checked_text, checked_path, checked_callable):
        with pytest.raises(BadInputError, match="^this: expected a? ?(text|path|function), found "):
            check("this", value)


@pytest.mark.parametrize("value", ["", "a\0b", Path("a\0b")])
def test_what_no_disk_can_hold_is_no_path(value):
    with pytest.raises(BadInputError, match="^out: expected the path of a file or folder, found "):
        checked_path("out", value)
    assert checked_path("out", "runs/mine") == checked_path("out", Path("runs/mine")) == Path("runs/mine")


def test_a_value_that_can_not_be_shown_is_named_by_its_type():
    assert shown(10**5000) == "a value of type int"
    assert len(shown("long" * 100)) == 80
