"""The protocol's small messages, read and written with the classes of Science's own package, science-synapse."""

from collections.abc import Callable
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from synapse.api.datatype_pb2 import SpiketrainFrame, Tensor  # pyright: ignore[reportMissingImports]
from synapse.api.time_pb2 import TimeSyncPacket  # pyright: ignore[reportMissingImports]

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.synapse.signal_chain import SpikeNode, StimulationNode
from spikeloop.streamer.bridges.synapse.spike_windows import SpikeWindow

__all__ = ["answer_to", "name_in", "read_waveforms", "spike_message"]


def spike_message(node: SpikeNode, window: SpikeWindow, sequence: int, start_ns: int, unix_start_ns: int) -> bytes:
    """Write a window of spikes as `synapse.SpiketrainFrame`, stamped with its beginning.

    Parameters
    ----------
    node : SpikeNode
    window : SpikeWindow
    sequence : int >= 0
        Number of the message.
    start_ns, unix_start_ns : int, ns
        When window 0 begins, on the device's clock and since 1970.
    """
    since_ns = window.number * node.window_ms * 1_000_000
    return SpiketrainFrame(
        timestamp_ns=start_ns + since_ns,
        sequence_number=sequence,
        bin_size_ms=node.window_ms,
        spike_counts=window.counts.tolist(),
        channel_ids=node.electrodes.ids,
        unix_timestamp_ns=unix_start_ns + since_ns,
    ).SerializeToString()


def read_waveforms(message: bytes, node: StimulationNode) -> NDArray[np.int16]:
    """Read currents from a `synapse.Tensor` of int16: a row a sample, a column an electrode of the node.

    Returns
    -------
    array of shape (samples, electrodes), int16

    Raises
    ------
    BadInputError
        If it is anything else.
    """
    electrodes = len(node.electrodes.places)
    try:
        tensor = Tensor.FromString(message)
    except DecodeError as error:
        raise BadInputError(f"expected a synapse.Tensor, found {len(message)} bytes that are none") from error
    shape = tuple(tensor.shape)
    if tensor.dtype != Tensor.DT_INT16 or len(shape) != 2 or shape[1] != electrodes or shape[0] < 0:
        raise BadInputError(
            f"expected a synapse.Tensor of int16 and of shape (samples, {electrodes}), found"
            f" {name_in(Tensor.DType, tensor.dtype)} and {shape}"
        )
    if len(tensor.data) != 2 * shape[0] * electrodes:
        raise BadInputError(f"expected {2 * shape[0] * electrodes} bytes of data, found {len(tensor.data)}")
    order = ">i2" if tensor.endianness == Tensor.TENSOR_BIG_ENDIAN else "<i2"
    return np.frombuffer(tensor.data, order).astype(np.int16).reshape(shape)


def answer_to(request: bytes, now: Callable[[], float]) -> bytes | None:
    """Answer a `synapse.TimeSyncPacket` with the times at which it came and leaves; None where it is none.

    Parameters
    ----------
    request : bytes
    now : callable
        The device's clock, s.
    """
    received_ns = round(now() * 1e9)
    try:
        packet = TimeSyncPacket.FromString(request)
    except DecodeError:
        return None
    if not packet.client_send_time_ns:
        return None
    packet.server_receive_time_ns, packet.server_send_time_ns = received_ns, round(now() * 1e9)
    return packet.SerializeToString()


def name_in(kinds: Any, number: int) -> str:
    """Return the name of a number in an enumeration of protobuf; the number where it has none, as any may be sent."""
    return kinds.Name(number) if number in kinds.values() else str(number)
