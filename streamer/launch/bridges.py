"""The servers by which acquisition software connects to a stream, put together."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from spikeloop.models.packages import require_packages
from spikeloop.streamer.bridges.ephys_socket import EphysSocketReport, EphysSocketServer
from spikeloop.streamer.bridges.listening_address import parse_listening_address
from spikeloop.streamer.bridges.synapse.report import SynapseReport
from spikeloop.streamer.broadband.step_traces import Trace
from spikeloop.streamer.broadband.traces import Synthesiser
from spikeloop.streamer.launch.sent_voltage import SentVoltageOptions
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import SpikeSink

if TYPE_CHECKING:
    from spikeloop.streamer.bridges.synapse.device import SynapseDevice

__all__ = ["Bridges"]


class Bridges:
    """Those that the options ask for; they listen from entering to leaving the context.

    Parameters
    ----------
    options : SentVoltageOptions
        Checked.
    name : str
        Of the stream.
    voltage : Synthesiser or None
        None for no voltage, and no bridges.
    now : callable
        LSL's clock, s.
    steering : Steering or None
        Acts on the stream.

    Raises
    ------
    FailureError
        If a package is not installed; on entering, if one can't listen.
    """

    def __init__(
        self,
        options: SentVoltageOptions,
        name: str,
        voltage: Synthesiser | None,
        now: Callable[[], float],
        steering: Steering | None,
    ) -> None:
        self._voltage = voltage
        self._ephys_socket: EphysSocketServer | None = None
        self._synapse: SynapseDevice | None = None
        if voltage is not None and options.ephys_socket is not None:
            address = parse_listening_address("--ephys-socket", options.ephys_socket)
            self._ephys_socket = EphysSocketServer(address, voltage.amplifier.rate_hz)
        if voltage is not None and options.synapse is not None and steering is not None:
            address = parse_listening_address("--synapse", options.synapse)
            self._synapse = _synapse_device()(address, name, voltage, now, steering)

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for bridge in (self._ephys_socket, self._synapse):
                if bridge is not None:
                    opened.enter_context(bridge)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    @property
    def marks(self) -> bool:
        """Whether one of them writes markers."""
        return self._ephys_socket is not None or self._synapse is not None

    def receivers(self) -> list[Callable[[Trace], None]]:
        """Return what is to be called with every trace of voltage."""
        traces = [self._ephys_socket.push] if self._ephys_socket is not None else []
        return [*traces, self._synapse.push_trace] if self._synapse is not None else traces

    def sinks(self) -> tuple[SpikeSink, ...]:
        """Return what is to get every step."""
        return (self._synapse,) if self._synapse is not None else ()

    def begin(self, start_s: float, mark: Callable[..., Any]) -> None:
        """Say when the stream begins, s, on LSL's clock; `mark(event, stamp_s, **details)` is to write a marker."""
        for bridge in (self._ephys_socket, self._synapse):
            if bridge is not None:
                bridge.begin(start_s, mark)

    def invitations(self) -> list[str]:
        """Return how other software connects, a line each; once the context is entered."""
        lines: list[str] = []
        if self._ephys_socket is not None and (voltage := self._voltage) is not None:
            lines.append(self._ephys_socket.invitation(voltage.probe.channels, voltage.amplifier.microvolts_per_bit))
        return [*lines, self._synapse.invitation()] if self._synapse is not None else lines

    def remarks(self) -> list[Callable[[], str]]:
        """Return what describes, in a few words, who is connected."""
        return [bridge.remark for bridge in (self._ephys_socket, self._synapse) if bridge is not None]

    def ephys_socket_report(self) -> EphysSocketReport | None:
        """Return who received the voltage as the Open Ephys GUI does; None where this was not asked for."""
        return self._ephys_socket.report() if self._ephys_socket is not None else None

    def synapse_report(self) -> SynapseReport | None:
        """Return what clients of the Synapse protocol received and sent; None where this was not asked for."""
        return self._synapse.report() if self._synapse is not None else None


def _synapse_device() -> "type[SynapseDevice]":
    """Import it late, as its packages are an extra."""
    require_packages("grpc", "synapse", "zmq", extra="bridges", what="--synapse")
    from spikeloop.streamer.bridges.synapse.device import SynapseDevice

    return SynapseDevice
