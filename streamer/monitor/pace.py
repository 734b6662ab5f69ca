"""Work beside a stream that takes no more than a share of a core."""

import time
from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """Has a thread rest after each piece of work for so long that it takes a share of a core on average.

    Parameters
    ----------
    share : float, above 0 to 1
        Of a core.
    cpu_s : callable
        The thread's processor time, s.
    sleep : callable of (seconds)
    """

    def __init__(
        self,
        share: float,
        cpu_s: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._share, self._cpu_s, self._sleep = share, cpu_s, sleep
        self._rested_s: float | None = None  # processor time when the latest piece of work began

    def rest(self) -> None:
        """Rest for the work since the last call; of the first call, there is none."""
        if self._share < 1 and self._rested_s is not None:
            worked_s = self._cpu_s() - self._rested_s
            self._sleep(worked_s * (1 / self._share - 1))
        self._rested_s = self._cpu_s()
