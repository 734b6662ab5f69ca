"""A decoder that is any process over LSL: it reads NAME and publishes velocity."""

import time
from collections import deque
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder
from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.lsl.notices import other_clock_notice
from spikeloop.streamer.lsl.samples import LslSamples

__all__ = ["LslDecoder"]


LABELS = ("velocity x", "velocity y")
APPEARS_WITHIN_S = 10.0
SILENT_AFTER_S = 5.0
HOLDS_S = 0.1
EARLY_BINS, DEADLINE_BINS = 0.25, 0.5  # before and after a bin's end
FASTEST_CM_S = 200.0  # four times a fast reach
OFF_CLOCK_S = 10.0  # that a stamp may be from the present; beyond, its sender goes by another clock
POLL_S = 0.0002


class LslDecoder(ReportingDecoder):
    """Follows the LSL stream of a name, from entering to leaving the context: 2 channels, velocity x and y in cm/s.

    Its sender learns by itself, from NAME and NAME-Cursor (see `SessionOutlets`), and answers each bin of NAME with a
    sample, stamped with the counts' own stamp or at its sending. A sample answers a bin if its stamp, on this
    machine's clock, is at most a quarter of a bin before the bin's end; it is waited for until half a bin after that.

    Where none came until then, the bin is late, and the last velocity goes on: for 100 ms after the bin in which it
    came, then the cursor stands. An answer that comes later is used for the bin in which it comes. A sample with NaN,
    infinity, or a stamp more than 10 s off LSL's clock is ignored and counted. Speeds above 200 cm/s along an axis are
    clipped. A stream that ends may return, as another run of the same name, within 5 s.

    Parameters
    ----------
    name : str
        Of the stream; `NAME?source_id=ID&host=HOST` where several have the name.
    population : LslPopulation
        Whose bins are answered.

    Raises
    ------
    BadInputError
        On entering, if there is no such stream within 10 s; the message lists what there is.
    FailureError
        On entering, if pylsl or liblsl is missing; in `step`, if the stream is gone, silent or stamped by another
        clock for 5 s.
    """

    def __init__(self, name: str, population: LslPopulation) -> None:
        self.name = name
        self._late = self._invalid = 0
        self._brain = population
        self._samples = LslSamples(name, LABELS, APPEARS_WITHIN_S, "--decoder")
        self._answers: deque[tuple[float, Floats]] = deque()  # stamps and velocities, not yet used
        self._velocity, self._until_s = np.zeros(2), 0.0  # the last one, and when it ceases to hold
        self._silent_since_s: float | None = None
        self._ahead_s = 0.0  # of LSL's clock, where the latest samples were all off it

    @property
    def status(self) -> DecoderStatus:
        """Counts of late and invalid answers so far."""
        return DecoderStatus(live=True, late_answers=self._late, invalid_answers=self._invalid)

    def __enter__(self) -> Self:
        self._samples.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._samples.__exit__(*error)

    def fit(self, counts: NDArray[Any], kinematics: NDArray[np.floating]) -> None:  # noqa: ARG002
        """Let go of what it answered until now: its sender learns by itself."""
        self._samples.pull()

    def step(self, counts: NDArray[Any]) -> Floats:  # noqa: ARG002
        """Velocity (2,), cm/s, of the bin that the population handed out last: its sender has these counts too."""
        end_s, bin_s = self._brain.end_s, self._brain.bin_size_s
        heard = self._take()
        while not (answered := self._use(end_s, bin_s)) and self._samples.now() < end_s + DEADLINE_BINS * bin_s:
            time.sleep(POLL_S)
            heard |= self._take()
        self._late += not answered
        self._check(heard)
        return self._velocity.copy() if end_s <= self._until_s else np.zeros(2)

    def _take(self) -> bool:
        """Keep what has arrived; whether anything has that is stamped by LSL's clock."""
        stamps_s, values = self._samples.pull()
        if not len(stamps_s):
            return False
        now_s = self._samples.now()
        timely = np.abs(stamps_s - now_s) <= OFF_CLOCK_S
        valid = np.isfinite(values).all(axis=1) & timely
        self._ahead_s = 0.0 if timely.any() else float(stamps_s[-1]) - now_s
        self._invalid += int(np.count_nonzero(~valid))
        velocities = np.clip(values[valid].astype(np.float64), -FASTEST_CM_S, FASTEST_CM_S)
        self._answers += zip(np.minimum(stamps_s[valid], now_s).tolist(), velocities, strict=True)
        return bool(timely.any())

    def _use(self, end_s: float, bin_s: float) -> bool:
        """Turn to the latest answer of no later bin; whether it is one of this bin."""
        answered = False
        while self._answers and self._answers[0][0] < end_s + (1 - EARLY_BINS) * bin_s:
            stamp_s, self._velocity = self._answers.popleft()
            self._until_s = end_s + HOLDS_S
            answered = stamp_s >= end_s - EARLY_BINS * bin_s
        return answered

    def _check(self, heard: bool) -> None:
        now_s = self._samples.now()
        if heard or self._silent_since_s is None:
            self._silent_since_s = None if heard else now_s
        elif now_s > self._silent_since_s + SILENT_AFTER_S:
            state = "gone" if self._samples.absent else "silent"
            if self._ahead_s:
                raise FailureError(
                    f"decoder lost: {self.name!r}: {other_clock_notice(self._ahead_s, 'its answers are ignored')}"
                )
            namesakes = f"; {self._samples.namesakes}" if self._samples.namesakes else ""
            refused = f" (not followed: {self._samples.refused})" if self._samples.refused else ""
            raise FailureError(
                f"decoder lost: expected a velocity over {self.name!r} for every bin, found the stream {state} for"
                f" {SILENT_AFTER_S:g} s{refused}{namesakes}; see what its process says"
            )
