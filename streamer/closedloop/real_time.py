"""A session in real time: its brain, its decoder and what it tells are all on LSL."""

import gc
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.streamer.closedloop.latency import LoopLatency, LoopTimer, TimedDecoder
from spikeloop.streamer.closedloop.lsl_brain import LslBrain
from spikeloop.streamer.closedloop.lsl_decoder import LslDecoder
from spikeloop.streamer.closedloop.outlets import SessionOutlets
from spikeloop.streamer.closedloop.record import Watcher
from spikeloop.streamer.lsl import import_pylsl
from spikeloop.streamer.session import Device

__all__ = ["RealTime", "RealTimeReport"]


@dataclass(frozen=True)
class RealTimeReport:
    """How a session in real time ran.

    Attributes
    ----------
    latency : None where there was no decoder
    stream : what the brain's process tells at its end, as `spikeloop stream --json` does; None where it failed
    """

    latency: LoopLatency | None
    stream: dict[str, Any] | None


class RealTime:
    """The brain in a process of its own and NAME-Markers and NAME-Cursor, from entering to leaving the context.

        with RealTime("m1-sim", bundle, "arm", 24.0, seed=0) as real:
            decoder = real.decoder(KalmanDecoder())  # or real.decoder_over("STREAM")
            record = run_session(plan, real.brain, user, decoder, real.watchers)
        real.report()

    No garbage is collected meanwhile: by what a session keeps, a collection would come to last as long as a bin.

    Parameters
    ----------
    source : the bundle's name or path
    bundle, name, extent_cm, seed, device : as of `LslBrain`

    Raises
    ------
    BadInputError, FailureError
        As of `LslBrain` and `SessionOutlets`.
    """

    def __init__(
        self, source: str, bundle: Bundle, name: str, extent_cm: float, seed: int, device: Device = "auto"
    ) -> None:
        self.brain = LslBrain(source, bundle, name, extent_cm, seed, device)
        self._outlets = SessionOutlets(name, bundle.card.bin_size_s, lambda: self.brain.end_s)
        self._timer: LoopTimer | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.brain)
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
        self._timer = LoopTimer(self.brain, timed)
        return timed

    def decoder_over(self, stream: str) -> Decoder:
        """The same, of one that is a process over LSL; closed with the rest.

        Raises
        ------
        BadInputError
            If there is no such stream within 10 s.
        """
        return self.decoder(self._opened.enter_context(LslDecoder(stream, self.brain)))

    def report(self) -> RealTimeReport:
        """The figures; those of the stream when the context is left."""
        return RealTimeReport(self._timer.report() if self._timer is not None else None, self.brain.report)
