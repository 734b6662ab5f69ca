"""The latest game, or the two that were compared, kept until the next one; and their files."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.dashboard.play.bin_log import BinLog
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.latency import StageTimes
from spikeloop.streamer.dashboard.play.session_file import FinishedGame, file_name, save_games
from spikeloop.streamer.dashboard.play.setup import fields_of

__all__ = ["KeptGame", "KeptGames"]

FORMATS = ("npz", "nwb")


@dataclass(frozen=True, eq=False)
class KeptGame:
    """A game that is over, and what its file is made of.

    Attributes
    ----------
    game : Game
    spec : DecoderSpec
    log : BinLog
        Of the run of the stream in which it was played.
    made_by : Provenance or None
        Of that run.
    first_latency : int
        Samples of latency before it.
    """

    game: Game
    spec: DecoderSpec
    log: BinLog
    made_by: Provenance | None
    first_latency: int


class KeptGames:
    """Games that are over.

    Parameters
    ----------
    bundle : Bundle
    encoding : VelocityEncoding
    stages : StageTimes
    folder : Path
        Of their files.
    lock : threading.RLock
        Held while a log is read.

    Attributes
    ----------
    games : list of KeptGame
    saved : list of Path
        Files that were written.
    """

    def __init__(
        self, bundle: Bundle, encoding: VelocityEncoding, stages: StageTimes, folder: Path, lock: RLock
    ) -> None:
        self.games: list[KeptGame] = []
        self.saved: list[Path] = []
        self._saving = False
        self._bundle, self._encoding, self._stages = bundle, encoding, stages
        self._folder, self._lock = folder, lock

    def result(self, hidden: bool) -> dict[str, Any] | None:
        """Describe the latest game for pages, with its course; None without one. Hidden, without its decoder."""
        if not self.games:
            return None
        game = self.games[-1].game
        course = [[selection.at_s, selection.outcome] for selection in game.selections]
        decoder = "" if hidden else game.decoder
        return game.document() | {"decoder": decoder, "course": course, "games": len(self.games)}

    def save(self, payload: bytes, worker: Executor, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Write all games that are kept to a file, in a thread; BadInputError where that can't be."""
        suffix = fields_of(payload, "format")["format"]
        if not isinstance(suffix, str) or suffix not in FORMATS:
            raise BadInputError(f"format: expected {' or '.join(FORMATS)}, found {suffix!r:.60}")
        games = tuple(self.games)
        if not games or not all(kept.game.bins for kept in games):
            raise BadInputError("no game is over that could be saved; play one first")
        if suffix == "nwb" and len(games) > 1:
            raise BadInputError("an NWB file holds one game; save the comparison as .npz")
        if self._saving:
            raise BadInputError("a game is being saved; wait until its file is there")
        self._saving = True
        worker.submit(self._write, games, suffix, done, failed)

    def _write(
        self, games: tuple[KeptGame, ...], suffix: str, done: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        try:
            with self._lock:
                finished = [self._finished(kept) for kept in games]
            path = self._folder / file_name(finished, suffix, datetime.now())
            save_games(path, self._bundle, finished)
        except Exception as error:  # of any kind: the page that waits gets the reason
            failed(f"the game is not saved: {in_one_line(error)}")
            return
        finally:
            self._saving = False
        self.saved.append(path)
        done()

    def _finished(self, kept: KeptGame) -> FinishedGame:
        if kept.made_by is None:
            raise BadInputError("the stream does not say what made it, so its spikes can't be saved with the game")
        bins = np.array([played.number for played in kept.game.bins], np.int64)
        intended = self._encoding.velocity(kept.log.conditions_of(bins))
        generated = kept.log.generated(kept.made_by, self._bundle.card, bins)
        return FinishedGame(kept.game, kept.spec, intended, generated, self._stages.since(kept.first_latency))
