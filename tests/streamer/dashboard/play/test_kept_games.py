"""Games that are over are saved one at a time."""

import threading
from concurrent.futures import Executor

import numpy as np
import pytest

from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.dashboard.play.bin_log import BinLog
from spikeloop.streamer.dashboard.play.cursor import DecodedCursor
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.kept_games import KeptGame, KeptGames
from spikeloop.streamer.dashboard.play.latency import StageTimes
from spikeloop.streamer.dashboard.play.setup import parse_game

UNITS, SIZE = 3, 0.02
NPZ = b'{"format": "npz"}'


class Resting:
    def step(self, counts):
        return np.zeros(2)


class Later(Executor):
    """Does nothing before it is asked to."""

    def __init__(self):
        self.waiting = []

    def submit(self, *work):  # type: ignore[override]
        self.waiting.append(work)

    def catch_up(self):
        for work, *arguments in self.waiting:
            work(*arguments)
        self.waiting = []


@pytest.fixture
def kept_game() -> KeptGame:
    game, cursor = (
        Game(parse_game({"task": "random", "length_s": 1, "seed": 1}), "still", SIZE, 1),
        DecodedCursor(UNITS, SIZE),
    )
    cursor.decoder = Resting()  # type: ignore[assignment]
    game.step(0, np.zeros(UNITS, int), cursor)
    return KeptGame(game, parse_decoder("chance"), BinLog(UNITS, np.zeros(2, np.float32)), None, 0)


def test_a_second_save_waits_for_the_first_and_what_fails_is_said(bundle, kept_game, tmp_path):
    kept = KeptGames(bundle, VelocityEncoding(bundle), StageTimes(), tmp_path, threading.RLock())
    kept.games.append(kept_game)
    worker, said = Later(), []
    for _ in range(2):
        kept.save(NPZ, worker, lambda: said.append("done"), said.append)
        with pytest.raises(BadInputError, match="a game is being saved"):
            kept.save(NPZ, worker, lambda: said.append("done"), said.append)
        worker.catch_up()
    assert ["the stream does not say what made it" in reason for reason in said] == [True, True]
