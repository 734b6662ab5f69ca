"""Compare found spikes with true ones, through SpikeInterface (Buccino et al. 2020, eLife 9:e61834)."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.models.sorting.score import SortingScore, UnitScore
from spikeloop.models.sorting.trains import UnitTrains

__all__ = ["compare_trains"]

TICKS_HZ = 1e6  # to which times are rounded
MIDDLE = (0.16, 0.5, 0.84)  # of a normal distribution, its mean and a standard deviation to either side


def compare_trains(
    truth: UnitTrains, found: UnitTrains, tolerance_ms: float = 0.4, offset_s: float = 0.0
) -> SortingScore:
    """Match found units with true ones, and count what they have in common.

    What counts is the stretch in which both have spikes, from the later of the first to the earlier of the last. Units
    are matched one to one so that the sum of their agreements is the largest (Kuhn 1955), where it is at least 0.5.

    Parameters
    ----------
    truth, found : UnitTrains
    tolerance_ms : float >= 0, ms, default 0.4
        Within which spikes are pairs.
    offset_s : float, s, default 0
        That is added to found times first.

    Returns
    -------
    SortingScore

    Raises
    ------
    BadInputError
        If there are no spikes of both at any time.
    FailureError
        If SpikeInterface is not installed.
    """
    require_packages("spikeinterface", "numba", "pandas", extra="sorters", what="score-sorting")
    core, comparison = import_module("spikeinterface.core"), import_module("spikeinterface.comparison")
    aligned = found.moved(offset_s)
    start_s, stop_s = _stretch(truth, aligned, tolerance_ms / 1000)
    true, tested = (_with_spikes(trains.between(start_s, stop_s)) for trains in (truth, aligned))
    if not (true.spikes and tested.spikes):
        raise BadInputError(
            f"expected spikes of {truth.name} and {found.name} at the same time, found none in common; their clocks"
            " may differ: try --offset auto"
        )
    compared = comparison.compare_sorter_to_ground_truth(
        *(_sorting(core, trains, start_s) for trains in (true, tested)), delta_time=tolerance_ms, exhaustive_gt=True
    )
    performance = compared.get_performance().astype(float)
    units: list[UnitScore] = []
    latencies: list[Floats] = []
    for number, name in enumerate(true.unit_names):
        match = int(compared.hungarian_match_12[number])
        matched = None if match < 0 else match
        found_s = np.zeros(0) if matched is None else tested.trains_s[matched]
        late_s = _latencies_s(true.trains_s[number], found_s, tolerance_ms / 1000) - offset_s
        latencies.append(late_s)
        units.append(_unit_score(name, number, matched, true, tested, performance.loc[number], compared, late_s))
    latency_ms, jitter_ms = _middle_ms(np.concatenate([np.zeros(0), *latencies]))

    def named(numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(tested.unit_names[int(number)] for number in numbers)

    taken = {unit.found for unit in units}
    return SortingScore(
        truth.name, found.name, tolerance_ms, offset_s, start_s, stop_s, tuple(units),
        tuple(name for name in tested.unit_names if name not in taken), named(compared.get_redundant_units()),
        named(compared.get_overmerged_units()), latency_ms, jitter_ms,
        np.asarray(compared.agreement_scores, np.float64), tested.unit_names,
    )  # fmt: skip


def _stretch(truth: UnitTrains, found: UnitTrains, room_s: float) -> tuple[float, float]:
    """Return when both have spikes, with room for pairs at both ends."""
    pooled = [trains.pooled_s for trains in (truth, found)]
    if not all(map(len, pooled)):
        return 0.0, 0.0
    return max(times_s[0] for times_s in pooled) - room_s, min(times_s[-1] for times_s in pooled) + room_s


def _with_spikes(trains: UnitTrains) -> UnitTrains:
    kept = [number for number, train in enumerate(trains.trains_s) if len(train)]
    names = tuple(trains.unit_names[number] for number in kept)
    return UnitTrains(trains.name, names, tuple(trains.trains_s[number] for number in kept))


def _sorting(core: Any, trains: UnitTrains, start_s: float) -> Any:
    ticks = {
        number: np.rint((train - start_s) * TICKS_HZ).astype(np.int64) for number, train in enumerate(trains.trains_s)
    }
    return core.NumpySorting.from_unit_dict([ticks], sampling_frequency=TICKS_HZ)


def _unit_score(
    name: str, number: int, matched: int | None, true: UnitTrains, tested: UnitTrains, performance: Any, compared: Any,
    late_s: Floats,
) -> UnitScore:  # fmt: skip
    latency_ms, jitter_ms = _middle_ms(late_s)
    spikes = len(true.trains_s[number])
    if matched is None:
        return UnitScore(name, None, spikes, 0, 0, 0.0, float("nan"), 0.0, latency_ms, jitter_ms)
    return UnitScore(
        name,
        tested.unit_names[matched],
        spikes,
        len(tested.trains_s[matched]),
        int(compared.match_event_count.loc[number, matched]),
        float(performance["accuracy"]),
        float(performance["precision"]),
        float(performance["recall"]),
        latency_ms,
        jitter_ms,
    )


def _latencies_s(true_s: Floats, found_s: Floats, within_s: float) -> Floats:
    """By how much the found spike nearest to each true one is later, where one is near."""
    padded = np.concatenate([[-np.inf], found_s, [np.inf]])
    after = np.searchsorted(padded, true_s)
    before_s, after_s = padded[after - 1] - true_s, padded[after] - true_s
    nearest_s = np.where(-before_s < after_s, before_s, after_s)
    return nearest_s[np.abs(nearest_s) <= within_s]


def _middle_ms(late_s: Floats) -> tuple[float, float]:
    if not len(late_s):
        return float("nan"), float("nan")
    low, middle, high = np.quantile(1000 * late_s, MIDDLE)
    return float(middle), float(high - low) / 2
