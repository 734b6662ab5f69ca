import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from spikeloop.exporters.documents import json_values, parsed_json, print_line


@dataclass
class Result:
    name: str
    ratios: tuple[float, ...]
    counts: np.ndarray


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_what_is_not_finite_becomes_null(value):
    assert json_values({"a": [value, (value,)], "b": value}) == {"a": [None, [None]], "b": None}


def test_dataclasses_arrays_and_numpy_scalars_become_plain_values():
    result = Result("kalman", (1.5, math.nan), np.array([[1, 2], [3, 4]], np.uint8))
    document = json_values({"found": result, 3: np.int64(7), "yes": np.bool_(True), "array": np.array([math.nan, 1.0])})
    assert document == {
        "found": {"name": "kalman", "ratios": [1.5, None], "counts": [[1, 2], [3, 4]]},
        "3": 7,
        "yes": True,
        "array": [None, 1.0],
    }
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError("full"), SystemExit(1)])
def test_a_line_for_a_reader_who_is_gone_is_dropped(error):
    asked = []

    class Gone:
        def print(self, *args, **_options):
            asked.extend(args)
            raise error

    print_line(Gone(), "[bold]as it is[/]")  # type: ignore[arg-type]
    assert asked == ["[bold]as it is[/]"]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[" * 5000 + "]" * 5000, '{"a":' * 500 + "1" + "}" * 500, b"\xff"]
)
def test_json_from_elsewhere_that_can_not_be_used_is_none(text):
    assert parsed_json(text) is None


def test_json_from_elsewhere_is_what_it_holds():
    assert parsed_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    assert parsed_json(b"[" * 90 + b"]" * 90) is not None
