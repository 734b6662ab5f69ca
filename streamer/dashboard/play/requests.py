"""What pages ask of a game: each request is read, and refused or carried out."""

from collections.abc import Callable
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_whole
from spikeloop.streamer.dashboard.frames import Kind, Request, document_body
from spikeloop.streamer.dashboard.play.blind import BlindComparison
from spikeloop.streamer.dashboard.play.follow import Following
from spikeloop.streamer.dashboard.play.play import Play
from spikeloop.streamer.dashboard.play.setup import GameSetup, fields_of, parse_game

__all__ = ["REQUESTS", "PlayRequests"]

REQUESTS = (Kind.PLAY, Kind.AIM, Kind.CENTRE, Kind.HIDE, *(kind for kind in Kind if Kind.BEGIN <= kind <= Kind.CLOCK))


class PlayRequests:
    """Does with a game what pages ask for; from any thread.

    Parameters
    ----------
    play : Play
    """

    def __init__(self, play: Play) -> None:
        self._play = play
        self._requests: dict[Kind, Callable[[bytes, int], None]] = {
            Kind.PLAY: self._choose, Kind.AIM: self._aim, Kind.CENTRE: self._centre, Kind.HIDE: self._hide,
            Kind.BEGIN: self._begin, Kind.STOP: self._stop, Kind.CLICK: self._click, Kind.FOLLOW: self._follow,
            Kind.SAVE: self._save, Kind.SHOWN: play.timing.shown, Kind.CLOCK: play.timing.clock,
        }  # fmt: skip

    def ask(self, request: Request, number: int) -> None:
        """Do what the page of this number asks for, of `REQUESTS`; BadInputError refuses it."""
        with self._play.lock:
            self._requests[request.kind](request.payload, number)

    def _choose(self, payload: bytes, number: int) -> None:
        """Have another decoder move the cursor, also in a game."""
        name = self._play.shelf.checked(fields_of(payload, "decoder")["decoder"])
        if self._play.is_blind:
            raise BadInputError("a blind comparison is under way; the decoders are chosen already")
        self._refuse_others(number)
        self._refuse_busy()
        self._play.choose(name)

    def _aim(self, payload: bytes, number: int) -> None:
        """Drive the population by the velocity that a visitor intends; while another plays, by nobody else's."""
        self._play.loop.aim(payload, number, self._play.player in (None, number))

    def _centre(self, payload: bytes, number: int) -> None:  # noqa: ARG002
        """Put the cursor to the centre."""
        self._refuse_others(number)
        self._play.loop.cursor.centre()

    def _hide(self, payload: bytes, number: int) -> None:
        """Keep the spikes of some units from the decoder."""
        self._refuse_others(number)
        self._play.loop.hide(payload)

    def _begin(self, payload: bytes, number: int) -> None:
        """Begin a game: of one decoder, of the first of two that are compared, or of the second."""
        asked = fields_of(payload)
        self._refuse_others(number)
        self._refuse_busy()
        if asked.get("next") is True:
            blind = self._play.blind
            if blind is None or blind.over or self._play.game is not None:
                raise BadInputError("no second game waits; begin a comparison first")
            self._play.begin(blind.setup, (blind.next,), blind, number)
            return
        setup = parse_game(fields_of(payload, "task", "length_s", "seed"))
        blind = self._compared(setup, asked.get("compare"))
        names = blind.names if blind is not None else (self._play.shelf.checked(asked.get("decoder")),)
        self._play.begin(setup, names, blind, number)

    def _compared(self, setup: GameSetup, names: Any) -> BlindComparison | None:
        """Return the comparison that was asked for; None where none was."""
        if names is None:
            return None
        two = [self._play.shelf.checked(name) for name in names] if isinstance(names, list) else []
        return BlindComparison(setup, two, self._play.bin_size_s)

    def _stop(self, payload: bytes, number: int) -> None:  # noqa: ARG002
        """End the game, or the calibration, before its time."""
        self._refuse_others(number)
        self._play.end("it was stopped")

    def _click(self, payload: bytes, number: int) -> None:
        """Select what is under the cursor."""
        game = self._play.game
        if game is None or game.player != number:
            return
        shown = fields_of(payload).get("bin")
        self._play.click(int(shown) if is_whole(shown) else None)  # pyright: ignore[reportArgumentType]

    def _follow(self, payload: bytes, number: int) -> None:
        """Begin a calibration in which the visitor follows a cursor."""
        asked = fields_of(payload, "length_s", "decoder")
        self._refuse_others(number)
        self._refuse_busy()
        if self._play.game is not None:
            raise BadInputError("a game is under way; end it first")
        name = self._play.shelf.checked(asked["decoder"])
        self._play.follow(Following(asked, self._play.bin_size_s, number), name)

    def _save(self, payload: bytes, number: int) -> None:
        """Write the latest game, or comparison, to a file, in a thread."""
        if self._play.game is not None:
            raise BadInputError("a game is under way; save it when it is over")

        def failed(reason: str) -> None:
            self._play.hub.publish(Kind.REFUSED, document_body({"reason": reason}), number)

        self._play.save(payload, failed)

    def _refuse_others(self, number: int) -> None:
        if self._play.player not in (None, number):
            raise BadInputError("another page plays; watch, or wait until its game is over")

    def _refuse_busy(self) -> None:
        if self._play.following is not None:
            raise BadInputError("a calibration is under way; end it first")
        self._play.decoder.refuse_busy()
