"""How long a loop in real time takes, stage by stage."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.streamer.closedloop.lsl_brain import LslBrain
from spikeloop.streamer.closedloop.record import Moment
from spikeloop.streamer.health import Durations

__all__ = ["LoopLatency", "LoopTimer", "TimedDecoder"]


@dataclass(frozen=True)
class LoopLatency:
    """The latency budget of closed-loop blocks: p50, p99 and max of each stage, in ms, NaN where nothing was measured.

    Attributes
    ----------
    spikes_ms : from a bin's end to its counts here; that is also from an intention's sending to its spikes, beyond
        the wait for the bin's end, but where it was untimely
    decoder_ms : from the counts to the decoded velocity; a decoder over LSL has them at about the same time
    cursor_ms : from the velocity to the next intention's sending; the cursor has moved meanwhile
    loop_ms : all of it, from a bin's end to the next intention's sending
    steps : bins of closed-loop blocks
    missed, behind, skipped, untimely : bins of all blocks, as of `LslBrain`
    late, invalid : bins and samples of a decoder over LSL, as of `LslDecoder`; 0 of others
    """

    spikes_ms: dict[str, float]
    decoder_ms: dict[str, float]
    cursor_ms: dict[str, float]
    loop_ms: dict[str, float]
    steps: int
    missed: int
    behind: int
    skipped: int
    untimely: int
    late: int
    invalid: int


class TimedDecoder:
    """A decoder that notes when it has decoded.

    Attributes
    ----------
    live : whether it is a `LiveDecoder`
    decoded_s : when the latest step was over, s, on the clock; NaN before
    """

    def __init__(self, decoder: Decoder, now: Callable[[], float]) -> None:
        self.decoder = decoder
        self.live: bool = getattr(decoder, "live", False)
        self.decoded_s = math.nan
        self._now = now

    def fit(self, counts: NDArray[Any], kinematics: NDArray[np.floating]) -> None:
        self.decoder.fit(counts, kinematics)

    def step(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        velocity = self.decoder.step(counts)
        self.decoded_s = self._now()
        return velocity


class LoopTimer:
    """A watcher that times the bins of closed-loop blocks.

    Parameters
    ----------
    brain : its clock is LSL's
    decoder : on the same clock; a bin that it isn't asked about counts in no stage but the first
    """

    def __init__(self, brain: LslBrain, decoder: TimedDecoder) -> None:
        self._brain, self._decoder = brain, decoder
        self._spikes, self._decoding, self._cursor, self._loop = (Durations() for _ in range(4))
        self._steps = 0
        self._before: tuple[str, float, float] | None = None  # of the bin before: block, end, and when it was decoded

    def show(self, moment: Moment) -> None:
        """A bin is over."""
        if moment.block == "calibration" or not moment.passed:
            return
        brain, decoded_s = self._brain, self._decoder.decoded_s
        if self._before is not None and self._before[0] == moment.block:
            _, end_s, since_s = self._before
            self._cursor.add(brain.sent_s - since_s)
            self._loop.add(brain.sent_s - end_s)
        self._spikes.add(brain.arrived_s - brain.end_s)
        self._before = None
        if decoded_s > brain.arrived_s:
            self._decoding.add(decoded_s - brain.arrived_s)
            self._before = (moment.block, brain.end_s, decoded_s)
        self._steps += 1

    def report(self) -> LoopLatency:
        """The figures so far."""
        brain, decoder = self._brain, self._decoder.decoder
        return LoopLatency(
            *(_quantiles_ms(each) for each in (self._spikes, self._decoding, self._cursor, self._loop)),
            steps=self._steps,
            missed=brain.missed,
            behind=brain.behind,
            skipped=brain.skipped,
            untimely=brain.untimely,
            late=getattr(decoder, "late", 0),
            invalid=getattr(decoder, "invalid", 0),
        )


def _quantiles_ms(durations: Durations) -> dict[str, float]:
    longest_s = durations.quantile_s(1.0)  # NaN where there is none
    return {"p50": durations.quantile_s(0.5) * 1000, "p99": durations.quantile_s(0.99) * 1000, "max": longest_s * 1000}
