"""Calls that must not wait: in them, what makes a thread wait for LSL is forbidden to it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pylsl
import pytest

__all__ = ["at_once"]

WAITING = ("open_stream", "info", "time_correction")  # of an inlet
SEARCHES = ("resolve_streams", "resolve_byprop", "resolve_bypred")


@contextmanager
def at_once() -> Iterator[None]:
    """In this block, this thread may make no call of LSL that waits for another side; other threads may."""
    here = threading.get_ident()

    def forbidding(call: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*given: Any, **named: Any) -> Any:
            assert threading.get_ident() != here, f"{call.__name__} waits"
            return call(*given, **named)

        return checked

    pull_chunk = pylsl.StreamInlet.pull_chunk

    def pull(inlet: pylsl.StreamInlet, timeout: float = 0.0, *given: Any, **named: Any) -> Any:
        assert threading.get_ident() != here or timeout == 0, f"pull_chunk waits for {timeout} s"
        return pull_chunk(inlet, timeout, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        for name in SEARCHES:
            patch.setattr(pylsl, name, forbidding(getattr(pylsl, name)))
        for name in WAITING:
            patch.setattr(pylsl.StreamInlet, name, forbidding(getattr(pylsl.StreamInlet, name)))
        patch.setattr(pylsl.StreamInlet, "pull_chunk", pull)
        yield
