"""What every command does with its results: one JSON document on stdout, or words for people."""

import dataclasses
import json
import math
from typing import Any

__all__ = ["print_json"]


def print_json(document: Any) -> None:
    """Print one document; NaN becomes null, as JSON has none."""
    print(json.dumps(_plain(document), indent=1), flush=True)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
