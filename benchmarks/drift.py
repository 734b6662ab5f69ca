"""The drift alarm on the shipped bundles: false alarms in ten fresh hours, and how soon each harm is flagged."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.drift.alarm import Alarm, DriftAlarm, DriftReference, calibrate
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.stream.source import open_source

BUNDLES = ("retina", "m1-sim", "m1_jango")
SAMPLE_BINS = 131_072
HOURS = 10
OFTEN_PER_HOUR = 10.0  # false alarms, frequent enough to be counted
QUIET_S, HARMED_S = 30.0, 600.0
WITHIN_S = 60.0
SHUFFLES = 20
CHUNK_BINS = 10_000
COSTS = ((96, 0.001), (1024, 0.001), (1024, 0.02))  # units, bin size in s
COST_S = 20.0

Counts = NDArray[np.uint8]
Harm = Callable[[Counts, int, int], Counts]  # of a whole hour, a unit, a random shift


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every bundle, at rest; then the alarm's cost."""
    rows, notes = [], []
    for name in BUNDLES:
        row, note = _measure(load_bundle(name))
        rows.append(row)
        notes.append(note)
    return {
        "about": f"Reference: {SAMPLE_BINS:,} bins of the bundle itself, at rest; default settings. False alarms: in"
        f" {HOURS} hours of as many other seeds, and how many an hour where {OFTEN_PER_HOUR:g} were set. Delays:"
        " from a harm's onset to the first alarm that names the unit (of the right kind), for every unit once, each in"
        " another stretch of a fresh hour. Lost: silent. Halved: every second spike gone. Added: an independent copy of"
        " the unit's own train, shifted by minutes. Repeated: every spike again in the next bin (of 0/1 counts: the"
        f" next free one). Shuffled: all units shifted against each other, {SHUFFLES} times. First: how often the first"
        " alarm of all was the right one.",
        "rows": rows,
        "notes": [*notes, *(_cost(units, bin_size_s) for units, bin_size_s in COSTS)],
    }


def _measure(bundle: Bundle) -> tuple[dict, str]:
    bin_size_s = bundle.card.bin_size_s
    sample = _generated(bundle, 0, SAMPLE_BINS)
    began = time.process_time()
    reference = calibrate(sample, bin_size_s)
    took_s = time.process_time() - began
    often = calibrate(sample, bin_size_s, OFTEN_PER_HOUR)
    alarms, alarms_often = [], []
    hour = sample
    for seed in range(1, HOURS + 1):
        hour = _generated(bundle, seed, round(3600 / bin_size_s))
        alarms += DriftAlarm(reference).add(hour)
        alarms_often += DriftAlarm(often).add(hour)
    row = {
        "bundle": bundle.card.name,
        "units": reference.units,
        "calibration (s)": round(took_s, 2),
        f"false alarms in {HOURS} h, at most {reference.false_alarms_per_hour * HOURS:g} set": len(alarms),
        f"an hour, {OFTEN_PER_HOUR:g} set": len(alarms_often) / HOURS,
    }
    slow = []
    for name, kind, harm in (
        ("lost", "unit lost", _lost),
        ("halved", "rate down", _halved),
        ("added", "rate up", _added),
        ("repeated", "rate up", _repeated),
    ):
        delays, first = _delays(reference, hour, kind, harm)
        row |= {
            f"{name}: within {WITHIN_S:g} s": f"{(delays <= WITHIN_S).mean():.1%}",
            f"{name}: median (s)": round(float(np.median(delays)), 1),
            f"{name}: first": f"{first:.0%}",
        }
        slow.append(f"{name} {_rates_hz(sample, bin_size_s, np.flatnonzero(delays > WITHIN_S))}")
    shuffled = _shuffle_delays(reference, hour)
    row |= {
        "shuffled: median (s)": round(float(np.median(shuffled)), 1),
        "shuffled: worst (s)": round(float(shuffled.max()), 1),
    }
    late = reference.late(WITHIN_S)
    predicted = [f"{kind} {_rates_hz(sample, bin_size_s, np.array(units, int))}" for kind, units in late.items()]
    print(row, flush=True)
    return row, (
        f"{bundle.card.name}, rates in Hz of the units not flagged within {WITHIN_S:g} s: {'; '.join(slow)}."
        f" Predicted from the reference: {'; '.join(predicted)}."
    )


def _generated(bundle: Bundle, seed: int, bins: int) -> Counts:
    source, rest = open_source(bundle, seed, "cpu"), rest_of(bundle.card.channels)
    sizes = (min(CHUNK_BINS, bins - first) for first in range(0, bins, CHUNK_BINS))
    return np.concatenate([source.next(size, np.tile(rest, (size, 1))) for size in sizes])


