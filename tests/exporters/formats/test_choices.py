import numpy as np
import pytest

from spikeloop.exporters.formats.choices import Choices, chosen_numbers, is_range, per_second, split_unit
from spikeloop.models.errors import BadInputError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("all", [0, 1, 2, 3, 4, 5]), ("0-2", [0, 1, 2]), ("4,1-2", [4, 1, 2]), ("5", [5]), (" 0 - 1 , 3 ", [0, 1, 3])],
)
def test_numbers_and_ranges_are_chosen_in_their_order(text, numbers):
    np.testing.assert_array_equal(chosen_numbers("--units", text, 6, "units"), numbers)


@pytest.mark.parametrize("text", ["6", "2-1", "0-9", "good", "", "1,,2", "-1", "1.5", "0-"])
def test_numbers_that_there_are_not_are_refused(text):
    with pytest.raises(BadInputError, match="--units: expected"):
        chosen_numbers("--units", text, 6, "units")


@pytest.mark.parametrize(
    ("text", "rate"), [("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9), ("30000 Hz", 30000.0), ("2.5e4Hz", 25000.0)]
)
def test_a_unit_of_time_is_so_many_in_a_second(text, rate):
    assert per_second(text) == rate


@pytest.mark.parametrize("text", ["min", "30000", "0 Hz", "Hz", "-5 Hz", "1e999 Hz"])
def test_an_unknown_unit_of_time_is_refused(text):
    with pytest.raises(BadInputError, match="--time-unit: expected"):
        Choices.checked(time_unit=text)


def test_a_name_may_end_in_a_unit():
    assert split_unit("velocity x [cm/s]") == ("velocity x", "cm/s")
    assert split_unit("velocity x") == ("velocity x", None)
    assert split_unit("phase []") == ("phase", "")


def test_transposed_is_units_first():
    assert Choices.checked(transpose=True).axes == ("units", "bins", "trials")
    assert Choices.checked(axes="units, bins").axes == ("units", "bins")
    assert Choices.checked(axes=["trials", "units", "bins"]).axes == ("trials", "units", "bins")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": "units"}, "--axes: expected bins and units"),
        ({"axes": "units,units"}, "--axes: expected bins and units"),
        ({"axes": "bins,units", "transpose": True}, "--transpose: expected no --axes"),
        ({"bin_size_s": 0}, "--bin-size-ms"),
        ({"repeat_bins": 0}, "--repeat-bins"),
        ({"start_s": 2.0, "stop_s": 1.0}, "--stop: expected a time after --start 2 s, found 1 s"),
        ({"start_s": "soon"}, "--start: expected"),
        ({"max_gap_s": -1}, "--max-gap-ms"),
        ({"conditions": ["velocity"]}, "--condition: expected names"),
        ({"rename": {"a": 3}}, "--rename: expected names"),
        ({"units": 3}, "--units: expected numbers"),
        ({"key": 3}, "--key: expected text"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(BadInputError, match=message):
        Choices.checked(**options)


def test_numbers_are_chosen_from_python_too():
    assert Choices.checked(units=range(3), trials=[4, 2]) == Choices(units="0,1,2", trials="4,2")
    assert is_range("0,1,2")
