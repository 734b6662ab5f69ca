"""Encode and decode MQTT payloads: `spikes` in binary, all else in JSON; docs/mqtt.md documents every byte."""

import dataclasses
import json
import struct
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.documents import json_values
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.mqtt.validation import check
from spikeloop.streamer.stream.step import Step

__all__ = [
    "INBOUND",
    "LARGEST_BYTES",
    "PROTOCOL",
    "ConditionMessage",
    "ControlMessage",
    "EchoMessage",
    "InboundMessage",
    "PerturbMessage",
    "SpikeMessage",
    "State",
    "StimulateMessage",
    "StreamStatus",
    "decode_spikes",
    "encode_document",
    "encode_error",
    "encode_spikes",
    "encode_status",
    "parse_inbound",
]

PROTOCOL = 1  # of the topics and payloads; published in `status`
MAGIC = b"SPK1"
HEADER = struct.Struct("<4sIQddII")  # magic, sequence, first bin, start, bin size, bins, spikes: 40 bytes
RECORD = np.dtype([("unit", "<u4"), ("time_us", "<u4")])  # 8 bytes
LARGEST_BYTES = 2**16  # of an inbound message
QUOTED = 200  # characters of a bad message in the answer to it

State = Literal["online", "paused", "offline"]


@dataclass(frozen=True, eq=False)
class SpikeMessage:
    """A step's spikes, as `spikes` carries them.

    Attributes
    ----------
    sequence : int
        0, 1, 2, ... one for each message; a gap means lost messages.
    first_bin : int
    start_s : float, s
        When the first bin begins, on the stream's LSL clock.
    bin_size_s : float, s
    bins : int
    units : array of shape (spikes,), uint32
        Index of each spike's unit.
    times_us : array of shape (spikes,), uint32, µs, ascending
        Time of each spike since `start_s`.
    """

    sequence: int
    first_bin: int
    start_s: float
    bin_size_s: float
    bins: int
    units: NDArray[np.uint32]
    times_us: NDArray[np.uint32]

    @property
    def stamps_s(self) -> NDArray[np.float64]:
        """Each spike's own time, s, on the stream's LSL clock, of shape (spikes,)."""
        return self.start_s + self.times_us.astype(np.float64) * 1e-6


@dataclass(frozen=True)
class StreamStatus:
    """What `status` says about a stream beside its state.

    Attributes
    ----------
    bundle, sha256 : str
        Name and hash of the bundle.
    seed : int
    units : int
        Number of units.
    bin_size_s : float, s
    step_bins : int
    start_s : float or None, s
        When bin 0 begins, on LSL's clock; None as long as it is not known.
    """

    bundle: str
    sha256: str
    seed: int
    units: int
    bin_size_s: float
    step_bins: int
    start_s: float | None = None


@dataclass(frozen=True)
class ConditionMessage:
    """Values to drive the population, one for each channel; `stamp_s` on LSL's clock, or None for now."""

    values: tuple[float, ...]
    stamp_s: float | None = None


@dataclass(frozen=True)
class ControlMessage:
    """A command to the stream; `value` is the gain, the time to seek in s, the seed that was asked for, or None."""

    command: Literal["pause", "resume", "gain", "seek", "seed"]
    value: float | None = None


@dataclass(frozen=True)
class StimulateMessage:
    """Pulses for some units (by index) or all."""

    units: tuple[int, ...] | Literal["all"]
    amplitude_ua: float
    pulses: int = 1
    rate_hz: float = 100.0
    pulse_width_us: float = 200.0
    id: str = ""


@dataclass(frozen=True)
class PerturbMessage:
    """Something that goes wrong: its kind and value, or the units that fall silent."""

    kind: Literal["drop", "drift", "noise", "latency"]
    value: float | None = None
    units: tuple[int, ...] | None = None


@dataclass(frozen=True)
class EchoMessage:
    """A device's answer to the `spikes` message of this sequence."""

    sequence: int


InboundMessage = ConditionMessage | ControlMessage | StimulateMessage | PerturbMessage | EchoMessage
INBOUND = ("condition", "control", "stimulate", "perturb", "echo")  # topics