def _delays(reference: DriftReference, hour: Counts, kind: str, harm: Harm) -> tuple[NDArray[np.float64], float]:
    """Of every unit, and the share in which the first alarm is the right one."""
    random = random_stream(0, Purpose.BENCHMARK)
    delays, right = np.full(reference.units, np.inf), 0
    for unit in range(reference.units):
        harmed = harm(hour, unit, int(random.integers(len(hour) // 4, len(hour) // 2)))
        alarms, onset = _watched(reference, hour, harmed, int(random.integers(len(hour))))
        named = [alarm for alarm in alarms if (alarm.kind, alarm.unit) == (kind, unit)]
        if named:
            delays[unit] = (named[0].bin + 1 - onset) * reference.bin_size_s
            right += named[0] is alarms[0]
    return delays, right / reference.units


def _shuffle_delays(reference: DriftReference, hour: Counts) -> NDArray[np.float64]:
    random, delays = random_stream(0, Purpose.BENCHMARK), np.full(SHUFFLES, np.inf)
    for k in range(SHUFFLES):
        shifts = random.integers(len(hour), size=reference.units)
        shuffled = np.stack([np.roll(train, shift) for train, shift in zip(hour.T, shifts, strict=True)], axis=1)
        alarms, onset = _watched(reference, hour, shuffled, int(random.integers(len(hour))))
        named = [alarm for alarm in alarms if alarm.kind == "correlations"]
        if named:
            delays[k] = (named[0].bin + 1 - onset) * reference.bin_size_s
    return delays


def _watched(reference: DriftReference, hour: Counts, harmed: Counts, start: int) -> tuple[list[Alarm], int]:
    """Alarms from a harm's onset on, and the onset, in a stretch of the hour (taken as a circle)."""
    onset, bins = (round(seconds / reference.bin_size_s) for seconds in (QUIET_S, QUIET_S + HARMED_S))
    place = np.arange(start, start + bins) % len(hour)
    stream = np.where((np.arange(bins) < onset)[:, np.newaxis], hour[place], harmed[place])
    return [alarm for alarm in DriftAlarm(reference).add(stream) if alarm.bin >= onset], onset


def _lost(hour: Counts, unit: int, shift: int) -> Counts:  # noqa: ARG001
    return _with_train(hour, unit, np.zeros(len(hour), np.uint8))


def _halved(hour: Counts, unit: int, shift: int) -> Counts:  # noqa: ARG001
    kept = np.cumsum(hour[:, unit], dtype=np.int64) // 2
    return _with_train(hour, unit, np.diff(kept, prepend=0).astype(np.uint8))


def _added(hour: Counts, unit: int, shift: int) -> Counts:
    both = hour[:, unit] + np.roll(hour[:, unit], shift)
    return _with_train(hour, unit, np.minimum(both, 1) if hour.max() == 1 else both)


def _repeated(hour: Counts, unit: int, shift: int) -> Counts:  # noqa: ARG001
    train = hour[:, unit]
    if hour.max() > 1:
        return _with_train(hour, unit, train + np.roll(train, 1))
    repeated, waiting = train.copy(), 0
    for place, spike in enumerate(train.tolist()):
        if spike:
            waiting += 1
        elif waiting:
            repeated[place], waiting = 1, waiting - 1
    return _with_train(hour, unit, repeated)


def _with_train(hour: Counts, unit: int, train: Counts) -> Counts:
    changed = hour.copy()
    changed[:, unit] = train
    return changed


def _rates_hz(sample: Counts, bin_size_s: float, units: NDArray[np.int64]) -> str:
    rates = np.sort(sample[:, units].mean(axis=0)) / bin_size_s
    return ", ".join(f"{rate:.2f}" for rate in rates) or "none"


def _cost(units: int, bin_size_s: float) -> str:
    """Of calibrating and watching units of 5 Hz whose rates rise and fall together."""
    random = random_stream(0, Purpose.BENCHMARK)
    sample_bins = max(SAMPLE_BINS, round(400 / bin_size_s))
    drive = np.repeat(random.gamma(4, 0.25, sample_bins // 100 + 1), 100)[:sample_bins]
    sample = np.concatenate(
        [random.poisson(5 * bin_size_s * part[:, np.newaxis], (len(part), units)).astype(np.uint8)
         for part in np.array_split(drive, 100)]
    )  # fmt: skip
    began = time.process_time()
    alarm = DriftAlarm(calibrate(sample, bin_size_s))
    calibrated = time.process_time()
    step, bins = round(0.1 / bin_size_s), round(COST_S / bin_size_s)
    for first in range(0, bins, step):
        alarm.add(sample[first : first + step])
    cores = (time.process_time() - calibrated) / COST_S
    return (
        f"{units} units in bins of {bin_size_s * 1000:g} ms: calibration on {sample_bins:,} bins"
        f" {calibrated - began:.1f} s, watching {cores:.5f} of a core."
    )
