"""A visitor as the user of the loop: an intended velocity drives the population, and a decoder moves the cursor."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.streamer.dashboard.frames import Kind, conditions_body, document_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.blind import BlindComparison
from spikeloop.streamer.dashboard.play.calibration import Calibration, known_bins
from spikeloop.streamer.dashboard.play.chosen_decoder import ChosenDecoder
from spikeloop.streamer.dashboard.play.decoders import DecoderShelf, offered_decoders
from spikeloop.streamer.dashboard.play.follow import Following
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.kept_games import KeptGame, KeptGames
from spikeloop.streamer.dashboard.play.setup import EXTENT_CM, GameSetup
from spikeloop.streamer.dashboard.play.ties import Ties
from spikeloop.streamer.dashboard.play.timing import Timing
from spikeloop.streamer.dashboard.play.visitor_loop import VisitorLoop
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment

__all__ = ["Play"]


class Play:
    """The cursor, and what moves it; `decode` and `driven` in the feed's thread, the rest with the lock held.

    What pages ask for comes through `PlayRequests`.

    Parameters
    ----------
    bundle : Bundle
    hub : Hub
        Gets the cursor's positions, and how the game stands.
    ties : Ties
    folder : Path
        Of sessions that are saved.
    decoders : sequence of str
        Further ones to choose from.
    calibration : Calibration, optional
        That decoders learn from at first; by default, one that the population imagines.

    Attributes
    ----------
    lock : RLock
    loop : VisitorLoop
    shelf : DecoderShelf
        The decoders that can be chosen.
    decoder : ChosenDecoder
        The one that moves the cursor.
    timing : Timing
    bin_size_s : float > 0, s
    game : Game or None
        Under way.
    following : Following or None
        The calibration that is under way.
    blind : BlindComparison or None
        The latest.

    Raises
    ------
    BadInputError
        If no velocity drives the bundle, or a decoder can't be used.
    """

    def __init__(
        self,
        bundle: Bundle,
        hub: Hub,
        ties: Ties,
        folder: Path,
        decoders: Sequence[str] = (),
        calibration: Calibration | None = None,
    ) -> None:
        self.hub, self.lock, self.timing = hub, threading.RLock(), Timing(hub, ties.now)
        self.bin_size_s = bundle.card.bin_size_s
        self.loop = VisitorLoop(bundle, ties, self.timing)
        self.shelf = DecoderShelf(bundle, self.loop.encoding, offered_decoders(decoders), calibration)
        self.decoder = ChosenDecoder(self.shelf, self.loop.cursor, self.lock, self._publish)
        self.game: Game | None = None
        self.following: Following | None = None
        self.blind: BlindComparison | None = None
        self._first_latency = 0
        self._waits: int | None = None  # number of the page whose game begins when its decoder is fitted
        self._kept = KeptGames(bundle, self.loop.encoding, self.timing.stages, folder, self.lock)
        self._publish()

    def get_ready(self) -> None:
        """Fit the first decoder, in a thread."""
        self.choose(next(iter(self.shelf.specs)))

    def close(self) -> None:
        """End what is under way."""
        self.decoder.close()

    def latency(self) -> dict[str, Any]:
        """Return the latencies so far; see `StageTimes`."""
        return self.timing.stages.document()

    def leave(self, number: int) -> None:
        """End what a page has begun that has left."""
        with self.lock:
            self._waits = None if self._waits == number else self._waits
            if self.player == number:
                self.end("the player has left the page")

    @property
    def player(self) -> int | None:
        """Number of the page that plays; None where nobody does."""
        playing = self.game or self.following
        return None if playing is None else playing.player

    @property
    def is_blind(self) -> bool:
        """Whether a blind comparison is under way."""
        return self.blind is not None and not self.blind.over

    # --- what pages begin and end

    def choose(self, name: str) -> None:
        """Have this decoder move the cursor, as soon as it is fitted."""
        self._waits = None
        self.decoder.fit((name,), self._use)

    def begin(self, setup: GameSetup, names: tuple[str, ...], blind: BlindComparison | None, number: int) -> None:
        """Begin a game with the first of these decoders, as soon as all are fitted and if its page is still there."""

        def start(name: str) -> None:
            if self._waits != number:  # its page has left
                self._use(name)
                return
            self._waits = None
            if blind is None or blind is not self.blind:
                self._kept.games.clear()
            self.blind = blind
            self._start(setup, name, number)

        self._waits = number
        self.decoder.fit(names, start)

    def click(self, shown: int | None) -> None:
        """Select what was under the cursor in the bin that the player's page had shown."""
        if self.game is not None and self.game.click(shown):
            self._publish()

    def follow(self, following: Following, name: str) -> None:
        """Begin a calibration by hand, from which this decoder will learn."""
        self._waits, self.following = None, following
        self.decoder.begin_following(name)
        self._publish()

    def save(self, payload: bytes, failed: Callable[[str], None]) -> None:
        """Write the latest game, or comparison, to a file, in a thread; `failed` gets why it could not be."""
        self._kept.save(payload, self.decoder.worker, self._publish, failed)

    def end(self, why: str) -> None:
        """End a game or a calibration before its time; nothing is kept of it."""
        if self.player is None:
            return
        if self.following is not None:
            self.decoder.end_following()
        self.game = self.following = None
        self.blind = None if self.is_blind else self.blind
        self.loop.let_go()
        self._publish(f"The game was ended: {why}.")

    # --- the stream

    def begin_run(self, description: StreamDescription) -> None:
        """Begin with a run of the stream."""
        with self.lock:
            self.end("the stream began anew")
            self.loop.begin_run(description)

    def decode(self, first_bin: int, segment: Segment) -> None:
        """Move the cursor by the counts of bins, and publish where it was at the end of each."""
        with self.lock:
            self.loop.log.add_counts(first_bin, segment.counts)
            if self.following is None and (self.loop.cursor.decoder is None or not self.hub.viewers):
                return
            track, changed = np.empty((len(segment.counts), 2), np.float32), False
            for place, counts in enumerate(segment.counts):
                track[place], happened = self._step(first_bin + place, counts)
                changed |= happened
            self.timing.decoded(first_bin, len(track))
        self.hub.publish(Kind.CURSOR, conditions_body(first_bin, float(segment.ends_s[-1]), track))
        if changed:
            self._publish()

    def driven(self, first_bin: int, ends_s: Floats, values: NDArray[np.float32]) -> None:
        """Note what drove bins, and by whose aims."""
        with self.lock:
            self.loop.driven(first_bin, ends_s, values)
            try:
                self._end_following()
            except BadInputError as error:
                self.end(str(error))

    def marked(self, text: str) -> None:
        """Note what was done to the stream."""
        with self.lock:
            self.loop.log.add_marker(text)

    def _step(self, number: int, counts: NDArray[np.integer]) -> tuple[Floats, bool]:
        """Move by a bin; return where the cursor is, and whether something happened that pages are to know."""
        try:
            return self._moved(number, counts)
        except SpikeloopError as error:  # of the decoder, which may be a user's own
            self.decoder.lose(str(error))
            self.end("its decoder failed")
            return self.loop.cursor.position_cm, True

    def _moved(self, number: int, counts: NDArray[np.integer]) -> tuple[Floats, bool]:
        if self.following is not None:
            begins = not self.following.bins
            self.loop.cursor.position_cm = self.following.step(number)
            return self.loop.cursor.position_cm, begins
        game = self.game
        if self.loop.cursor.decoder is None:  # it failed a moment ago
            return self.loop.cursor.position_cm, False
        if game is None:
            return self.loop.cursor.step(counts), False
        begins = not game.bins
        events = game.step(number, counts, self.loop.cursor)
        if game.over:
            self._finish(game)
        return self.loop.cursor.position_cm, begins or bool(events) or game.over

    # --- what goes on

    def _use(self, name: str) -> None:
        """Have this decoder move the cursor; a game keeps in mind that it did."""
        self.decoder.use(name)
        if self.game is not None and name not in self.game.decoder.split("+"):
            self.game.decoder += f"+{name}"

    def _start(self, setup: GameSetup, name: str, player: int) -> None:
        self._use(name)
        self.loop.cursor.centre()
        self.game = Game(setup, name, self.bin_size_s, player)
        self._first_latency = self.timing.stages.added
        self._publish()

    def _finish(self, game: Game) -> None:
        """The game's time is over."""
        self.game = None
        first = game.decoder.split("+")[0]
        spec = replace(self.shelf.specs[first], name=game.decoder)
        self._kept.games.append(KeptGame(game, spec, self.loop.log, self.loop.made_by, self._first_latency))
        if self.blind is not None:
            self.blind.games.append(game)
        self.loop.let_go()

    def _end_following(self) -> None:
        """Fit the decoder to what the visitor followed, as soon as it is known what drove the last bin."""
        following = self.following
        if following is None or not following.over:
            return
        bins = np.array(following.bins)
        intended = self.loop.intended_of(bins)
        if not (np.isfinite(intended[-1]).all() or following.impatient):
            return
        calibration = known_bins(self.loop.log.counts_of(bins), intended)
        self.following = None
        self.loop.cursor.centre()
        self.loop.let_go()
        self._waits = None
        self.decoder.fit((self.decoder.name,), self._use, calibration)

    def _publish(self, note: str = "") -> None:
        with self.lock:
            body = document_body(self._document(note))
            self.hub.keep(Kind.GAME, body)
            self.hub.publish(Kind.GAME, body)

    def _document(self, note: str) -> dict[str, Any]:
        blind, game, following = self.blind, self.game, self.following
        calibration = self.shelf.calibration
        return {
            "state": self.decoder.state,
            "decoder": "" if self.is_blind else self.decoder.name,
            "why": self.decoder.why,
            "note": note,
            "decoders": list(self.shelf.specs),
            "calibration": None if calibration is None else calibration.source,
            "extent_cm": EXTENT_CM,
            "run": None if game is None else game.document(),
            "following": None if following is None else following.document(),
            "result": None if game is not None else self._kept.result(self.is_blind),
            "blind": None if blind is None else blind.document(game is not None),
            "saved": [str(path) for path in self._kept.saved],
        }
