"""Tasks: where targets appear, and what it takes to acquire one. Lengths are in cm from the workspace's centre."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_number, checked_whole

__all__ = [
    "TASKS",
    "CenterOut",
    "Grid",
    "RandomTarget",
    "Target",
    "Task",
    "Webgrid",
    "open_task",
]

MOST_PLACES = 1000  # directions, or cells of a side
SHORTEST, LONGEST = 1e-3, 1e6  # cm or s


@dataclass(frozen=True)
class Target:
    """Where to go: a disc, or a square cell.

    Attributes
    ----------
    place_cm : tuple of two floats, cm
        Of its centre.
    width_cm : float, cm
        Diameter of the disc, or side of the cell.
    """

    place_cm: tuple[float, float]
    width_cm: float


class Task(Protocol):
    """What a user is to do.

    Attributes
    ----------
    name : str
    extent_cm : float, cm
        Side of the square workspace; the cursor can't leave it.
    hold_s : float, s
        Time that the cursor must stay.
    timeout_s : float, s
        After which a trial has failed.
    pause_s : float, s
        Between trials; a bin at least.
    recentres : bool
        Whether the cursor is put back to the centre in the pause.
    choices : int or None
        Targets of which any can be selected, right or wrong; None where only the right one can.
    """

    name: ClassVar[str]
    recentres: ClassVar[bool]

    @property
    def extent_cm(self) -> float: ...

    @property
    def hold_s(self) -> float: ...

    @property
    def timeout_s(self) -> float: ...

    @property
    def pause_s(self) -> float: ...

    @property
    def choices(self) -> int | None: ...

    def targets(self, trials: int, random: np.random.Generator) -> tuple[Target, ...]:
        """A target for each trial.

        Raises
        ------
        BadInputError
            If the workspace has no room for them.
        """
        ...

    def region(self, position_cm: Floats, target: Target) -> Hashable | None:
        """What can be selected at a place, while this is the target; None where there is nothing."""
        ...


@dataclass(frozen=True)
class _Discs:
    """What tasks share whose targets are discs, and the only thing that can be selected."""

    radius_cm: float = 1.5
    extent_cm: float = 24.0
    hold_s: float = 0.5
    timeout_s: float = 6.0
    pause_s: float = 0.5

    def __post_init__(self) -> None:
        _check_lengths(self, "radius_cm", "extent_cm", "timeout_s")
        _check_lengths(self, "hold_s", "pause_s", least=0.0)

    @property
    def choices(self) -> int | None:
        return None

    def region(self, position_cm: Floats, target: Target) -> Hashable | None:
        away_cm = np.hypot(position_cm[0] - target.place_cm[0], position_cm[1] - target.place_cm[1])
        return "target" if away_cm <= target.width_cm / 2 else None


@dataclass(frozen=True)
class CenterOut(_Discs):
    """From the centre to one of the targets on a circle, each once in every round, in random order.

    Distances and holds of the order of those in Gilja et al. 2012 (Nat Neurosci 15:1752): 8 cm, 500 ms.
    """

    name: ClassVar[str] = "center-out"
    recentres: ClassVar[bool] = True

    directions: int = 8
    distance_cm: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_whole("directions", self.directions, 1, MOST_PLACES)
        _check_lengths(self, "distance_cm")

    def targets(self, trials: int, random: np.random.Generator) -> tuple[Target, ...]:
        rounds = [random.permutation(self.directions) for _ in range(-(-trials // self.directions))]
        angles = np.concatenate(rounds)[:trials] * (2 * np.pi / self.directions)
        places = self.distance_cm * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return tuple(Target((float(x), float(y)), 2 * self.radius_cm) for x, y in places)


@dataclass(frozen=True)
class RandomTarget(_Discs):
    """From wherever the cursor stands to a target at a random place, not too near to the one before.

    Attributes
    ----------
    nearest_cm : float, cm
        Least distance between targets; at most half the side of the square in which they lie, so that there is room.
    """

    name: ClassVar[str] = "random"
    recentres: ClassVar[bool] = False

    nearest_cm: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(self, "nearest_cm", least=0.0)

    def targets(self, trials: int, random: np.random.Generator) -> tuple[Target, ...]:
        half = self.extent_cm / 2 - self.radius_cm
        if not self.nearest_cm <= half:
            raise BadInputError(
                f"expected targets that may be {half:g} cm or less from each other (half the workspace less a radius),"
                f" found {self.nearest_cm:g} cm; lower nearest_cm, or widen the workspace"
            )
        places = [np.zeros(2)]
        while len(places) <= trials:
            place = random.uniform(-half, half, 2)
            if np.hypot(*(place - places[-1])) >= self.nearest_cm:
                places.append(place)
        return tuple(Target((float(x), float(y)), 2 * self.radius_cm) for x, y in places[1:])


@dataclass(frozen=True)
class Grid:
    """Cells that fill the workspace, one of them lit; to stay on any cell selects it, be it the right one or not.

    The grid task of Nuyujukian et al. 2015 (IEEE Trans Biomed Eng 62:21): a keyboard without letters, 6 x 6 cells of
    24 cm together, selected by 450 ms on them. The cell that the cursor stands on when a target appears
    can't be selected before the cursor has left it, unless it is lit.
    """

    name: ClassVar[str] = "grid"
    recentres: ClassVar[bool] = False

    cells: int = 6
    extent_cm: float = 24.0
    hold_s: float = 0.45
    timeout_s: float = 8.0
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        checked_whole("cells", self.cells, 2, MOST_PLACES)
        _check_lengths(self, "extent_cm", "timeout_s")
        _check_lengths(self, "hold_s", "pause_s", least=0.0)

    @property
    def choices(self) -> int | None:
        return self.cells**2

    def targets(self, trials: int, random: np.random.Generator) -> tuple[Target, ...]:
        side = self.extent_cm / self.cells
        places = (np.indices((self.cells, self.cells)).reshape(2, -1).T + 0.5) * side - self.extent_cm / 2
        chosen = [int(random.integers(len(places)))]
        while len(chosen) < trials:  # never the same twice running
            chosen.append((chosen[-1] + int(random.integers(1, len(places)))) % len(places))
        return tuple(Target((float(places[place][0]), float(places[place][1])), side) for place in chosen[:trials])

    def region(self, position_cm: Floats, target: Target) -> Hashable | None:  # noqa: ARG002
        cell = np.floor((position_cm + self.extent_cm / 2) * (self.cells / self.extent_cm))
        return tuple(np.clip(cell, 0, self.cells - 1).astype(int).tolist())


@dataclass(frozen=True)
class Webgrid(Grid):
    """The grid of many small cells that Neuralink's Webgrid has; there a click selects, as in the page."""

    name: ClassVar[str] = "webgrid"

    cells: int = 30


def _check_lengths(task: object, *names: str, least: float = SHORTEST) -> None:
    """Raise BadInputError for a length, in cm or s, that is no number from `least` to `LONGEST`."""
    for name in names:
        checked_number(name, getattr(task, name), least, LONGEST)


TASKS: dict[str, type[CenterOut] | type[RandomTarget] | type[Grid]] = {
    task.name: task for task in (CenterOut, RandomTarget, Grid, Webgrid)
}


def open_task(task: str | Task) -> Task:
    """Return the task of a name, or one that is open already; BadInputError where there is none."""
    if not isinstance(task, str | type) and callable(getattr(task, "targets", None)):
        return task
    if not isinstance(task, str) or task not in TASKS:
        raise BadInputError(f"--task: expected {', '.join(TASKS)}; found {task!r:.80}")
    return TASKS[task]()
