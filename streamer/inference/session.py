"""Sessions of ONNX Runtime whose runs can be ended: a graph may loop for ever, and is deaf to Ctrl-C meanwhile."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any
from weakref import WeakSet

from spikeloop.models.errors import FailureError
from spikeloop.models.interrupts import interrupted_within

__all__ = ["Session"]

FIRST_RUN_S = 60.0  # that the first run may take, which is of one bin or window; a GPU begins slowly
LONGEST_RUN_S = 600.0  # that a later one may take; what is generated at once needs about a second
GRACE_S = 1.0  # for a run to end by itself after Ctrl-C
LOOK_EVERY_S = 1.0


class Session:
    """A session of ONNX Runtime, each of whose runs ends: by itself, at a limit of time, or after Ctrl-C.

    A run that does not end by itself within a second of Ctrl-C, or of another signal that ends commands, is ended
    between two operators of its graph.

    Parameters
    ----------
    runtime : module
        onnxruntime.
    session : onnxruntime.InferenceSession
    """

    def __init__(self, runtime: ModuleType, session: Any) -> None:
        self._runtime, self._session = runtime, session
        self._limit_s = FIRST_RUN_S
        self._running: dict[int, float] = {}  # when the run of each thread began, by the thread
        self._ended = ""  # why the latest run that was ended had to be
        self._options = self._fresh_options()
        _watch(self)

    def run(self, outputs: Sequence[str] | None, given: Mapping[str, Any]) -> list[Any]:
        """Return the outputs of these names, or all; as of `InferenceSession.run`.

        Raises
        ------
        FailureError
            If the run was ended, at its limit of time.
        KeyboardInterrupt
            If it was ended after Ctrl-C.
        """
        return self._watched(self._session.run, outputs, given)

    def run_bound(self, binding: Any) -> None:
        """Run with inputs and outputs bound, as of `InferenceSession.run_with_iobinding`; raises as `run` does."""
        self._watched(self._session.run_with_iobinding, binding)

    def io_binding(self) -> Any:
        """As of `InferenceSession`."""
        return self._session.io_binding()

    def get_inputs(self) -> Sequence[Any]:
        """As of `InferenceSession`."""
        return self._session.get_inputs()

    def get_outputs(self) -> Sequence[Any]:
        """As of `InferenceSession`."""
        return self._session.get_outputs()

    def get_modelmeta(self) -> Any:
        """As of `InferenceSession`."""
        return self._session.get_modelmeta()

    def runs_since(self, moment_s: float) -> bool:
        """Whether a run that began before this moment of `time.monotonic` still goes on."""
        return any(began_s < moment_s for began_s in list(self._running.values()))

    def end_runs(self, why: str = "") -> None:
        """End what runs at present, for this reason; without one, after Ctrl-C."""
        self._ended = why or "interrupted"
        self._options.terminate = True

    def end_late_runs(self) -> None:
        """End what runs for longer than it may."""
        if self.runs_since(time.monotonic() - self._limit_s):
            self.end_runs(f"it ran for longer than {self._limit_s:g} s and was ended; it may loop for ever")

    def _watched(self, run: Callable[..., Any], *given: Any) -> Any:
        """Run, so that others may end it; raise why it was ended, where it was."""
        thread = threading.get_ident()
        self._running[thread] = time.monotonic()
        try:
            found = run(*given, self._options)
        except Exception:
            self._raise_why_ended()
            raise
        finally:
            del self._running[thread]
        self._limit_s = LONGEST_RUN_S
        return found

    def _fresh_options(self) -> Any:
        options = self._runtime.RunOptions()
        options.log_severity_level = 4  # failures are raised
        return options

    def _raise_why_ended(self) -> None:
        if not self._ended:
            return
        why, self._ended, self._options = self._ended, "", self._fresh_options()
        if why == "interrupted" and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt from None
        raise FailureError(why) from None


SESSIONS: "WeakSet[Session]" = WeakSet()  # that are watched
WATCH_LOCK = threading.Lock()
WATCH: list[threading.Thread] = []  # the one that watches them, once there are some


def _watch(session: Session) -> None:
    """Have the runs of a session ended where that is needed; by one thread for all of them."""
    with WATCH_LOCK:
        SESSIONS.add(session)
        if not WATCH or not WATCH[0].is_alive():  # as in a process that was forked
            WATCH[:] = [threading.Thread(target=_end_what_must, name="watch-of-graphs", daemon=True)]
            WATCH[0].start()


def _end_what_must() -> None:
    while True:
        interrupted = interrupted_within(LOOK_EVERY_S)
        interrupted_s = time.monotonic()
        if interrupted:
            time.sleep(GRACE_S)
        with WATCH_LOCK:
            sessions = list(SESSIONS)
        for session in sessions:
            if interrupted and session.runs_since(interrupted_s):
                session.end_runs()
            else:
                session.end_late_runs()
        del sessions
