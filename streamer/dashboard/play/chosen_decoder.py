"""Which decoder moves the cursor, and whether it is ready."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import RLock

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.play.calibration import Calibration
from spikeloop.streamer.dashboard.play.cursor import DecodedCursor
from spikeloop.streamer.dashboard.play.decoders import DecoderShelf
from spikeloop.streamer.dashboard.play.fitting import Fitting

__all__ = ["ChosenDecoder"]


class ChosenDecoder:
    """The decoder of the cursor; fitted in a thread, while another may go on moving it.

    Parameters
    ----------
    shelf : DecoderShelf
        Has all that can be chosen.
    cursor : DecodedCursor
    lock : RLock
        Held while a fit that has ended is taken over.
    on_change : callable
        Called whenever pages are to see another state.

    Attributes
    ----------
    state : str
        "none", "calibrating", "following" (a visitor calibrates it), "ready" or "failed".
    name : str
        Of the decoder; "" while two are fitted that are compared.
    why : str
        Why it failed.
    """

    def __init__(self, shelf: DecoderShelf, cursor: DecodedCursor, lock: RLock, on_change: Callable[[], None]) -> None:
        self.state, self.name, self.why = "none", "", ""
        self._shelf, self._cursor, self._lock, self._on_change = shelf, cursor, lock, on_change
        self._fitting = Fitting(shelf)

    @property
    def worker(self) -> ThreadPoolExecutor:
        """The thread of the fits, for other work too."""
        return self._fitting.worker

    def close(self) -> None:
        """Wait for a fit that is under way."""
        self._fitting.close()

    def refuse_busy(self) -> None:
        """Raise BadInputError while one is being fitted."""
        if self._fitting.busy:
            raise BadInputError("a decoder is being calibrated; wait until it is ready")

    def fit(self, names: tuple[str, ...], then: Callable[[str], None], calibration: Calibration | None = None) -> None:
        """Have decoders fitted, to this calibration where there is one, and go on with the first of them."""

        def begins() -> None:
            self.state, self.name = "calibrating", names[0] if len(names) == 1 else ""
            self._on_change()

        def done(reason: str) -> None:
            with self._lock:
                if reason:
                    self.state, self.why = "failed", reason
                else:
                    then(names[0])
            self._on_change()

        self._fitting.fit(names, begins, done, calibration)

    def use(self, name: str) -> None:
        """Have this decoder, which is fitted, move the cursor."""
        self._cursor.decoder = self._shelf.get(name)
        self.state, self.name = "ready", name

    def lose(self, why: str) -> None:
        """Go on without the decoder, which has failed."""
        self._cursor.decoder = None
        self.state, self.why = "failed", why

    def begin_following(self, name: str) -> None:
        """Wait for a visitor who calibrates this decoder by hand."""
        self.state, self.name = "following", name

    def end_following(self) -> None:
        """Be as before, as that calibration was given up."""
        self.state = "ready" if self._cursor.decoder is not None else "none"
