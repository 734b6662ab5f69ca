"""A game, bin by bin, without a stream."""

import numpy as np
import pytest

from spikeloop.streamer.dashboard.play import game as games
from spikeloop.streamer.dashboard.play.cursor import DecodedCursor
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.setup import parse_game

UNITS, SIZE, FIRST = 3, 0.02, 700
ASKED = {"task": "webgrid", "cells": 6, "length_s": 30, "seed": 3, "select": "click"}


class Resting:
    def step(self, counts):
        return np.zeros(2)


@pytest.fixture
def cursor() -> DecodedCursor:
    cursor = DecodedCursor(UNITS, SIZE)
    cursor.decoder = Resting()  # type: ignore[assignment]
    return cursor


def step(game: Game, cursor: DecodedCursor, bins: int = 1) -> int:
    """Let bins pass; returns the number of the last one."""
    for _ in range(bins):
        game.step(FIRST + len(game.bins), np.zeros(UNITS, int), cursor)
    return FIRST + len(game.bins) - 1


def step_until_shown(game: Game, cursor: DecodedCursor) -> int:
    number = step(game, cursor)
    while game.target is None:
        number = step(game, cursor)
    return number


def test_a_click_does_not_count_for_a_target_that_its_visitor_had_not_seen(cursor):
    game = Game(parse_game(ASKED), "still", SIZE, 1)
    seen = step_until_shown(game, cursor)
    assert [event.kind for event in game.click(seen)] in (["success"], ["wrong"])
    appeared = step_until_shown(game, cursor)
    step(game, cursor, 5)
    for number in (seen, appeared - 1):
        assert game.click(number) == []
    assert len(game.selections) == 1
    assert game.click(appeared)
    assert len(game.selections) == 2


def test_targets_never_run_out_and_the_same_seed_gives_the_same(cursor, monkeypatch):
    monkeypatch.setattr(games, "TARGETS_AT_ONCE", 4)
    shown = []
    for _ in range(2):
        game = Game(parse_game(ASKED), "still", SIZE, 1)
        while not game.over:
            game.click(step_until_shown(game, cursor)) if game.target is None else game.click()
            step(game, cursor)
        shown.append([trial.target for trial in game.trials])
    assert len(shown[0]) > 100
    assert shown[0] == shown[1]
