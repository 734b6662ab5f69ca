"""A thread that publishes a stream's voltage and spikes as a signal chain asks for them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

import numpy as np

from spikeloop.streamer.bridges.synapse.broadband_frames import FrameEncoder
from spikeloop.streamer.bridges.synapse.messages import spike_message
from spikeloop.streamer.bridges.synapse.signal_chain import SignalChain
from spikeloop.streamer.bridges.synapse.spike_windows import SpikeWindows
from spikeloop.streamer.bridges.synapse.taps import Publisher
from spikeloop.streamer.broadband.step_traces import Trace
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.stream.step import Step

__all__ = ["Outflow"]

MOST_WAITING = 100  # steps, and as many traces: two seconds of 20 ms
BACKLOG_S = 2.0  # of samples for a client that is slow
MOST_SPIKE_WINDOWS = 1000  # likewise, of spike counts


class Outflow:
    """Publishes from entering to leaving the context, while there is a chain to follow.

    Parameters
    ----------
    context : zmq.Context
    host : str
        Address at which the taps listen.
    synthesiser : Synthesiser
        Of the voltage; its templates say where units are.

    Attributes
    ----------
    voltage, spikes : Publisher
    first_sample : int or None
        Number of the first sample since the latest start, from 0 at the stream's start.
    samples, left_out : int
        Of voltage: published while clients were there; left out, as steps of voltage were.
    spike_windows : int
        Published while clients were there.
    """

    def __init__(self, context: Any, host: str, synthesiser: Synthesiser) -> None:
        self._context, self._host = context, host
        self._rate_hz, self._templates = synthesiser.amplifier.rate_hz, synthesiser.templates
        self._start_s = self._unix_ahead_s = 0.0
        self._on_start: Callable[[int], None] = lambda first_sample: None
        self._items: SimpleQueue[Trace | Step | None] = SimpleQueue()
        self._wanted: SignalChain | None = None
        self._followed: SignalChain | None = None
        self._encoder: FrameEncoder | None = None
        self._windows: SpikeWindows | None = None
        self.first_sample: int | None = None
        self.samples = self.left_out = self.spike_windows = 0
        self._next_sample = 0
        self._first_window: int | None = None

    def __enter__(self) -> Self:
        self.voltage = Publisher(self._context, self._host, max(1, round(BACKLOG_S * self._rate_hz)))
        self.spikes = Publisher(self._context, self._host, MOST_SPIKE_WINDOWS)
        self._thread = threading.Thread(target=self._work, name="spikeloop-synapse-outflow", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._items.put(None)
        self._thread.join()

    def begin(self, start_s: float, now_s: float, on_start: Callable[[int], None]) -> None:
        """Say when the stream's sample 0 is, and what time it is, on the device's clock.

        Parameters
        ----------
        start_s, now_s : float, s
        on_start : callable of int
            Called with the number of the first sample after each start, in the thread that publishes.
        """
        self._start_s, self._unix_ahead_s, self._on_start = start_s, time.time() - now_s, on_start

    def follow(self, chain: SignalChain | None) -> None:
        """Publish what a chain asks for, from the next step on; None for nothing."""
        self._wanted = chain

    def push(self, item: Trace | Step) -> None:
        """Leave a step, or its voltage, to the thread; where too many wait, the oldest is left out."""
        if self._items.qsize() >= 2 * MOST_WAITING:
            with suppress(Empty):
                self._items.get_nowait()
        self._items.put(item)

    def _work(self) -> None:
        try:
            while (item := self._items.get()) is not None:
                if self._wanted is not self._followed:
                    self._start(self._wanted)
                if isinstance(item, Trace):
                    self._send_voltage(item)
                else:
                    self._send_spikes(item)
        finally:
            self.voltage.close()
            self.spikes.close()

    def _start(self, chain: SignalChain | None) -> None:
        self._followed, self._encoder, self._windows, self.first_sample = chain, None, None, None
        if chain is not None and (node := chain.broadband) is not None:
            self._encoder = FrameEncoder(node.electrodes.places, node.electrodes.ids, self._rate_hz, node.bits)
        if chain is not None and chain.spikes is not None:
            self._windows, self._first_window = SpikeWindows(chain.spikes, self._templates, self._start_s), None

    def _send_voltage(self, trace: Trace) -> None:
        if self._encoder is None or not len(trace.values):
            return
        first, end = trace.first_sample, trace.first_sample + len(trace.values)
        if self.first_sample is None:
            self.first_sample = self._next_sample = first
            self._on_start(first)
        self.left_out += first - self._next_sample
        self._next_sample = end
        if self.voltage.look():
            times_ns = np.rint((self._start_s + np.arange(first, end) / self._rate_hz) * 1e9).astype(np.int64)
            unix_times_ns = times_ns + round(self._unix_ahead_s * 1e9)
            self.voltage.send(self._encoder.encode(trace.values, first - self.first_sample, times_ns, unix_times_ns))
            self.samples += len(trace.values)

    def _send_spikes(self, step: Step) -> None:
        if self._windows is None:
            return
        start_ns, ahead_ns = round(self._start_s * 1e9), round(self._unix_ahead_s * 1e9)
        for window in self._windows.of(step):
            if self._first_window is None:
                self._first_window = window.number
            if self.spikes.look():
                sequence = window.number - self._first_window
                message = spike_message(self._windows.node, window, sequence, start_ns, start_ns + ahead_ns)
                self.spikes.send(np.frombuffer(message, np.uint8)[np.newaxis])
                self.spike_windows += 1
