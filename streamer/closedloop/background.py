"""A closed loop that runs in a thread of its own, as in a notebook."""

import atexit
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Self

from spikeloop.models.decoders.spec import Decoders
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number
from spikeloop.streamer.closedloop.closed_loop import check_on_trial, open_setup, run_setup
from spikeloop.streamer.closedloop.experiment.record import Moment, Watcher
from spikeloop.streamer.closedloop.progress import TrialCounter, TrialDone
from spikeloop.streamer.closedloop.results.result import ClosedLoopResult
from spikeloop.streamer.closedloop.setup import Setup, check_setup

__all__ = ["RunningClosedLoop", "start_closed_loop"]

ENDS_WITHIN_S = 30.0  # at the interpreter's exit, which a thread inside ONNX Runtime would abort


def start_closed_loop(
    decoders: Decoders, *, keep_bins: bool = False, on_trial: Callable[[TrialDone], None] | None = None, **options: Any
) -> "RunningClosedLoop":
    """Start a closed loop in the background.

    Parameters
    ----------
    decoders, keep_bins, on_trial, **options
        As of `closed_loop`; `on_trial` is called in the background's thread.

    Returns
    -------
    RunningClosedLoop

    Raises
    ------
    BadInputError, FailureError
        As of `closed_loop`, for what can be known before any session runs.
    """
    check_on_trial(on_trial)
    setup = open_setup(decoders, **options)
    check_setup(setup)
    return RunningClosedLoop(setup, keep_bins, on_trial)


class RunningClosedLoop:
    """A closed loop in the background; leaving its context stops it, and so does the interpreter's exit.

    Parameters
    ----------
    setup : Setup
    keep_bins : bool
    on_trial : callable (TrialDone) -> None, optional

    Attributes
    ----------
    latest : TrialDone, optional
        The latest trial that ended; None before.
    """

    def __init__(self, setup: Setup, keep_bins: bool, on_trial: Callable[[TrialDone], None] | None) -> None:
        self.latest: TrialDone | None = None
        self._counter, self._on_trial = TrialCounter(setup, self._trial_done), on_trial
        self._stopped, self._result = threading.Event(), Future[ClosedLoopResult]()
        self._thread = threading.Thread(target=self._run, args=(setup, keep_bins), daemon=True, name="closed loop")
        atexit.register(self._end, ENDS_WITHIN_S)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._result.done()

    def result(self, timeout_s: float | None = None) -> ClosedLoopResult:
        """Wait for the end, and return the result.

        Parameters
        ----------
        timeout_s : float, s, optional
            By default it waits without end.

        Raises
        ------
        BadInputError
            If the timeout is no number of 0 or more.
        IncompleteError, FailureError
            As of `closed_loop`.
        TimeoutError
            If it is still running.
        """
        if timeout_s is None or (is_number(timeout_s) and timeout_s == math.inf):
            return self._result.result()
        if not (is_number(timeout_s) and timeout_s >= 0):
            raise BadInputError(f"timeout_s: expected a number of 0 or more, or None, found {timeout_s!r:.80}")
        return self._result.result(min(float(timeout_s), threading.TIMEOUT_MAX))

    def stop(self) -> None:
        """End it as Ctrl-C would, and wait; `result` then is of what was done."""
        self._end()

    def _end(self, within_s: float | None = None) -> None:
        """Stop, and wait for the result; Ctrl-C while a thread is joined would make it seem to have ended."""
        atexit.unregister(self._end)
        self._stopped.set()
        wait([self._result], within_s)

    def _run(self, setup: Setup, keep_bins: bool) -> None:
        try:
            self._result.set_result(run_setup(setup, self._watch, keep_bins))
        except BaseException as error:  # handed to who asks for the result
            self._result.set_exception(error)
        finally:
            atexit.unregister(self._end)

    def _watch(self, decoder: str, seed: int) -> Watcher:
        return _Stoppable(self._counter.watch(decoder, seed), self._stopped)

    def _trial_done(self, trial: TrialDone) -> None:
        self.latest = trial
        if self._on_trial is not None:
            self._on_trial(trial)


class _Stoppable:
    """Passes each bin on; raises KeyboardInterrupt, which ends a session with its record, once stopped."""

    def __init__(self, watcher: Watcher, stopped: threading.Event) -> None:
        self._watcher, self._stopped = watcher, stopped

    def show(self, moment: Moment) -> None:
        self._watcher.show(moment)
        if self._stopped.is_set() and moment.passed:
            raise KeyboardInterrupt
