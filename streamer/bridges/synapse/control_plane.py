"""The gRPC service by which clients find out about a device, configure it, start it and stop it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import grpc  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
from google.protobuf.empty_pb2 import Empty
from synapse import SYNAPSE_API_VERSION  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
from synapse.api.device_pb2 import DeviceConfiguration, DeviceInfo, Peripheral  # pyright: ignore[reportMissingImports]
from synapse.api.node_pb2 import NodeStatus, NodeType  # pyright: ignore[reportMissingImports]
from synapse.api.nodes.broadband_source_pb2 import BroadbandSourceStatus  # pyright: ignore[reportMissingImports]
from synapse.api.nodes.signal_status_pb2 import ElectrodeStatus, SignalStatus  # pyright: ignore[reportMissingImports]
from synapse.api.query_pb2 import QueryRequest, QueryResponse  # pyright: ignore[reportMissingImports]
from synapse.api.status_pb2 import (  # pyright: ignore[reportMissingImports]
    DeviceState,
    SignalChainStatus,
    Status,
    StatusCode,
)
from synapse.api.tap_pb2 import ListTapsResponse, TapConnection, TapType  # pyright: ignore[reportMissingImports]

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.bridges.synapse.messages import name_in
from spikeloop.streamer.bridges.synapse.signal_chain import BROADBAND, SPIKES, STIMULATION

__all__ = ["ControlPlane", "Device"]

SERVICE = "synapse.SynapseDevice"
THREADS = 4
STOPS_WITHIN_S = 1.0
VENDOR = "spikeloop"


class Device(Protocol):
    """What the service acts on, from threads of its own.

    Attributes
    ----------
    name, serial : str
    array : str
        What its electrodes are.
    microvolts_per_bit : float > 0, µV
    clock_port : int
        At which clocks are compared.
    configuration : synapse.DeviceConfiguration or None
    is_running : bool
    """

    name: str
    serial: str
    array: str
    microvolts_per_bit: float
    clock_port: int

    @property
    def configuration(self) -> Any: ...

    @property
    def is_running(self) -> bool: ...

    def configure(self, configuration: Any) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def taps(self) -> list[tuple[str, int, str, bool]]:
        """Return name, port and kind of message of each tap, and whether clients send to it."""
        ...


class ControlPlane:
    """Serves a device from entering to leaving the context.

    Parameters
    ----------
    device : Device
    host : str
        Address at which it listens.
    port : int
        0 for one that is free.

    Attributes
    ----------
    port : int

    Raises
    ------
    FailureError
        On entering, if it can't listen there.
    """

    def __init__(self, device: Device, host: str, port: int) -> None:
        self._device, self._host, self.port = device, host, port

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(THREADS, "spikeloop-synapse"), options=[("grpc.so_reuseport", 0)])
        handlers = {
            "Info": _unary(self._info, Empty),
            "Configure": _unary(self._configure, DeviceConfiguration),
            "Start": _unary(self._start, Empty),
            "Stop": _unary(self._stop, Empty),
            "Query": _unary(self._query, QueryRequest),
        }  # others are unimplemented, which gRPC answers
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        try:
            self.port = self._server.add_insecure_port(f"{self._host}:{self.port}")
        except RuntimeError as error:
            raise FailureError(
                f"--synapse: can't listen on {self._host}:{self.port}; stop what listens there, or choose another port"
            ) from error
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(STOPS_WITHIN_S).wait()

    def _info(self, _: Any, __: Any) -> Any:
        kinds = {
            BROADBAND: Peripheral.kBroadbandSource,
            SPIKES: Peripheral.kSpikeSource,
            STIMULATION: Peripheral.kElectricalStimulation,
        }
        device = self._device
        return DeviceInfo(
            name=device.name,
            serial=device.serial,
            synapse_version=_packed(SYNAPSE_API_VERSION),
            firmware_version=1,
            status=self._status(),
            peripherals=[
                Peripheral(name=device.array, vendor=VENDOR, peripheral_id=number, type=kind)
                for number, kind in kinds.items()
            ],
            configuration=device.configuration,
        )

    def _configure(self, configuration: Any, _: Any) -> Any:
        return self._done(lambda: self._device.configure(configuration), StatusCode.kInvalidConfiguration)

    def _start(self, _: Any, __: Any) -> Any:
        return self._done(self._device.start, StatusCode.kFailedPrecondition)

    def _stop(self, _: Any, __: Any) -> Any:
        return self._done(self._device.stop, StatusCode.kFailedPrecondition)

    def _query(self, request: Any, _: Any) -> Any:
        if request.query_type != QueryRequest.kListTaps:
            kind = name_in(QueryRequest.QueryType, request.query_type)
            return QueryResponse(status=self._status(StatusCode.kUnimplemented, f"expected kListTaps, found {kind}"))
        taps = [
            TapConnection(
                name=name,
                endpoint=f"tcp://{self._host}:{port}",
                message_type=kind,
                tap_type=TapType.TAP_TYPE_CONSUMER if is_sent_to else TapType.TAP_TYPE_PRODUCER,
            )
            for name, port, kind, is_sent_to in self._device.taps()
        ]
        return QueryResponse(status=self._status(), list_taps_response=ListTapsResponse(taps=taps))

    def _done(self, work: Callable[[], None], code_of_error: int) -> Any:
        try:
            work()
        except BadInputError as error:
            return self._status(code_of_error, str(error))
        return self._status()

    def _status(self, code: int = StatusCode.kOk, message: str = "") -> Any:
        device = self._device
        voltage = SignalStatus(electrode=ElectrodeStatus(lsb_uV=device.microvolts_per_bit))
        nodes = device.configuration.nodes if device.configuration is not None else ()
        return Status(
            code=code,
            message=message,
            state=DeviceState.kRunning if device.is_running else DeviceState.kStopped,
            signal_chain=SignalChainStatus(
                nodes=[
                    NodeStatus(
                        type=node.type,
                        id=node.id,
                        broadband_source=BroadbandSourceStatus(status=voltage)
                        if node.type == NodeType.kBroadbandSource
                        else None,
                    )
                    for node in nodes
                ]
            ),
            time_sync_port=device.clock_port,
        )


def _unary(work: Callable[[Any, Any], Any], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(work, request.FromString, _serialized)


def _serialized(answer: Any) -> bytes:
    return answer.SerializeToString()


def _packed(version: str) -> int:
    """Return a version as a number: a byte each of major and minor, and two of the patch."""
    major, minor, patch = map(int, version.split("."))
    return major << 24 | minor << 16 | patch
