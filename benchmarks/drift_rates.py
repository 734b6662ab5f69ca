"""The drift alarm by rate: how soon units from silent to 5 Hz are flagged when their rates change, in fine bins too."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.drift.alarm import DriftAlarm, DriftReference, calibrate
from spikeloop.models.drift.block_counts import ADDED, HALVED, LOST
from spikeloop.models.random_streams import Purpose, random_stream

BIN_SIZES_S = (0.001, 0.02)
RATES_HZ = (0.0, 0.1, 0.5, 2.0, 5.0)
UNITS_EACH = 10
BEGUN_HZ = (0.5, 5.0)  # of units that were silent
SAMPLE_S, WATCHED_S, CHUNK_S = 1000, 3600, 20
HOURS = 10
OFTEN_PER_HOUR = 10.0  # false alarms, frequent enough to be counted

Counts = NDArray[np.uint8]


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every rate and change, by the size of bins."""
    rows, notes = [], []
    for bin_size_s in BIN_SIZES_S:
        sample = _poisson(0, _rates(), bin_size_s, SAMPLE_S)
        reference = calibrate(sample, bin_size_s)
        for rate_hz in RATES_HZ:
            for kind, changed_hz in _changes(rate_hz):
                rows.append(_measured(reference, rate_hz, kind, changed_hz))
                print(rows[-1], flush=True)
        notes.append(_false_alarms(reference, calibrate(sample, bin_size_s, OFTEN_PER_HOUR)))
    return {
        "about": f"{UNITS_EACH} Poisson units of each rate, {len(_rates())} together; reference: {SAMPLE_S:,} s;"
        f" default settings. One unit at a time changes at once, and is watched for {WATCHED_S:,} s; `inf`: not flagged"
        " in these. Delays are to the first alarm of that unit. Expected: as the reference foretells it; for units that"
        " begin to fire, at 0.25 Hz. Other kind: units whose first alarm was of another kind.",
        "rows": rows,
        "notes": notes,
    }


def _rates() -> NDArray[np.float64]:
    return np.repeat(RATES_HZ, UNITS_EACH)


def _changes(rate_hz: float) -> list[tuple[int, float]]:
    """What may happen to a unit: the kind of drift, and the rate from then on."""
    if not rate_hz:
        return [(ADDED, begun_hz) for begun_hz in BEGUN_HZ]
    return [(LOST, 0.0), (HALVED, rate_hz / 2), (ADDED, 2 * rate_hz)]


def _measured(reference: DriftReference, rate_hz: float, kind: int, changed_hz: float) -> dict:
    units = np.flatnonzero(_rates() == rate_hz)
    found = [_first_alarm(reference, int(unit), changed_hz) for unit in units]
    delays = np.array([delay for delay, _ in found])
    named = {LOST: "unit lost", HALVED: "rate down", ADDED: "rate up"}[kind]
    expected = reference.expected_delay_s[:-1].reshape(-1, reference.units)[kind, units]
    return {
        "bins (ms)": reference.bin_size_s * 1000,
        "rate (Hz)": rate_hz,
        "then (Hz)": changed_hz,
        "kind": named,
        "median (s)": float(np.median(delays)),
        "worst (s)": float(delays.max()),
        "expected (s)": float(np.median(expected)),
        "other kind": sum(other not in (named, "") for _, other in found),
    }


def _first_alarm(reference: DriftReference, unit: int, changed_hz: float) -> tuple[float, str]:
    """Delay in s and kind of a unit's first alarm where it fires at another rate."""
    alarm, rates = DriftAlarm(reference), _rates()
    rates[unit] = changed_hz
    for chunk in range(WATCHED_S // CHUNK_S):
        for raised in alarm.add(_poisson(10_000 + 1000 * unit + chunk, rates, reference.bin_size_s, CHUNK_S)):
            if raised.unit == unit:
                return (raised.bin + 1) * reference.bin_size_s, raised.kind
    return np.inf, ""


def _false_alarms(reference: DriftReference, often: DriftReference) -> str:
    """How many are raised in hours without a change."""
    alarms = {each: DriftAlarm(each) for each in (reference, often)}
    raised = dict.fromkeys(alarms, 0)
    for chunk in range(HOURS * 3600 // CHUNK_S):
        counts = _poisson(1_000_000 + chunk, _rates(), reference.bin_size_s, CHUNK_S)
        for each, alarm in alarms.items():
            raised[each] += len(alarm.add(counts))
    return (
        f"Bins of {reference.bin_size_s * 1000:g} ms, {HOURS} hours without a change: {raised[reference]} false alarms"
        f" where {reference.false_alarms_per_hour:g} an hour were set, {raised[often] / HOURS:g} an hour where"
        f" {often.false_alarms_per_hour:g} were."
    )


def _poisson(seed: int, rates_hz: NDArray[np.float64], bin_size_s: float, seconds: int) -> Counts:
    random = random_stream(seed, Purpose.BENCHMARK)
    counts = np.zeros((round(seconds / bin_size_s), len(rates_hz)), np.uint8)
    spikes = random.poisson(rates_hz * seconds)
    units = np.repeat(np.arange(len(rates_hz)), spikes)
    np.add.at(counts, (random.integers(len(counts), size=len(units)), units), 1)
    return counts