def encode_spikes(step: Step, sequence: int, bin_size_s: float) -> bytes:
    """Encode a step's spikes; times are rounded down to microseconds, so that each stays in its bin.

    Parameters
    ----------
    step : Step
    sequence : int
        Of the message; its lowest 32 bits are sent.
    bin_size_s : float, s
    """
    start_s = float(step.stamps_s[0]) - bin_size_s
    records = np.empty(len(step.event_units), RECORD)
    records["unit"] = step.event_units
    records["time_us"] = np.maximum((step.event_stamps_s - start_s) * 1e6, 0)
    header = HEADER.pack(
        MAGIC, sequence & 0xFFFFFFFF, step.first_bin, start_s, bin_size_s, len(step.stamps_s), len(records)
    )
    return header + records.tobytes()


def decode_spikes(payload: bytes) -> SpikeMessage:
    """Decode what `encode_spikes` encoded.

    Raises
    ------
    BadInputError
        If it is something else, or not whole.
    """
    if len(payload) < HEADER.size or payload[:4] != MAGIC:
        raise BadInputError(
            f"expected a `spikes` message of at least {HEADER.size} bytes that begins with SPK1, found"
            f" {len(payload)} bytes that begin with {bytes(payload[:4])!r}; subscribe to spikeloop/NAME/spikes alone"
        )
    _, sequence, first_bin, start_s, bin_size_s, bins, spikes = HEADER.unpack_from(payload)
    if len(payload) != HEADER.size + spikes * RECORD.itemsize:
        raise BadInputError(
            f"expected {HEADER.size + spikes * RECORD.itemsize} bytes of {spikes} spikes, found {len(payload)};"
            " the message was cut or changed on its way"
        )
    records = np.frombuffer(payload, RECORD, offset=HEADER.size)
    return SpikeMessage(
        sequence, first_bin, start_s, bin_size_s, bins, records["unit"].copy(), records["time_us"].copy()
    )


def encode_document(document: Any) -> bytes:
    """Encode a mapping or dataclass as JSON; NaN and infinity become null."""
    return json.dumps(json_values(document), allow_nan=False, separators=(",", ":")).encode()


def encode_status(state: State, status: StreamStatus | None = None, run: str = "") -> bytes:
    """Encode `status`, of a run of a stream; offline comes without anything else."""
    if status is None or state == "offline":
        return encode_document({"state": state})
    details = dataclasses.asdict(status) | {"version": version("spikeloop"), "protocol": PROTOCOL, "run": run}
    return encode_document({"state": state} | details)


def encode_error(topic: str, reason: str, payload: bytes) -> bytes:
    """Encode `error`, the answer to a message that was not accepted."""
    quoted = payload[: 4 * QUOTED].decode(errors="replace")[:QUOTED]
    return encode_document({"topic": topic, "reason": reason, "payload": quoted})


def parse_inbound(topic: str, payload: bytes) -> InboundMessage:
    """Parse and check a message to the stream.

    Parameters
    ----------
    topic : {"condition", "control", "stimulate", "perturb", "echo"}
        The last level.
    payload : bytes

    Raises
    ------
    BadInputError
        If it is too large, no JSON, or not what the topic's schema asks for; in one line.
    """
    if topic not in INBOUND:
        raise BadInputError(f"expected the topic {', '.join(INBOUND)}, found {topic!r:.80}")
    document = _read(payload)
    check(topic, document)
    if topic == "condition":
        return ConditionMessage(tuple(map(float, document["values"])), _float_or_none(document.get("stamp_s")))
    if topic == "control":
        return ControlMessage(document["command"], _float_or_none(document.get("value")))
    if topic == "echo":
        return EchoMessage(int(document["sequence"]))
    if topic == "perturb":
        lost = document.get("units")
        listed = None if lost is None else tuple(map(int, lost))
        return PerturbMessage(document["kind"], _float_or_none(document.get("value")), listed)
    units = document["units"]
    return StimulateMessage(
        units="all" if units == "all" else tuple(map(int, units)),
        amplitude_ua=float(document["amplitude_ua"]),
        pulses=int(document.get("pulses", StimulateMessage.pulses)),
        rate_hz=float(document.get("rate_hz", StimulateMessage.rate_hz)),
        pulse_width_us=float(document.get("pulse_width_us", StimulateMessage.pulse_width_us)),
        id=document.get("id", StimulateMessage.id),
    )


def _read(payload: bytes) -> Any:
    if len(payload) > LARGEST_BYTES:
        raise BadInputError(f"expected at most {LARGEST_BYTES} bytes, found {len(payload)}; send less at a time")
    try:
        return json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadInputError(f"expected JSON in UTF-8, found something else ({why})") from None


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _float_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)
