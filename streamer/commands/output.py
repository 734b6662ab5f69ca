"""What every command does with its results: one JSON document on stdout, or words for people."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from spikeloop.models.measures.likeness import Likeness, verdict

WIDE = 100  # columns of a terminal that has room for everything

__all__ = ["SideConsole", "likeness_rows", "print_json", "print_likeness"]


class SideConsole(Console):
    """On stderr; where its reader is gone it is quiet, while rich's own would end the program and take stdout along."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        self.quiet = True


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


def likeness_rows(likeness: Sequence[Likeness]) -> list[dict[str, Any]]:
    """Verdicts as JSON: error, floor, ceiling, ratio and its interval, excess."""
    return [
        dataclasses.asdict(each) | {"ratio": each.ratio, "excess": each.excess, "verdict": verdict(each)}
        for each in likeness
    ]


def print_likeness(likeness: Sequence[Likeness], judged_on: str) -> None:
    """Verdicts as a table, for people."""
    console = Console()
    wide = console.width >= WIDE
    table = Table(
        "statistic", "E", "F", "I", "E/F", "95 %", *(["excess"] if wide else []), "", box=None, pad_edge=False
    )
    for each in likeness:
        figures = (f"{figure:.3g}" for figure in (each.error, each.floor, each.ceiling))
        interval = "" if math.isnan(each.low) else f"{each.low:.2f}-{each.high:.2f}"
        excess = [_number(each.excess, 3)] if wide else []
        table.add_row(each.statistic, *figures, _number(each.ratio, 2), interval, *excess, verdict(each))
    print(f"judged on {judged_on}:")
    console.print(table)
    print("E: distance of the model to the judged data; F, the floor: of other recorded")
    print("data, so E/F = 1 is as good as more recording; I: of independent units at the")
    print("same rates" + ("; excess (E-F)/(I-F): 0 perfect, 1 no better than these" if wide else ""))


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
