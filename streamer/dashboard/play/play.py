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
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.scalars import is_whole
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.dashboard.frames import Kind, Request, conditions_body, document_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.blind import BlindComparison
from spikeloop.streamer.dashboard.play.calibration import Calibration, known_bins
from spikeloop.streamer.dashboard.play.decoders import DecoderShelf, offered_decoders
from spikeloop.streamer.dashboard.play.fitting import Fitting
from spikeloop.streamer.dashboard.play.follow import Following
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.kept_games import KeptGame, KeptGames
from spikeloop.streamer.dashboard.play.setup import EXTENT_CM, GameSetup, fields_of, parse_game
from spikeloop.streamer.dashboard.play.ties import Ties
from spikeloop.streamer.dashboard.play.timing import Timing
from spikeloop.streamer.dashboard.play.visitor_loop import VisitorLoop
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment

__all__ = ["REQUESTS", "Play"]

REQUESTS = (Kind.PLAY, Kind.AIM, Kind.CENTRE, Kind.LOSE, *(kind for kind in Kind if Kind.BEGIN <= kind <= Kind.CLOCK))


class Play:
    """The cursor, and what moves it; `decode` and `driven` in the feed's thread, the rest from any.

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
        self._bundle, self._hub, self._timing = bundle, hub, Timing(hub, ties.now)
        self._loop = VisitorLoop(bundle, ties, self._timing)
        self._shelf = DecoderShelf(bundle, self._loop.encoding, offered_decoders(decoders), calibration)
        self._cursor = self._loop.cursor
        self._state, self._decoder, self._why = "none", "", ""
        self._game: Game | None = None
        self._following: Following | None = None
        self._blind: BlindComparison | None = None
        self._first_latency = 0
        self._waits: int | None = None  # number of the page whose game begins when its decoder is fitted
        self._lock, self._fitting = threading.RLock(), Fitting(self._shelf)
        self._kept = KeptGames(bundle, self._loop.encoding, self._timing.stages, folder, self._lock)
        self._requests: dict[Kind, Callable[[bytes, int], None]] = {
            Kind.PLAY: self.choose, Kind.AIM: self.aim, Kind.CENTRE: self.centre, Kind.LOSE: self.lose,
            Kind.BEGIN: self.begin, Kind.STOP: self.stop, Kind.CLICK: self.click, Kind.FOLLOW: self.follow,
            Kind.SAVE: self.save, Kind.SHOWN: self._timing.shown, Kind.CLOCK: self._timing.clock,
        }  # fmt: skip
        self._publish()

    def get_ready(self) -> None:
        """Fit the first decoder, in a thread."""
        self._fit((next(iter(self._shelf.specs)),), self._use)

    def close(self) -> None:
        """End what is under way."""
        self._fitting.close()

    def latency(self) -> dict[str, Any]:
        """Return the latencies so far; see `StageTimes`."""
        return self._timing.stages.document()

    def ask(self, request: Request, number: int) -> None:
        """Do what a page asks for, of `REQUESTS`; BadInputError refuses it."""
        with self._lock:
            self._requests[request.kind](request.payload, number)

    def leave(self, number: int) -> None:
        """End what a page has begun that has left."""
        with self._lock:
            self._waits = None if self._waits == number else self._waits
            if self.player == number:
                self._end("the player has left the page")

    # --- requests

    def choose(self, payload: bytes, number: int) -> None:
        """Have another decoder move the cursor, also in a game."""
        name = self._shelf.checked(fields_of(payload, "decoder")["decoder"])
        if self._blind is not None and not self._blind.over:
            raise BadInputError("a blind comparison is under way; the decoders are chosen already")
        self._refuse_others(number)
        self._refuse_busy()
        self._fit((name,), self._use)

    def aim(self, payload: bytes, number: int) -> None:
        """Drive the population by the velocity that a visitor intends; while another plays, by nobody else's."""
        self._loop.aim(payload, number, self.player in (None, number))

    def centre(self, payload: bytes, number: int) -> None:  # noqa: ARG002
        """Put the cursor to the centre."""
        self._refuse_others(number)
        self._cursor.centre()

    def lose(self, payload: bytes, number: int) -> None:
        """Keep the spikes of some units from the decoder."""
        self._refuse_others(number)
        self._loop.lose(payload)

    def begin(self, payload: bytes, number: int) -> None:
        """Begin a game: of one decoder, of the first of two that are compared, or of the second."""
        asked = fields_of(payload)
        self._refuse_others(number)
        self._refuse_busy()
        if asked.get("next") is True:
            blind = self._blind
            if blind is None or blind.over or self._game is not None:
                raise BadInputError("no second game waits; begin a comparison first")
            setup, names = blind.setup, (blind.next,)
        else:
            setup = parse_game(fields_of(payload, "task", "length_s", "seed"))
            blind = self._compared(setup, asked.get("compare"))
            names = blind.names if blind is not None else (self._shelf.checked(asked.get("decoder")),)

        def start(_: str) -> None:
            if self._waits != number:  # its page has left
                self._use(names[0])
                return
            self._waits = None
            if blind is None or blind is not self._blind:
                self._kept.games.clear()
            self._blind = blind
            self._start(setup, names[0], number)

        self._fit(names, start, number)

    def _compared(self, setup: GameSetup, names: Any) -> BlindComparison | None:
        """Return the comparison that was asked for; None where none was."""
        if names is None:
            return None
        two = [self._shelf.checked(name) for name in names] if isinstance(names, list) else []
        return BlindComparison(setup, two, self._bundle.card.bin_size_s)

    def stop(self, payload: bytes, number: int) -> None:  # noqa: ARG002
        """End the game, or the calibration, before its time."""
        self._refuse_others(number)
        self._end("it was stopped")

    def click(self, payload: bytes, number: int) -> None:
        """Select what is under the cursor."""
        if self._game is None or self._game.player != number:
            return
        shown = fields_of(payload).get("bin")
        if self._game.click(int(shown) if is_whole(shown) else None):  # pyright: ignore[reportArgumentType]
            self._publish()

    def follow(self, payload: bytes, number: int) -> None:
        """Begin a calibration in which the visitor follows a cursor."""
        asked = fields_of(payload, "length_s", "decoder")
        self._refuse_others(number)
        self._refuse_busy()
        if self._game is not None:
            raise BadInputError("a game is under way; end it first")
        name = self._shelf.checked(asked["decoder"])
        self._waits = None
        self._following = Following(asked, self._bundle.card.bin_size_s, number)
        self._state, self._decoder = "following", name
        self._publish()

    def save(self, payload: bytes, number: int) -> None:
        """Write the latest game, or comparison, to a file, in a thread."""
        if self._game is not None:
            raise BadInputError("a game is under way; save it when it is over")

        def failed(reason: str) -> None:
            self._hub.publish(Kind.REFUSED, document_body({"reason": reason}), number)

        self._kept.save(payload, self._fitting.worker, self._publish, failed)

    # --- the stream

    def begin_run(self, description: StreamDescription) -> None:
        """Begin with a run of the stream."""
        with self._lock:
            self._end("the stream began anew")
            self._loop.begin_run(description)

    def decode(self, first_bin: int, segment: Segment) -> None:
        """Move the cursor by the counts of bins, and publish where it was at the end of each."""
        with self._lock:
            self._loop.log.add_counts(first_bin, segment.counts)
            if self._following is None and (self._cursor.decoder is None or not self._hub.viewers):
                return
            track, changed = np.empty((len(segment.counts), 2), np.float32), False
            for place, counts in enumerate(segment.counts):
                track[place], happened = self._step(first_bin + place, counts)
                changed |= happened
            self._timing.decoded(first_bin, len(track))
        self._hub.publish(Kind.CURSOR, conditions_body(first_bin, float(segment.ends_s[-1]), track))
        if changed:
            self._publish()

    def driven(self, first_bin: int, ends_s: Floats, values: NDArray[np.float32]) -> None:
        """Note what drove bins, and by whose aims."""
        with self._lock:
            self._loop.driven(first_bin, ends_s, values)
            try:
                self._end_following()
            except BadInputError as error:
                self._end(str(error))

    def _step(self, number: int, counts: NDArray[np.integer]) -> tuple[Floats, bool]:
        """Move by a bin; return where the cursor is, and whether something happened that pages are to know."""
        try:
            return self._moved(number, counts)
        except SpikeloopError as error:  # of the decoder, which may be a user's own
            self._lose_decoder(str(error))
            return self._cursor.position_cm, True

    def _moved(self, number: int, counts: NDArray[np.integer]) -> tuple[Floats, bool]:
        if self._following is not None:
            begins = not self._following.bins
            self._cursor.position_cm = self._following.step(number)
            return self._cursor.position_cm, begins
        game = self._game
        if self._cursor.decoder is None:  # it failed a moment ago
            return self._cursor.position_cm, False
        if game is None:
            return self._cursor.step(counts), False
        begins = not game.bins
        events = game.step(number, counts, self._cursor)
        if game.over:
            self._finish(game)
        return self._cursor.position_cm, begins or bool(events) or game.over

    # --- what goes on

    @property
    def target(self) -> Target | None:
        """The target of the game, while it is to be seen."""
        return None if self._game is None else self._game.target

    @property
    def cursor_cm(self) -> Floats:
        """Where the cursor is, (2,), cm."""
        return self._cursor.position_cm

    @property
    def player(self) -> int | None:
        """Number of the page that plays; None where nobody does."""
        playing = self._game or self._following
        return None if playing is None else playing.player

    def _refuse_others(self, number: int) -> None:
        if self.player not in (None, number):
            raise BadInputError("another page plays; watch, or wait until its game is over")

    def _refuse_busy(self) -> None:
        if self._following is not None:
            raise BadInputError("a calibration is under way; end it first")
        if self._fitting.busy:
            raise BadInputError("a decoder is being calibrated; wait until it is ready")

    def _fit(
        self,
        names: tuple[str, ...],
        then: Callable[[str], None],
        waits: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Have decoders fitted, to this calibration where there is one, and go on with the first of them."""
        self._waits = waits

        def begins() -> None:
            self._state, self._decoder = "calibrating", names[0] if len(names) == 1 else ""
            self._publish()

        def done(reason: str) -> None:
            with self._lock:
                if reason:
                    self._state, self._why = "failed", reason
                else:
                    then(names[0])
            self._publish()

        self._fitting.fit(names, begins, done, calibration)

    def _use(self, name: str) -> None:
        """Have this decoder move the cursor."""
        decoder: Decoder = self._shelf.get(name)
        self._cursor.decoder, self._state, self._decoder = decoder, "ready", name
        if self._game is not None and name not in self._game.decoder.split("+"):
            self._game.decoder += f"+{name}"

    def _start(self, setup: GameSetup, name: str, player: int) -> None:
        self._use(name)
        self._cursor.centre()
        self._game = Game(setup, name, self._bundle.card.bin_size_s, player)
        self._first_latency = self._timing.stages.added
        self._publish()

    def _finish(self, game: Game) -> None:
        """The game's time is over."""
        self._game = None
        first = game.decoder.split("+")[0]
        spec = replace(self._shelf.specs[first], name=game.decoder)
        self._kept.games.append(KeptGame(game, spec, self._loop.log, self._loop.made_by, self._first_latency))
        if self._blind is not None:
            self._blind.games.append(game)
        self._loop.let_go()

    def _end(self, why: str) -> None:
        """End a game or a calibration before its time; nothing is kept of it."""
        if self.player is None:
            return
        if self._following is not None:
            self._state = "ready" if self._cursor.decoder is not None else "none"
        self._game = self._following = None
        self._blind = None if self._blind is not None and not self._blind.over else self._blind
        self._loop.let_go()
        self._publish(f"The game was ended: {why}.")

    def _lose_decoder(self, why: str) -> None:
        """Go on without the decoder, which has failed."""
        self._cursor.decoder = None
        self._state, self._why = "failed", why
        self._end("its decoder failed")

    def _end_following(self) -> None:
        """Fit the decoder to what the visitor followed, as soon as it is known what drove the last bin."""
        following = self._following
        if following is None or not following.over:
            return
        bins = np.array(following.bins)
        intended = self._loop.intended_of(bins)
        if not (np.isfinite(intended[-1]).all() or following.impatient):
            return
        calibration = known_bins(self._loop.log.counts_of(bins), intended)
        self._following = None
        self._cursor.centre()
        self._loop.let_go()
        self._fit((self._decoder,), self._use, calibration=calibration)

    def _publish(self, note: str = "") -> None:
        with self._lock:
            body = document_body(self._document(note))
            self._hub.keep(Kind.GAME, body)
            self._hub.publish(Kind.GAME, body)

    def _document(self, note: str) -> dict[str, Any]:
        blind, game, following = self._blind, self._game, self._following
        hidden = blind is not None and not blind.over
        calibration = self._shelf.calibration
        return {
            "state": self._state,
            "decoder": "" if hidden else self._decoder,
            "why": self._why,
            "note": note,
            "decoders": list(self._shelf.specs),
            "calibration": None if calibration is None else calibration.source,
            "extent_cm": EXTENT_CM,
            "run": None if game is None else game.document(),
            "following": None if following is None else following.document(),
            "result": None if game is not None else self._kept.result(hidden),
            "blind": None if blind is None else blind.document(game is not None),
            "saved": [str(path) for path in self._kept.saved],
        }
