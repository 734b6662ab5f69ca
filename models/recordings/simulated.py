"""Simulated populations with known truth, as in Molano-Mazon et al. 2018 (section 3 and its published code).

The seed alone decides every population: the same arguments give the same spikes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording, from_counts

__all__ = ["PacketTruth", "correlated_groups", "packets"]

Spikes = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PacketTruth:
    """What `packets` planted.

    Attributes
    ----------
    recording : Recording
        With one repeat for each window.
    packet_spikes : array of shape (windows, bins, units), bool
        True where a spike belongs to a packet.
    onsets : array of shape (planted packets, 3), int64
        Window, bin, and number of the packet.
    reversed_mode : array of shape (planted packets,), bool
        True where the second mode was drawn.
    """

    recording: Recording
    packet_spikes: Spikes
    onsets: NDArray[np.int64]
    reversed_mode: NDArray[np.bool_]


def correlated_groups(
    windows: int,
    window_bins: int = 128,
    units: int = 16,
    group_size: int = 2,
    correlation: float = 0.3,
    spike_probability: float = 0.02,
    refractory_bins: float = 2.0,
    seed: int = 0,
) -> Recording:
    """Simulate groups of units that follow a common train, with soft refractoriness; one repeat is one window.

    A unit copies its group's train in a bin with probability sqrt(correlation) and fires on its own
    otherwise. Rates and correlations are spread by +/- 50 % over groups, and units are shuffled, as published.

    Parameters
    ----------
    windows, window_bins, units, group_size : int >= 1
    correlation : float
        Mean correlation of the units of a group.
    spike_probability : float
        Mean probability of a spike per bin before refractoriness.
    refractory_bins : float, bins
        Scale of the refractoriness: a spike `i` bins after another is removed with probability exp(-i / sigma^2),
        sigma = refractory_bins / 1.5.
    seed : int >= 0

    Raises
    ------
    BadInputError
        If units don't fill the groups or a probability is not one.
    """
    _check_groups(units, group_size)
    _check_probabilities(correlation=correlation * 1.5, spike_probability=spike_probability * 1.5)
    random = random_stream(seed, Purpose.CORRELATED_GROUPS)
    groups = units // group_size
    probability = spike_probability * random.uniform(0.5, 1.5, groups)
    copying = np.sqrt(correlation * random.uniform(0.5, 1.5, groups))
    order = random.permutation(units)

    common = _trains(random, np.tile(probability, windows), window_bins, refractory_bins)
    common = np.repeat(common.reshape(windows, groups, window_bins), group_size, axis=1)
    own = random.random((windows, units, window_bins)) < np.repeat(probability, group_size)[:, np.newaxis]
    copies = random.random(own.shape) < np.repeat(copying, group_size)[:, np.newaxis]
    joined = np.where(copies, common, own).reshape(-1, window_bins)
    spikes = _soft_refractoriness(
        random, joined, np.tile(np.repeat(probability, group_size), windows), refractory_bins
    ).reshape(windows, units, window_bins)
    return _one_millisecond(spikes[:, order].transpose(0, 2, 1), "correlated groups")


def packets(
    windows: int,
    window_bins: int = 32,
    units: int = 32,
    packet_size: int = 8,
    modes: Literal[1, 2] = 1,
    spike_probability: float = 0.05,
    packet_probability: float = 0.05,
    jitter_bins: float = 0.0,
    refractory_bins: float = 2.0,
    seed: int = 0,
) -> PacketTruth:
    """Simulate background firing with planted packets: the units of a group fire in order, one bin apart.

    With one mode, each group starts packets with `packet_probability` per bin, never overlapping. With two,
    each group starts one packet a window, in half of the cases the mirrored group's units in reverse order.
    Background rates are spread by +/- 50 % over units, and units are shuffled, as published.

    Parameters
    ----------
    windows, window_bins, units, packet_size : int >= 1
    modes : 1 or 2
    spike_probability, packet_probability : float
        Of a spike of the background, and of a packet's start, in a bin.
    jitter_bins : float, bins
        Standard deviation of the places of spikes in a packet.
    refractory_bins : float, bins
        As of `correlated_groups`.
    seed : int >= 0

    Raises
    ------
    BadInputError
        If units don't fill the packets, a packet doesn't fit a window, or a probability is not one.
    """
    _check_groups(units, packet_size)
    _check_probabilities(spike_probability=spike_probability * 1.5, packet_probability=packet_probability)
    if modes not in (1, 2):
        raise BadInputError(f"expected 1 or 2 modes, found {modes}")
    if packet_size >= window_bins:
        raise BadInputError(f"expected packets shorter than a window of {window_bins} bins, found {packet_size}")
    random = random_stream(seed, Purpose.PACKETS)
    groups = units // packet_size
    probability = spike_probability * random.uniform(0.5, 1.5, units)
    order = random.permutation(units)
    background = _trains(random, np.tile(probability, windows), window_bins, refractory_bins)

    latest = window_bins - packet_size
    if modes == 1:
        onsets = _spaced_onsets(random, windows, groups, latest, packet_size, packet_probability)
        reversed_mode = np.zeros(len(onsets), bool)
    else:
        window, packet = np.divmod(np.arange(windows * groups), groups)
        onsets = np.stack([window, random.integers(0, latest, windows * groups), packet], axis=1)
        reversed_mode = random.random(len(onsets)) < 0.5
    planted = _plant(random, onsets, reversed_mode, (windows, units, window_bins), packet_size, jitter_bins)
    spikes = background.reshape(planted.shape) | planted
    recording = _one_millisecond(spikes[:, order].transpose(0, 2, 1), f"packets, {modes} mode{'s' * (modes - 1)}")
    return PacketTruth(recording, planted[:, order].transpose(0, 2, 1), onsets, reversed_mode)


def _spaced_onsets(
    random: np.random.Generator, windows: int, groups: int, latest: int, packet_size: int, probability: float
) -> NDArray[np.int64]:
    """Draw onsets (window, bin, packet) more than `packet_size` bins apart in each group."""
    wanted = random.random((windows, groups, latest)) < probability
    free_from = np.zeros((windows, groups), np.int64)
    onsets = []
    for onset in range(latest):
        starts = wanted[:, :, onset] & (free_from <= onset)
        free_from[starts] = onset + packet_size + 1
        window, packet = np.nonzero(starts)
        onsets.append(np.stack([window, np.full(len(window), onset), packet], axis=1))
    return np.concatenate(onsets)


def _plant(
    random: np.random.Generator,
    onsets: NDArray[np.int64],
    reversed_mode: NDArray[np.bool_],
    shape: tuple[int, int, int],
    packet_size: int,
    jitter_bins: float,
) -> Spikes:
    """Place packet spikes, (windows, units, bins), before units are shuffled."""
    place = np.arange(packet_size)  # a unit's place in its packet
    jitter = np.rint(random.normal(size=(len(onsets), packet_size)) * jitter_bins).astype(np.int64)
    delay = np.clip(place + jitter, 0, packet_size - 1)
    window, onset, packet = onsets.T[:, :, np.newaxis]
    forward = packet * packet_size + place
    unit = np.where(reversed_mode[:, np.newaxis], shape[1] - 1 - forward, forward)
    planted = np.zeros(shape, bool)
    planted[window, unit, onset + delay] = True
    return planted


def _trains(random: np.random.Generator, probability: NDArray[np.float64], bins: int, refractory_bins: float) -> Spikes:
    """Draw independent trains, (trains, bins), with soft refractoriness."""
    spikes = random.random((len(probability), bins)) < probability[:, np.newaxis]
    return _soft_refractoriness(random, spikes, probability, refractory_bins)


def _soft_refractoriness(
    random: np.random.Generator, spikes: Spikes, probability: NDArray[np.float64], refractory_bins: float
) -> Spikes:
    """Thin trains (trains, bins) until a whole pass removes nothing; the published procedure, all trains at once.

    A margin of twice the window runs before it, so that its first bins are refractory like the others.
    """
    if refractory_bins <= 0:
        return spikes
    trains, bins = spikes.shape
    sigma = refractory_bins / 1.5
    margin = random.random((trains, 2 * bins)) < -np.expm1(-probability)[:, np.newaxis]
    train, time = np.nonzero(np.concatenate([margin, spikes], axis=1))
    unfinished = np.ones(trains, bool)
    while unfinished.any():
        interval = np.diff(time)
        checked = (train[1:] == train[:-1]) & unfinished[train[1:]]
        removal = np.exp(-np.where(checked, interval, np.inf) / sigma**2)
        removed = random.random(len(interval)) < removal
        unfinished[:] = False
        unfinished[train[1:][removed]] = True
        kept = np.concatenate([[True], ~removed])[: len(train)]
        train, time = train[kept], time[kept]
    thinned = np.zeros((trains, 3 * bins), bool)
    thinned[train, time] = True
    return thinned[:, 2 * bins :]


def _one_millisecond(spikes: Spikes, name: str) -> Recording:
    return from_counts(spikes, bin_size_s=0.001, name=name, origin="simulated as in Molano-Mazon et al. 2018")


def _check_groups(units: int, group_size: int) -> None:
    if group_size < 1 or units % group_size:
        raise BadInputError(f"expected a number of units that fills groups of {group_size}, found {units}")


def _check_probabilities(**probabilities: float) -> None:
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise BadInputError(
                f"{name}: expected a probability (its spread of +/- 50 % included), found up to {value}"
            )
