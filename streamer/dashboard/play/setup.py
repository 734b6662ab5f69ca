"""What a visitor asks to play, checked."""

import math
from dataclasses import dataclass
from typing import Any

from spikeloop.exporters.documents import parsed_json
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_number, checked_whole, is_number
from spikeloop.streamer.closedloop.experiment.tasks import TASKS, Grid, Task

__all__ = ["EXTENT_CM", "GameSetup", "fields_of", "parse_game", "parse_velocity"]

EXTENT_CM = 24.0  # side of the workspace of every task
FEWEST_CELLS, MOST_CELLS = 2, 60
SHORTEST_S, LONGEST_S = 1.0, 3600.0
LARGEST_SEED = 2**53 - 1  # that a page can hold
SELECTIONS = ("click", "dwell")


@dataclass(frozen=True)
class GameSetup:
    """A game that was asked for.

    Attributes
    ----------
    task : Task
        Of `EXTENT_CM`; geometry and success are those of a closed loop.
    by_click : bool
        Whether a click selects, and staying doesn't.
    length_s : float > 0, s
    seed : int >= 0
        Of the targets: the same seed gives the same ones.
    """

    task: Task
    by_click: bool
    length_s: float
    seed: int


def fields_of(payload: bytes, *names: str) -> dict[str, Any]:
    """Parse a JSON object that has these fields; BadInputError where it is none."""
    document = parsed_json(payload)
    if not isinstance(document, dict) or any(name not in document for name in names):
        raise BadInputError(f"expected JSON with {' and '.join(names)}, found {payload[:60]!r}")
    return document


def parse_game(asked: dict[str, Any]) -> GameSetup:
    """Check what a page asks to play; BadInputError for the first field that can't be used."""
    name, select = asked["task"], asked.get("select", "dwell")
    if not isinstance(name, str) or name not in TASKS:
        raise BadInputError(f"task: expected {', '.join(TASKS)}, found {name!r:.60}")
    if not isinstance(select, str) or select not in SELECTIONS:
        raise BadInputError(f"select: expected {' or '.join(SELECTIONS)}, found {select!r:.60}")
    kind, cells = TASKS[name], asked.get("cells")
    if issubclass(kind, Grid) and cells is not None:
        task: Task = kind(cells=checked_whole("cells", cells, FEWEST_CELLS, MOST_CELLS), extent_cm=EXTENT_CM)
    else:
        task = kind(extent_cm=EXTENT_CM)
    return GameSetup(
        task=task,
        by_click=select == "click",
        length_s=checked_number("length_s", asked["length_s"], SHORTEST_S, LONGEST_S, "s"),
        seed=checked_whole("seed", asked["seed"], 0, LARGEST_SEED),
    )


def parse_velocity(asked: Any) -> tuple[float, float]:
    """Check a velocity, x and y, cm/s; BadInputError where it is none."""
    if not (isinstance(asked, list) and len(asked) == 2 and all(is_number(v) and math.isfinite(v) for v in asked)):
        raise BadInputError(f"velocity_cm_s: expected two numbers, found {asked!r:.60}")
    return float(asked[0]), float(asked[1])
