"""Fits decoders in a thread, so that a game and its stream go on meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.streamer.dashboard.play.decoders import DecoderShelf

__all__ = ["Fitting"]


class Fitting:
    """Does what takes long for a game, one thing at a time.

    Parameters
    ----------
    shelf : DecoderShelf

    Attributes
    ----------
    worker : ThreadPoolExecutor
        Its thread, for other work too.
    """

    def __init__(self, shelf: DecoderShelf) -> None:
        self.worker = ThreadPoolExecutor(1, "spikeloop-play")
        self._shelf, self._working = shelf, threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether decoders are being fitted."""
        return self._working.locked()

    def close(self) -> None:
        """Wait for what is under way; what waits is not begun."""
        self.worker.shutdown(wait=True, cancel_futures=True)

    def fit(self, names: tuple[str, ...], begins: Callable[[], None], done: Callable[[str], None]) -> None:
        """Fit decoders, at once where all are fitted already; else in the thread.

        Parameters
        ----------
        names : tuple of str
        begins : callable
            Called at once where it takes a while.
        done : callable
            Gets why it failed; an empty text where it did not.

        Raises
        ------
        BadInputError
            If others are being fitted.
        """
        if not self._working.acquire(blocking=False):
            raise BadInputError("a decoder is being calibrated; wait until it is ready")
        if all(map(self._shelf.has, names)):
            self._work(names, done)
            return
        begins()
        self.worker.submit(self._work, names, done)

    def _work(self, names: tuple[str, ...], done: Callable[[str], None]) -> None:
        reason = ""
        try:
            for name in names:
                self._shelf.get(name)
        except SpikeloopError as error:
            reason = str(error)
        finally:
            self._working.release()
        done(reason)
