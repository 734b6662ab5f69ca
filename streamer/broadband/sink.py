"""NAME-Broadband over LSL: the voltage trace of a stream's steps, synthesised in a thread of its own."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from spikeloop.exporters.stream_names import BROADBAND, STREAM_TYPES
from spikeloop.models.recordings.provenance import Provenance, Replayed
from spikeloop.streamer.broadband.frames import Frames, frame_samples
from spikeloop.streamer.broadband.options import BroadbandType
from spikeloop.streamer.broadband.step_traces import StepTraces, Trace
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.lsl.description import Entries, channel
from spikeloop.streamer.lsl.library import LINGER_S
from spikeloop.streamer.lsl.outlet import open_outlet
from spikeloop.streamer.stream.step import Step

if TYPE_CHECKING:
    import pylsl

__all__ = ["BroadbandSink"]

EEG = "EEG"  # the type that Blackrock's nPlayServer looks for
QUEUE_S = 1.0  # of steps that wait
ARTEFACT_UV_PER_UA = 30.0  # of a stimulation pulse, on every channel: strong ones saturate an amplifier, as they do
BACKLOG_S = 10  # of samples for a consumer that stalls


class BroadbandSink:
    """An outlet of int16 at an amplifier's rate, open from entering to leaving the async context.

    Sample i has the stamp start_s + i / rate: a spike's trough is at the sample nearest to the spike's own time. A
    step's samples come when the step does, but for its last 0.7 ms, in which a waveform of the next may begin.

    Parameters
    ----------
    name : str
        Of the stream of counts; this one is called NAME-Broadband.
    synthesiser : Synthesiser
        Used by this sink alone.
    provenance : Provenance or Replayed
        Of the stream of counts.
    kind : {"broadband", "eeg"}
        `eeg` is the LSL type "EEG", in chunks of 10 ms.
    receivers : callables
        Each is called with every trace, in the thread that made it; must return at once.

    Attributes
    ----------
    dropped : int
        Steps left out as the queue was full; their samples are a gap in the stamps.

    Raises
    ------
    FailureError
        On entering, if pylsl or liblsl is missing, or LSL can't open the stream.
    """

    def __init__(
        self,
        name: str,
        synthesiser: Synthesiser,
        provenance: Provenance | Replayed,
        kind: BroadbandType = "broadband",
        *receivers: Callable[[Trace], None],
    ) -> None:
        self.name = f"{name}{BROADBAND}"
        self.dropped = 0
        self._synthesiser, self._provenance = synthesiser, provenance
        self._rate_hz = synthesiser.amplifier.rate_hz
        self._type = EEG if kind == "eeg" else STREAM_TYPES[BROADBAND]
        self._frames = Frames(frame_samples(self._rate_hz)) if kind == "eeg" else None
        self._receivers = receivers
        self._most_steps = max(2, round(QUEUE_S / (provenance.bin_size_s * provenance.step_bins)))
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._outlet: pylsl.StreamOutlet | None = None

    async def __aenter__(self) -> Self:
        self._outlet = open_outlet(
            self.name, self._type, self._describe_channels(), float(self._rate_hz), "int16",
            provenance=self._provenance, backlog=BACKLOG_S, check_name=False,
            chunk=frame_samples(self._rate_hz) if self._frames is not None else 0,
            probe=self._synthesiser.probe.name, microvolts_per_bit=self._synthesiser.amplifier.microvolts_per_bit,
        )  # fmt: skip
        self._worker = ThreadPoolExecutor(1, "spikeloop-broadband")
        self._work_done = self._worker.submit(self._work)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._steps.put(None)
        try:
            await asyncio.wrap_future(self._work_done)
            if self.has_consumers():
                await asyncio.sleep(LINGER_S)
        finally:
            self._worker.shutdown(wait=False)
            self._outlet = None  # an outlet closes when nothing refers to it

    def push(self, step: Step) -> None:
        """Leave a step to the thread; where too many wait, the oldest is dropped."""
        if self._steps.qsize() >= self._most_steps:
            with suppress(Empty):
                self._steps.get_nowait()
                self.dropped += 1
        self._steps.put(step)

    def artefact(self, channel: int | None, at_s: float, amplitude_uv: float) -> None:
        """Show a stimulation pulse on the trace, of one channel or of all; from any thread.

        Parameters
        ----------
        channel : int or None
            None for all.
        at_s : float, s
            On the clock of the stream; of a pulse in a step that went out already, only what is left is shown.
        amplitude_uv : float, µV
            At its beginning; it decays within 8 ms, and is cut off at the limits of int16: 6.4 mV, as `eeg` 8.2 mV.
        """
        self._synthesiser.artefact(channel, at_s - self._provenance.start_s, amplitude_uv)

    def pulse(self, at_s: float, amplitude_ua: float) -> None:
        """Show a pulse of so many microamperes on every channel."""
        self.artefact(None, at_s, ARTEFACT_UV_PER_UA * amplitude_ua)

    def has_consumers(self) -> bool:
        """Whether anybody receives the trace."""
        return self._outlet is not None and self._outlet.have_consumers()

    def _work(self) -> None:
        traces = StepTraces(self._synthesiser, self._provenance.bin_size_s, self._provenance.start_s)
        while (step := self._steps.get()) is not None:
            self._hand_out(traces.of(step))
        self._hand_out(traces.rest())
        if self._frames is not None and (rest := self._frames.rest()) is not None:
            self._send(rest)

    def _hand_out(self, trace: Trace) -> None:
        for receive in self._receivers:
            receive(trace)
        for part in self._frames.of(trace) if self._frames is not None else (trace,):
            self._send(part)

    def _send(self, trace: Trace) -> None:
        if self._outlet is not None and len(trace.values):
            last = trace.first_sample + len(trace.values) - 1
            self._outlet.push_chunk(trace.values, self._provenance.start_s + last / self._rate_hz)

    def _describe_channels(self) -> Iterator[Entries]:
        """Describe each channel with its scale and its place in mm, after the XDF conventions."""
        kind, scale_uv = STREAM_TYPES[BROADBAND], self._synthesiser.amplifier.microvolts_per_bit
        for number, (x_um, y_um) in enumerate(self._synthesiser.probe.positions_um.tolist()):
            place = {"X": x_um / 1000, "Y": y_um / 1000}
            yield channel(f"channel {number}", "uV", kind, scaling_factor=scale_uv, location=place)
