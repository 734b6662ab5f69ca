"""Publish a session over LSL: NAME-Markers, what happens, and NAME-Cursor, what is on the screen."""

import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from spikeloop.exporters.stream_names import CURSOR, CURSOR_TYPE, MARKERS
from spikeloop.streamer.closedloop.experiment.record import BLOCKS, Moment
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.lsl.description import channel
from spikeloop.streamer.lsl.library import LINGER_S
from spikeloop.streamer.lsl.outlet import open_outlet

if TYPE_CHECKING:
    import pylsl

__all__ = ["SessionOutlets"]

CURSOR_CHANNELS = (
    ("position x", "cm"),
    ("position y", "cm"),
    ("velocity x", "cm/s"),
    ("velocity y", "cm/s"),
    ("target x", "cm"),
    ("target y", "cm"),
    ("target width", "cm"),
    ("block", "number"),
)
NO_TARGET = (math.nan, math.nan, math.nan)


class SessionOutlets:
    """A watcher that publishes a session over LSL, from entering to leaving the context.

    NAME-Cursor has a sample a bin, of type Cursor, with the stamp of the bin's counts in NAME: position and velocity
    of the cursor at the bin's end, cm and cm/s; place and width of the target, cm, NaN where none is shown; and the
    number of the block: 0 calibration, 1 the loop before a recalibration, 2 the closed loop. In the calibration block
    its velocity is what the counts of the same stamp are to be decoded into.

    NAME-Markers has texts, each a JSON object with "event", "block" and "bin", counted in the block: "block begins"
    and "block ends"; in trials, with the number "trial", "target" (it appears), "enter" and "leave" (the cursor),
    and how it ended: "success", "timeout", "wrong", or "lost", as the session ended, all with "target", {"x_cm",
    "y_cm", "width_cm"}, null where it was lost before it appeared; "perturbation", with "kind" and "value"; and
    "session ends". Their stamps are those of the bins at whose end they happened; of "lost", that of the last bin.

    A decoder in another process learns from NAME and NAME-Cursor while the block is 0, and, where it can, anew from
    block 1 when block 2 begins. A block's beginning is published with its first bin. A session with such a decoder
    begins when the decoder's own stream is there: one that opens it after it has connected to these misses nothing.

    Parameters
    ----------
    name : str
        Of the counts.
    bin_size_s : float > 0, s
        Of the session.
    stamp : callable
        Returns the end of the latest bin, s, on LSL's clock.

    Raises
    ------
    BadInputError, FailureError
        On entering, as of `open_outlet`.
    """

    def __init__(self, name: str, bin_size_s: float, stamp: Callable[[], float]) -> None:
        self.name = name
        self._bin_size_s, self._stamp = bin_size_s, stamp
        self._markers: pylsl.StreamOutlet | None = None
        self._cursor: pylsl.StreamOutlet | None = None
        self._moment: Moment | None = None  # the latest
        self._stamped_s = math.nan  # its stamp
        self._target: Target | None = None  # that it showed

    def __enter__(self) -> Self:
        self._markers = open_outlet(
            f"{self.name}{MARKERS}", "Markers", [channel("marker", "JSON", "markers")], form="string"
        )
        shown = [channel(label, unit, "cursor") for label, unit in CURSOR_CHANNELS]
        self._cursor = open_outlet(f"{self.name}{CURSOR}", CURSOR_TYPE, shown, 1 / self._bin_size_s)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._moment is not None:
                self._mark("session ends", self._moment, self._stamped_s)
            if self._markers is not None and self._markers.have_consumers():
                time.sleep(LINGER_S)
        finally:
            self._markers = self._cursor = None

    def wait_for_listener(self, within_s: float) -> bool:
        """Wait until somebody follows NAME-Cursor; return whether somebody does."""
        assert self._cursor is not None, "asked outside of the context"
        return self._cursor.wait_for_consumers(within_s)

    def show(self, moment: Moment) -> None:
        """Send a bin's cursor and what happened in it."""
        assert self._cursor is not None, "shown outside of the context"
        stamp_s, view, before = self._stamp(), moment.view, self._moment
        if before is None or before.block != moment.block:
            if before is not None:
                self._mark("block ends", before, self._stamped_s)
            self._mark("block begins", moment, stamp_s)
        target = view.target or self._target  # of a trial that just ended, the one before
        self._moment, self._stamped_s, self._target = moment, stamp_s, view.target
        for begun in moment.begun:
            self._mark("perturbation", moment, stamp_s, kind=begun.kind, value=begun.value)
        for event in moment.events:
            self._mark(event.kind, moment, stamp_s, trial=event.trial, target=_document(target))
        if not moment.passed:
            return
        shown = (*view.target.place_cm, view.target.width_cm) if view.target else NO_TARGET
        block = float(BLOCKS.index(moment.block))
        self._cursor.push_sample([*view.position_cm.tolist(), *view.velocity_cm_s.tolist(), *shown, block], stamp_s)

    def _mark(self, event: str, moment: Moment, stamp_s: float, **more: Any) -> None:
        assert self._markers is not None
        document = {"event": event, "block": moment.block, "bin": moment.bin} | more
        self._markers.push_sample([json.dumps(document)], stamp_s)


def _document(target: Target | None) -> dict[str, float] | None:
    if target is None:
        return None
    return {"x_cm": target.place_cm[0], "y_cm": target.place_cm[1], "width_cm": target.width_cm}
