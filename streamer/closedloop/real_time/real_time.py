"""A session in real time: its population, its decoder and its outlets are on LSL."""

import gc
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.streamer.closedloop.experiment.record import Watcher
from spikeloop.streamer.closedloop.real_time.latency import LoopLatency, LoopTimer, TimedDecoder
from spikeloop.streamer.closedloop.real_time.lsl_brain import LslPopulation
from spikeloop.streamer.closedloop.real_time.lsl_decoder import LslDecoder
from spikeloop.streamer.closedloop.real_time.lsl_log import LslLog
from spikeloop.streamer.closedloop.real_time.outlets import SessionOutlets
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.lsl.library import import_pylsl

__all__ = ["RealTime", "RealTimeReport"]

LISTENS_WITHIN_S = 2.0  # a decoder whose stream is there, and which learns from the cursor
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RealTimeReport:
    """How a session in real time ran.

    Attributes
    ----------
    latency : LoopLatency or None
        None where there was no decoder.
    stream : dict or None
        Report of the population's process, as `spikeloop stream --json` prints it; None where it failed.
    """

    latency: LoopLatency | None
    stream: dict[str, Any] | None


class RealTime:
    """The population in a process of its own and NAME-Markers and NAME-Cursor, from entering to leaving the context.

        with RealTime("m1-sim", bundle, "arm", seed=0) as real:
            decoder = real.decoder(KalmanDecoder())  # or real.decoder_over("STREAM")
            record = run_session(plan, real.population, user, decoder, real.watchers)
        real.report()

    No garbage is collected meanwhile: by what a session keeps, a collection would come to last as long as a bin.

    Parameters
    ----------
    source : the bundle's name or path
    bundle, name, seed, device, start_delay_s, log : as of `LslPopulation`

    Raises
    ------
    BadInputError, FailureError
        As of `LslPopulation` and `SessionOutlets`.
    """

    def __init__(
        self,
        source: str,
        bundle: Bundle,
        name: str,
        seed: int,
        device: Device = "auto",
        start_delay_s: float = 0.0,
        log: LslLog | None = None,
    ) -> None:
        self.name = name
        self.population = LslPopulation(source, bundle, name, seed, device, start_delay_s, log)
        self._outlets = SessionOutlets(name, bundle.card.bin_size_s, lambda: self.population.end_s)
        self._timer: LoopTimer | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.population)
            opened.enter_context(self._outlets)
            gc.collect()
            if gc.isenabled():
                gc.disable()
                opened.callback(gc.enable)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """Who must be shown the session; ask when its decoder is there."""
        return (self._outlets, self._timer) if self._timer is not None else (self._outlets,)

    def decoder(self, decoder: Decoder) -> Decoder:
        """The session's decoder, its time taken."""
        timed = TimedDecoder(decoder, import_pylsl().local_clock)
        self._timer = LoopTimer(self.population, timed)
        return timed

    def decoder_over(self, stream: str) -> Decoder:
        """The same, of one that is a process over LSL; closed with the rest.

        It waits, for 2 s at most, until somebody follows NAME-Cursor, so that a decoder that learns misses nothing.

        Raises
        ------
        BadInputError
            If there is no such stream within 10 s.
        """
        decoder = self.decoder(self._opened.enter_context(LslDecoder(stream, self.population)))
        if not self._outlets.wait_for_listener(LISTENS_WITHIN_S):
            LOG.info("nobody follows %s-Cursor: a decoder that learns from it would miss the calibration", self.name)
        return decoder

    def report(self) -> RealTimeReport:
        """The figures; those of the stream when the context is left."""
        return RealTimeReport(self._timer.report() if self._timer is not None else None, self.population.report)
