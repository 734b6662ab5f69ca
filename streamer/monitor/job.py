"""What a monitor prepares beside its stream."""

import threading
from collections.abc import Callable

from spikeloop.streamer.monitor.reference import Reference

__all__ = ["Job"]

ENDS_WITHIN_S = 5.0  # to wait at the end for a reference in preparation, which stops after a piece of 0.1 s or so


class Job:
    """What takes seconds, in a thread of its own, for which nobody waits long at the end.

    Parameters
    ----------
    work : callable
        Returns the reference.
    """

    def __init__(self, work: Callable[[], Reference]) -> None:
        self._result: Reference | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._do, args=(work,), name="spikeloop-reference", daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Wait for the end, for some seconds at most."""
        self._thread.join(ENDS_WITHIN_S)

    def result(self) -> Reference:
        """Return the reference, or raise what the work raised."""
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _do(self, work: Callable[[], Reference]) -> None:
        try:
            self._result = work()
        except Exception as error:  # raised where it is asked for
            self._error = error
