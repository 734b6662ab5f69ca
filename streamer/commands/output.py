"""What every command does with its results: one JSON document on stdout, or words for people."""

import json
import math
from collections.abc import Sequence
from itertools import zip_longest
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.table import Table

from spikeloop.exporters.documents import json_values
from spikeloop.models.measures.similarity import Similarity, in_words, verdict
from spikeloop.models.measures.table import title_of

WIDE = 100  # columns of a terminal that has room for everything

__all__ = ["WIDE", "SideConsole", "print_json", "print_similarity", "print_wrapped"]


class SideConsole(Console):
    """On stderr; where its reader is gone it is quiet, while rich's own would end the program and take stdout along."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        self.quiet = True


def print_json(document: Any) -> None:
    """Print one document; NaN becomes null, as JSON has none."""
    print(json.dumps(json_values(document), indent=1, allow_nan=False), flush=True)


def print_wrapped(text: str, width: int, indent: str = "") -> None:
    """Print a paragraph in lines that don't cut a path or a number."""
    print(
        fill(
            text, width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False,
            break_on_hyphens=False,
        )
    )  # fmt: skip


def print_similarity(similarity: Sequence[Similarity], judged_on: str, reachable: Sequence[Similarity] = ()) -> None:
    """Print verdicts as a table, and beside them the E/F of the training data in the model's place, where it is known.

    Parameters
    ----------
    similarity : sequence of Similarity
    judged_on : str
        What the model was compared with.
    reachable : sequence of Similarity, default none
        Of the training data, as many.
    """
    console = Console()
    wide = console.width >= WIDE
    has_intervals = any(not math.isnan(row.low) for row in similarity)
    table = Table(
        "statistic", "E", "F", "I", "E/F", *(["reachable"] if reachable else []), *(["95 %"] if has_intervals else []),
        *(["excess"] if wide else []), "", box=None, pad_edge=False,
    )  # fmt: skip
    for row, reached in zip_longest(similarity, reachable):
        figures = (f"{figure:.3g}" for figure in (row.error, row.floor, row.ceiling))
        reach = [] if reached is None else [_number(reached.ratio, 2)]
        interval = "" if math.isnan(row.low) else f"{row.low:.2f}-{row.high:.2f}"
        intervals = [interval] if has_intervals else []
        excess = [_number(row.excess, 3)] if wide else []
        table.add_row(
            title_of(row.statistic),
            *figures,
            _number(row.ratio, 2),
            *reach,
            *intervals,
            *excess,
            in_words(verdict(row)),
        )
    print(f"judged on {judged_on}:")
    console.print(table)
    print("E: distance of the model to the judged data; F, the floor: of other recorded")
    print("data, so E/F = 1 is as good as more recording; I: of independent units at the")
    print("same rates" + ("; excess (E-F)/(I-F): 0 perfect, 1 no better than these" if wide else ""))
    if reachable:
        print("reachable: E/F of the training data in the model's place, which differ from the")
        print("judged data as the session drifts")


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
