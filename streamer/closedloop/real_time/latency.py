"""How long a loop in real time takes, stage by stage."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder, DecoderWrapper, step_spikes
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.streamer.closedloop.experiment.record import Moment
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.stream.health import Durations

__all__ = ["LoopLatency", "LoopTimer", "TimedDecoder"]


@dataclass(frozen=True)
class LoopLatency:
    """The latency budget of closed-loop blocks, and what came late; the one place where these counters are defined.

    Attributes
    ----------
    spikes_ms : dict of float, ms
        From a bin's end to its counts here; keys p50, p99 and max, NaN where nothing was measured. This is also the
        time from sending an intended velocity to its spikes, beyond the wait for the bin's end.
    decoder_ms : dict of float, ms
        From the counts to the decoded velocity; a decoder over LSL has them at about the same time.
    cursor_ms : dict of float, ms
        From the velocity to sending the next intended velocity; the cursor has moved meanwhile.
    loop_ms : dict of float, ms
        All of it, from a bin's end to sending the next intended velocity.
    steps : int
        Bins of closed-loop blocks. All counters below are of all blocks.
    missed_steps : int
        Bins of which no counts came.
    late_steps : int
        Bins that the session processed while a later one was already waiting.
    dropped_steps : int
        Bins left out because the session was more than half a second behind, as after a long fit.
    late_inputs : int
        Bins of which the intended velocity was sent less than 2 ms before their end, or later: they may have been
        driven by the one before.
    late_answers : int
        Bins that a decoder over LSL did not answer in time; 0 of other decoders.
    invalid_answers : int
        Samples of such a decoder that were ignored: NaN, infinity, or a stamp of another clock.
    """

    spikes_ms: dict[str, float]
    decoder_ms: dict[str, float]
    cursor_ms: dict[str, float]
    loop_ms: dict[str, float]
    steps: int
    missed_steps: int
    late_steps: int
    dropped_steps: int
    late_inputs: int
    late_answers: int
    invalid_answers: int


class TimedDecoder(DecoderWrapper):
    """A decoder whose steps are timed.

    Parameters
    ----------
    decoder : Decoder
    now : callable
        The clock, s.

    Attributes
    ----------
    decoded_s : float, s
        When the latest step was over; NaN before.
    """

    def __init__(self, decoder: Decoder, now: Callable[[], float]) -> None:
        super().__init__(decoder)
        self.decoded_s = math.nan
        self._now = now

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,) of the next bin."""
        velocity = self.decoder.step(counts)
        self.decoded_s = self._now()
        return velocity

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Velocity (columns,) of the next bin."""
        velocity = step_spikes(self.decoder, spikes)
        self.decoded_s = self._now()
        return velocity


class LoopTimer:
    """A watcher that times the bins of closed-loop blocks.

    Parameters
    ----------
    population : LslPopulation
        Its clock is LSL's.
    decoder : TimedDecoder
        On the same clock; a bin that it isn't asked about counts in no stage but the first.
    """

    def __init__(self, population: LslPopulation, decoder: TimedDecoder) -> None:
        self._population, self._decoder = population, decoder
        self._spikes, self._decoding, self._cursor, self._loop = (Durations() for _ in range(4))
        self._steps = 0
        self._before: tuple[str, float, float] | None = None  # of the bin before: block, end, and when it was decoded

    def show(self, moment: Moment) -> None:
        """A bin is over."""
        if moment.block == "calibration" or not moment.passed:
            return
        population, decoded_s = self._population, self._decoder.decoded_s
        if self._before is not None and self._before[0] == moment.block:
            _, end_s, since_s = self._before
            self._cursor.add(population.sent_s - since_s)
            self._loop.add(population.sent_s - end_s)
        self._spikes.add(population.arrived_s - population.end_s)
        self._before = None
        if decoded_s > population.arrived_s:
            self._decoding.add(decoded_s - population.arrived_s)
            self._before = (moment.block, population.end_s, decoded_s)
        self._steps += 1

    def report(self) -> LoopLatency:
        """The figures so far."""
        population, decoder = self._population, self._decoder.status
        return LoopLatency(
            *(_quantiles_ms(durations) for durations in (self._spikes, self._decoding, self._cursor, self._loop)),
            steps=self._steps,
            missed_steps=population.missed_steps,
            late_steps=population.late_steps,
            dropped_steps=population.dropped_steps,
            late_inputs=population.late_inputs,
            late_answers=decoder.late_answers,
            invalid_answers=decoder.invalid_answers,
        )


def _quantiles_ms(durations: Durations) -> dict[str, float]:
    longest_s = durations.quantile_s(1.0)  # NaN where there is none
    return {"p50": durations.quantile_s(0.5) * 1000, "p99": durations.quantile_s(0.99) * 1000, "max": longest_s * 1000}
