"""A recorder in a thread, and outlets that send what a test knows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyxdf

from spikeloop.streamer.capture.record.record import record
from spikeloop.streamer.capture.record.report import RecordReport

__all__ = ["Recording", "all_samples", "bits", "by_name", "recording", "wait_until"]

PATIENCE_S = 60.0


class Recording:
    """A recording that runs; `reports` are of what it did so far, `report` of the end."""

    def __init__(self, streams: Any, out: Path, **options: Any) -> None:
        self.out, self.latest, self.report = out, None, None
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._options = {"wait_s": PATIENCE_S, "on_status": self._show, "stop": self.stop} | options
        self._streams = streams
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.report = record(self._streams, self.out, **self._options)
        except BaseException as error:
            self.error = error

    def _show(self, report: RecordReport) -> None:
        self.latest = report

    def until(self, condition: Callable[[RecordReport], bool]) -> None:
        """Wait until what was done so far is enough."""
        wait_until(lambda: self.error is not None or (self.latest is not None and condition(self.latest)))
        assert self.error is None, self.error

    def end(self) -> RecordReport:
        self.stop.set()
        self._thread.join(PATIENCE_S)
        assert self.error is None, self.error
        assert self.report is not None
        return self.report


@contextmanager
def recording(streams: Any, out: Path, count: int = 1, **options: Any) -> Iterator[Recording]:
    """Record until the block ends, which begins when so many streams are recorded."""
    running = Recording(streams, out, **options)
    try:
        running.until(lambda report: sum(stream.state == "recording" for stream in report.streams) >= count)
        yield running
    finally:
        running.stop.set()


def wait_until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def by_name(path: Path) -> dict[str, Any]:
    """What pyxdf reads of a file, as it is written: by the names of streams, lists where several have one."""
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    found = {stream["info"]["name"][0]: stream for stream in streams}
    assert len(found) == len(streams)
    return found


def all_samples(report: RecordReport) -> int:
    return sum(stream.samples for stream in report.streams)


def bits(values: Any) -> bytes:
    return np.ascontiguousarray(values).tobytes()
