"""A device of the Synapse protocol: a stream's voltage and spikes for the clients of Science Corporation, unmodified.

The protocol: https://science.xyz/docs/d/synapse and https://github.com/sciencecorp/synapse-api. Its control plane is
gRPC, its data are protobuf messages over ZeroMQ, and devices announce themselves by UDP broadcast.
"""

import logging
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.electrode_units import units_at
from spikeloop.streamer.bridges.listening_address import ListeningAddress, ipv4_of
from spikeloop.streamer.bridges.synapse.announcer import Announcer, announcement
from spikeloop.streamer.bridges.synapse.control_plane import ControlPlane
from spikeloop.streamer.bridges.synapse.inflow import Inflow
from spikeloop.streamer.bridges.synapse.messages import answer_to
from spikeloop.streamer.bridges.synapse.outflow import Outflow
from spikeloop.streamer.bridges.synapse.pulses import Pulse
from spikeloop.streamer.bridges.synapse.report import SynapseReport
from spikeloop.streamer.bridges.synapse.signal_chain import SignalChain, read_chain
from spikeloop.streamer.bridges.synapse.taps import open_context
from spikeloop.streamer.broadband.step_traces import Trace
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import Step

__all__ = ["SynapseDevice"]

VOLTAGE_TAP = "broadband_source_sim"  # as of Science's own simulator, whose examples find it
SPIKE_TAP, STIMULATION_TAP = "spike_source_sim", "electrical_stimulation_sim"
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
TRAIN_HZ = 100.0  # of a train of one pulse, which has no rate

logger = logging.getLogger(__name__)


