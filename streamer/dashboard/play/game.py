"""A game: target after target by the trials of a closed loop, until its time is over; and its score."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.record import Aim
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.trials import OUTCOMES, Event, TrialMachine
from spikeloop.streamer.closedloop.results.trial_statistics import achieved_bits_per_s
from spikeloop.streamer.dashboard.play.cursor import DecodedCursor
from spikeloop.streamer.dashboard.play.setup import GameSetup

__all__ = ["Game", "PlayedBin", "Score", "Selection", "score_of"]

TARGETS_AT_ONCE = 1000  # that are drawn
REMEMBERED_BINS = 100  # in which a click may name what its visitor saw


@dataclass(frozen=True)
class Score:
    """What a game came to.

    Attributes
    ----------
    correct, incorrect, timeouts : int
        Trials by how they ended; one that the game's end cut off is none of them.
    seconds : float, s
        Of the game's bins.
    bits_per_s : float or None
        Achieved bitrate; None where no wrong target can be selected.
    """

    correct: int
    incorrect: int
    timeouts: int
    seconds: float
    bits_per_s: float | None


@dataclass(frozen=True)
class Selection:
    """How a trial ended: when, s since the game began, and where the cursor was, cm."""

    at_s: float
    outcome: str
    x_cm: float
    y_cm: float


@dataclass(frozen=True, eq=False)
class PlayedBin:
    """A bin of a game.

    Attributes
    ----------
    number : int
        Of the bin in the stream.
    counts : array of shape (units,)
        As they reached the decoder.
    aim : Aim
        What the bin began with.
    shown : Target or None
        The target from then on.
    position_cm, velocity_cm_s : arrays of shape (2,)
        Of the cursor at its end.
    events : list of Event
    """

    number: int
    counts: NDArray[np.integer]
    aim: Aim
    shown: Target | None
    position_cm: Floats
    velocity_cm_s: Floats
    events: list[Event]


class Game:
    """A game of one decoder, bin by bin.

    Parameters
    ----------
    setup : GameSetup
    decoder : str
        Its name.
    bin_size_s : float > 0, s
    player : int
        Number of the page.

    Attributes
    ----------
    bins : list of PlayedBin
    trials : list of TrialMachine
        That began.
    selections : list of Selection
    over : bool
    """

    def __init__(self, setup: GameSetup, decoder: str, bin_size_s: float, player: int) -> None:
        self.setup, self.decoder, self.player, self.over = setup, decoder, player, False
        self.bins: list[PlayedBin] = []
        self.trials: list[TrialMachine] = []
        self.selections: list[Selection] = []
        self._bin_size_s = bin_size_s
        self._targets = _targets(setup)
        self._seen: deque[tuple[int, int, Floats]] = deque(maxlen=REMEMBERED_BINS)
        self._begin_trial()

    @property
    def target(self) -> Target | None:
        """The target, while it is to be seen."""
        return None if self.over else self.trials[-1].shown

    def step(self, number: int, counts: NDArray[np.integer], cursor: DecodedCursor) -> list[Event]:
        """Play a bin of this number: the decoder moves the cursor; returns what happened in the trial."""
        trial = self.trials[-1]
        aim = Aim(trial.index, trial.shown, trial.on_target)
        held = aim.target is None and self.setup.task.recentres
        position = cursor.step(counts, held)
        events = trial.step(len(self.bins), position)
        self._seen.append((number, len(self.bins), position))
        played = PlayedBin(number, counts * cursor.gets, aim, trial.shown, position, cursor.velocity_cm_s, events)
        self.bins.append(played)
        self._follow(events)
        if len(self.bins) * self._bin_size_s >= self.setup.length_s - self._bin_size_s / 2:
            self.stop()
        return events

    def click(self, number: int | None = None) -> list[Event]:
        """Select what is under the cursor, as it was in the bin of this number; returns what happened.

        Nothing happens where that bin was before the target appeared: the visitor meant the one before.
        """
        trial = self.trials[-1]
        if self.over or not self.bins:
            return []
        seen = {bin: (place, position) for bin, place, position in self._seen}
        latest = len(self.bins) - 1, self.bins[-1].position_cm
        place, position = latest if number is None else seen.get(number, latest)
        if place < _appeared(trial):
            return []
        events = trial.click(len(self.bins) - 1, position)
        self.bins[-1].events.extend(events)
        self._follow(events, position)
        return events

    def stop(self) -> None:
        """End the game; the trial under way is lost."""
        if not self.over:
            self.trials[-1].give_up(len(self.bins))
            self.over = True

    def score(self) -> Score:
        """What it has come to so far."""
        outcomes = [selection.outcome for selection in self.selections]
        return score_of(outcomes, len(self.bins) * self._bin_size_s, self.setup.task.choices)

    def document(self) -> dict[str, Any]:
        """Describe the game for pages."""
        task, target = self.setup.task, self.target
        latest = self.selections[-1] if self.selections else None
        return {
            "task": task.name,
            "cells": getattr(task, "cells", None),
            "choices": task.choices,
            "by_click": self.setup.by_click,
            "hold_s": task.hold_s,
            "length_s": self.setup.length_s,
            "seed": self.setup.seed,
            "player": self.player,
            "first_bin": self.bins[0].number if self.bins else None,
            "target": None if target is None else [*target.place_cm, target.width_cm],
            "selections": len(self.selections),
            "latest": None if latest is None else asdict(latest),
            "score": asdict(self.score()),
        }

    def _follow(self, events: list[Event], position_cm: Floats | None = None) -> None:
        """Go on to the next target where a trial has ended."""
        ended = [event for event in events if event.kind in OUTCOMES]
        if not ended or self.over:
            return
        x, y = self.bins[-1].position_cm if position_cm is None else position_cm
        at_s = len(self.bins) * self._bin_size_s
        self.selections.append(Selection(at_s, ended[0].kind, round(float(x), 3), round(float(y), 3)))
        self._begin_trial()

    def _begin_trial(self) -> None:
        setup, target = self.setup, next(self._targets)
        trial = TrialMachine(setup.task, target, self._bin_size_s, len(self.trials), setup.by_click)
        self.trials.append(trial)


def _targets(setup: GameSetup) -> Iterator[Target]:
    """Draw targets, as many as are asked for."""
    random = random_stream(setup.seed, Purpose.TARGETS)
    while True:
        yield from setup.task.targets(TARGETS_AT_ONCE, random)


def _appeared(trial: TrialMachine) -> float:
    """Return the bin in which a trial's target appeared; infinity where it did not yet."""
    return next((event.bin for event in trial.events if event.kind == "target"), float("inf"))


def score_of(outcomes: list[str], seconds: float, choices: int | None) -> Score:
    """Score trials by their outcomes, over the time that the game took."""
    correct, wrong, timeouts = (outcomes.count(kind) for kind in ("success", "wrong", "timeout"))
    bits = None if choices is None else achieved_bits_per_s(choices, correct, wrong, seconds)
    return Score(correct, wrong, timeouts, seconds, bits)
