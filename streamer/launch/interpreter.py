"""Settings of the interpreter that keep a stream punctual, in force only while one runs."""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["frozen_garbage", "short_slices"]

GIL_SLICE_S = 0.0005  # how long another thread may keep the event loop waiting; Python's default is 5 ms

_lock = threading.Lock()
_streams, _before_s = 0, 0.0


@contextmanager
def short_slices() -> Iterator[None]:
    """Let threads take turns at the interpreter more often; as before when the last of several streams ends."""
    global _streams, _before_s
    with _lock:
        if _streams == 0:
            _before_s = sys.getswitchinterval()
            sys.setswitchinterval(min(GIL_SLICE_S, _before_s))
        _streams += 1
    try:
        yield
    finally:
        with _lock:
            _streams -= 1
            if _streams == 0:
                sys.setswitchinterval(_before_s)


@contextmanager
def frozen_garbage() -> Iterator[None]:
    """Keep the garbage collector from looking at what there is already; for a process that only streams."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
