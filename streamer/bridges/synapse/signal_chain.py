"""What a client configures a device to do: the nodes of its signal chain, checked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spikeloop.models.errors import BadInputError

__all__ = ["BroadbandNode", "Electrodes", "SignalChain", "SpikeNode", "StimulationNode", "read_chain"]

BROADBAND, SPIKES, STIMULATION = 100, 101, 102  # peripherals; 100 is the simulated one of Science's own examples
BITS = 16
WINDOW_MS, LONGEST_WINDOW_MS = 20, 1000
FASTEST_STIMULATION_HZ = 1_000_000


@dataclass(frozen=True)
class Electrodes:
    """Electrodes of a node, in its order.

    Attributes
    ----------
    places : tuple of int >= 0
        Columns of the voltage.
    ids : tuple of int >= 0
        What the client calls them.
    """

    places: tuple[int, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class BroadbandNode:
    """The voltage of electrodes, with so many bits."""

    electrodes: Electrodes
    bits: int


@dataclass(frozen=True)
class SpikeNode:
    """Spikes at electrodes, counted in windows, of units whose peak there is at least a threshold."""

    electrodes: Electrodes
    window_ms: int
    threshold_uv: float


@dataclass(frozen=True)
class StimulationNode:
    """Currents at electrodes, all where none are named, sampled at a rate, in steps of so many nA."""

    electrodes: Electrodes
    rate_hz: int
    step_na: int


@dataclass(frozen=True)
class SignalChain:
    """The nodes of a device, at most one of a kind."""

    broadband: BroadbandNode | None = None
    spikes: SpikeNode | None = None
    stimulation: StimulationNode | None = None


def read_chain(nodes: Iterable[Any], electrodes: int, rate_hz: int) -> SignalChain:
    """Read the nodes of a `synapse.DeviceConfiguration`.

    Parameters
    ----------
    nodes : iterable of synapse.NodeConfig
    electrodes : int >= 1
        That the device has, numbered from 0.
    rate_hz : int, Hz
        Of its voltage.

    Raises
    ------
    BadInputError
        If a node is not to be had, or not as it was configured.
    """
    found: dict[str, Any] = {}
    for node in nodes:
        kind = node.WhichOneof("config")
        if kind not in READERS:
            raise BadInputError(
                f"node {node.id}: expected broadband_source, spike_source or electrical_stimulation, found {kind}"
            )
        if kind in found:
            raise BadInputError(f"node {node.id}: expected one {kind}, found another; leave it out")
        found[kind] = READERS[kind](getattr(node, kind), electrodes, rate_hz)
    if not found:
        raise BadInputError("the configuration has no nodes; add a broadband_source or a spike_source")
    return SignalChain(found.get("broadband_source"), found.get("spike_source"), found.get("electrical_stimulation"))


def _broadband(config: Any, electrodes: int, rate_hz: int) -> BroadbandNode:
    _check_peripheral("broadband_source", config.peripheral_id, BROADBAND)
    _check_rate("broadband_source", config.sample_rate_hz, rate_hz)
    bits = config.bit_width or BITS
    if not 2 <= bits <= BITS:
        raise BadInputError(f"broadband_source.bit_width: expected 2 to {BITS}, found {bits}")
    channels = config.signal.electrode.channels
    return BroadbandNode(_electrodes("broadband_source.signal.electrode", channels, electrodes), bits)


def _spikes(config: Any, electrodes: int, rate_hz: int) -> SpikeNode:
    _check_peripheral("spike_source", config.peripheral_id, SPIKES)
    _check_rate("spike_source", config.sample_rate_hz, rate_hz)
    window_ms = config.spike_window_ms or WINDOW_MS
    if window_ms != round(window_ms) or not 1 <= window_ms <= LONGEST_WINDOW_MS:
        raise BadInputError(
            f"spike_source.spike_window_ms: expected a whole number from 1 to {LONGEST_WINDOW_MS}, found {window_ms:g}"
        )
    chosen = _electrodes("spike_source.electrodes", config.electrodes.channels, electrodes)
    return SpikeNode(chosen, round(window_ms), abs(config.threshold_uV))


def _stimulation(config: Any, electrodes: int, _: int) -> StimulationNode:
    _check_peripheral("electrical_stimulation", config.peripheral_id, STIMULATION)
    if not 1 <= config.sample_rate <= FASTEST_STIMULATION_HZ:
        raise BadInputError(
            f"electrical_stimulation.sample_rate: expected 1 to {FASTEST_STIMULATION_HZ} Hz, found {config.sample_rate}"
        )
    if not config.lsb:
        raise BadInputError("electrical_stimulation.lsb: expected the nA of a step, 1 or more, found 0")
    if not config.channels:  # the client of science-synapse 2.8.4 can name none
        every = tuple(range(electrodes))
        return StimulationNode(Electrodes(every, every), config.sample_rate, config.lsb)
    chosen = _electrodes("electrical_stimulation", config.channels, electrodes)
    return StimulationNode(chosen, config.sample_rate, config.lsb)


READERS = {"broadband_source": _broadband, "spike_source": _spikes, "electrical_stimulation": _stimulation}


def _check_peripheral(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise BadInputError(f"{name}.peripheral_id: expected {wanted}, found {found}; synapsectl info lists them")


def _check_rate(name: str, found_hz: int, rate_hz: int) -> None:
    if found_hz not in (0, rate_hz):
        raise BadInputError(f"{name}.sample_rate_hz: expected {rate_hz}, that of the stream, found {found_hz}")


def _electrodes(name: str, channels: Iterable[Any], electrodes: int) -> Electrodes:
    pairs = [(channel.electrode_id, channel.id) for channel in channels]
    if not pairs:
        raise BadInputError(f"{name}.channels: expected one or more, found none")
    if len({id for _, id in pairs}) < len(pairs):
        raise BadInputError(f"{name}.channels: expected an id of its own for each, found one twice")
    if (highest := max(place for place, _ in pairs)) >= electrodes:
        raise BadInputError(f"{name}.channels: expected an electrode_id from 0 to {electrodes - 1}, found {highest}")
    return Electrodes(tuple(place for place, _ in pairs), tuple(id for _, id in pairs))