class SynapseDevice:
    """Listens from entering to leaving the context; `push_trace` and `push` hand it voltage and spikes.

    It is one device for all clients, as the protocol has it: each may configure, start and stop it, and all that
    subscribe to a tap receive what is published. A client that is too slow loses messages, which it sees in their
    numbers; nobody waits for it.

    Parameters
    ----------
    address : ListeningAddress
        Of the control plane; taps have ports of their own.
    name : str
        Of the stream.
    synthesiser : Synthesiser
        Of the voltage.
    now : callable
        LSL's clock, s, which is the device's.
    steering : Steering
        Acts on the stream.

    Raises
    ------
    BadInputError
        On entering, if the host is none of this machine with an address of IPv4.
    FailureError
        On entering, if it can't listen there.
    """

    def __init__(
        self,
        address: ListeningAddress,
        name: str,
        synthesiser: Synthesiser,
        now: Callable[[], float],
        steering: Steering,
    ) -> None:
        self.name, self.serial = "-".join(name.split()), f"SPIKELOOP-{zlib.crc32(name.encode()):08X}"
        self.array = f"{synthesiser.probe.name}, {synthesiser.probe.channels} electrodes"
        self.microvolts_per_bit = synthesiser.amplifier.microvolts_per_bit
        self.address, self.clock_port = address, 0
        self._rate_hz, self._electrodes = synthesiser.amplifier.rate_hz, synthesiser.probe.channels
        self._synthesiser, self._now, self._steering = synthesiser, now, steering
        self._start_s = 0.0
        self._mark: Callable[..., Any] = lambda *facts, **more: None
        self._acting = threading.RLock()
        self._configuration: Any = None
        self._chain: SignalChain | None = None
        self._running = False

    def __enter__(self) -> Self:
        host = ipv4_of("--synapse", self.address.host)
        with ExitStack() as opened:
            context = open_context()
            opened.callback(context.term)
            self._outflow = opened.enter_context(Outflow(context, host, self._synthesiser))
            self._inflow = opened.enter_context(Inflow(context, host, self._stimulate))
            control = opened.enter_context(ControlPlane(self, host, self.address.port))
            self.address = ListeningAddress(self.address.host, control.port)
            message = announcement(self.serial, control.port, self.name)
            announcer = Announcer(host, message, lambda request: answer_to(request, self._now))
            self.clock_port = opened.enter_context(announcer).port
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def begin(self, start_s: float, mark: Callable[..., Any]) -> None:
        """Say when sample 0 is, on LSL's clock, and what to call with the first sample after each start.

        Parameters
        ----------
        start_s : float, s
        mark : callable
            `mark(event, stamp_s, **details)`, called from a thread of the device's.
        """
        self._start_s, self._mark = start_s, mark
        self._outflow.begin(start_s, self._now(), self._started)

    def push_trace(self, trace: Trace) -> None:
        """Publish consecutive samples; returns at once."""
        self._outflow.push(trace)

    def push(self, step: Step) -> None:
        """Publish the spikes of a step; returns at once."""
        self._outflow.push(step)

    @property
    def configuration(self) -> Any:
        """The `synapse.DeviceConfiguration` that a client gave; None before."""
        return self._configuration

    @property
    def is_running(self) -> bool:
        """Whether a client started it, and none stopped it since."""
        return self._running

    def configure(self, configuration: Any) -> None:
        """Configure the device, which stops it, unless it runs with the same configuration.

        Raises
        ------
        BadInputError
            If it can't do that; it goes on as before.
        """
        with self._acting:
            if self._running and configuration == self._configuration:
                return
            chain = read_chain(configuration.nodes, self._electrodes, self._rate_hz)
            self.stop()
            self._configuration, self._chain = configuration, chain

    def start(self) -> None:
        """Start to publish what it was configured for.

        Raises
        ------
        BadInputError
            If it was not configured.
        """
        with self._acting:
            if self._chain is None:
                raise BadInputError("expected a configuration, found none; configure the device before it is started")
            if not self._running:
                self._outflow.follow(self._chain)
                self._inflow.node = self._chain.stimulation
                self._running = True

    def stop(self) -> None:
        """Stop to publish."""
        with self._acting:
            self._outflow.follow(None)
            self._inflow.node = None
            self._running = False

    def taps(self) -> list[tuple[str, int, str, bool]]:
        """Return name, port and kind of message of each tap, and whether clients send to it; none when stopped."""
        chain = self._chain if self._running else None
        if chain is None:
            return []
        listed = (
            (chain.broadband, VOLTAGE_TAP, self._outflow.voltage.port, "synapse.BroadbandFrame", False),
            (chain.spikes, SPIKE_TAP, self._outflow.spikes.port, "synapse.SpiketrainFrame", False),
            (chain.stimulation, STIMULATION_TAP, self._inflow.tap.port, "synapse.Tensor", True),
        )
        return [tap for node, *tap in listed if node is not None]  # pyright: ignore[reportReturnType]

    def invitation(self) -> str:
        """Return how Science's own programs find it and look at it, in a line."""
        uri = f"{_reached(self.address.host)}:{self.address.port}"
        return (
            f"Synapse: device {self.name} on {self.address}, {self.array}, {self._rate_hz} Hz; find it with `synapsectl"
            f" discover`, look at it with `synapsectl --uri {uri} info`"
        )

    def remark(self) -> str:
        """Return the address, and who receives, in a few words."""
        clients = self._outflow.voltage.clients + self._outflow.spikes.clients
        state = f"{clients} client{'s' * (clients != 1)}" if self._running else "stopped"
        return f"Synapse {self.address}: {state}"

    def report(self) -> SynapseReport:
        """Return the figures so far."""
        flow, first = self._outflow, self._outflow.first_sample
        return SynapseReport(
            str(self.address), self._running, first, None if first is None else self._time_of(first),
            flow.samples, flow.left_out, flow.spike_windows, self._inflow.pulses, self._inflow.refused,
        )  # fmt: skip

    def _started(self, first_sample: int) -> None:
        logger.info("Synapse: a client started the device; its first sample is %d", first_sample)
        self._mark("synapse", self._time_of(first_sample), first_sample=first_sample)

    def _time_of(self, sample: int) -> float:
        return self._start_s + sample / self._rate_hz

    def _stimulate(self, pulses: Sequence[Pulse]) -> None:
        """Stimulate the units nearest to the pulses' electrodes."""
        now_s = self._now()
        for (after_s, amplitude_ua, width_us), electrodes in _together(pulses).items():
            if units := units_at(self._synthesiser.templates, electrodes):
                self._steering.stimulate(units, amplitude_ua, 1, TRAIN_HZ, width_us, "synapse", at_s=now_s + after_s)


def _together(pulses: Sequence[Pulse]) -> dict[tuple[float, float, float], list[int]]:
    """Return the electrodes of pulses that are the same otherwise."""
    together: dict[tuple[float, float, float], list[int]] = {}
    for pulse in pulses:
        together.setdefault((pulse.after_s, pulse.amplitude_ua, pulse.width_us), []).append(pulse.electrode)
    return together


def _reached(host: str) -> str:
    """Return by which host this machine reaches what listens there."""
    return LOOPBACK if host == EVERYWHERE else host
