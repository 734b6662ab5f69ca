"""Fits decoders in a thread, so that a game and its stream go on meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.streamer.dashboard.play.calibration import Calibration
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

    def fit(
        self,
        names: tuple[str, ...],
        begins: Callable[[], None],
        done: Callable[[str], None],
        calibration: Calibration | None = None,
    ) -> None:
        """Fit decoders, at once where all are fitted already; else in the thread.

        Parameters
        ----------
        names : tuple of str
        begins : callable
            Called at once where it takes a while.
        done : callable
            Gets why it failed; an empty text where it did not.
        calibration : Calibration, optional
            That all decoders learn from anew.

        Raises
        ------
        BadInputError
            If others are being fitted.
        """
        if not self._working.acquire(blocking=False):
            raise BadInputError("a decoder is being calibrated; wait until it is ready")
        if calibration is None and all(map(self._shelf.has, names)):
            self._work(names, done, None)
            return
        begins()
        self.worker.submit(self._work, names, done, calibration)

    def _work(self, names: tuple[str, ...], done: Callable[[str], None], calibration: Calibration | None) -> None:
        reason = ""
        try:
            if calibration is not None:
                self._shelf.recalibrate(calibration)
            for name in names:
                self._shelf.get(name)
        except Exception as error:  # of any kind: a page that waits gets the reason
            reason = in_one_line(error)
        finally:
            self._working.release()
        done(reason)
