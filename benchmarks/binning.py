"""Spike times of many units to counts: beside Elephant's and pynapple's binning, and from an NWB file.

`python -m benchmarks.binning --spikes 100000000` is the full run: a file of 1 GB.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import range_of

UNITS, BIN_S, RATE_HZ = 300, 0.02, 10.0
SPIKES = 10_000_000  # of a run among the other benchmarks
Trains = list[NDArray[np.float64]]


def measure(_seconds: float = 0.0, spikes: int = SPIKES) -> dict:
    """Time and memory of each, each in a process of its own that has the spike times in memory already."""
    trains = _trains(spikes)
    size_mb = sum(train.nbytes for train in trains) / 1e6
    ours = _counted(trains, _ours)
    rows = [_row("ours, from memory", ours, size_mb)]
    rows += [
        _row(what, _counted(trains, theirs), size_mb, ours)
        for what, theirs in (("Elephant, BinnedSpikeTrain", _elephants), ("pynapple, TsGroup.count", _pynapples))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = _written(trains, Path(folder) / "spikes.nwb")
        reading = _apart(lambda: _read_by_h5py(path))
        rows.append(_row("reading the times with h5py alone", reading, size_mb))
        rows.append(_row("ours, from the NWB file", _apart(lambda: read_recording(path, BIN_S).counts), size_mb))
    return {
        "about": f"{spikes:,} spikes of {UNITS} units at {RATE_HZ:g} Hz, sorted, in bins of {BIN_S * 1000:g} ms."
        f" Memory is what the process grew by beyond the times ({size_mb:.0f} MB), counts included;"
        " from a file, the times are among it.",
        "rows": rows,
        "notes": [
            "Elephant keeps a sparse matrix; the making of its trains, and of pynapple's group, is not timed.",
            "All count the same spikes, which is checked.",
        ],
    }


def _trains(spikes: int) -> Trains:
    """Times of each unit, uniform and sorted."""
    random = random_stream(0, Purpose.BENCHMARK, 7)
    of_a_unit = spikes // UNITS
    return [np.sort(random.random(of_a_unit)) * (of_a_unit / RATE_HZ) for _ in range(UNITS)]


def _ours(trains: Trains) -> Callable[[], Any]:
    return lambda: Recording.from_trains(trains, BIN_S, range_of(trains, BIN_S, 0.0, None, "spikes")).counts


def _elephants(trains: Trains) -> Callable[[], Any]:
    import neo
    import quantities
    from elephant.conversion import BinnedSpikeTrain

    stop = max(train[-1] for train in trains) + BIN_S
    wrapped = [neo.SpikeTrain(train * quantities.s, t_stop=stop * quantities.s) for train in trains]

    def count() -> Any:
        return BinnedSpikeTrain(wrapped, bin_size=BIN_S * quantities.s, t_start=0 * quantities.s).sparse_matrix.data

    return count


def _pynapples(trains: Trains) -> Callable[[], Any]:
    import pynapple

    stop = max(train[-1] for train in trains) + BIN_S
    support = pynapple.IntervalSet(0, stop)
    group = pynapple.TsGroup({i: pynapple.Ts(train) for i, train in enumerate(trains)}, time_support=support)
    return lambda: group.count(BIN_S).values


def _counted(trains: Trains, prepare: Callable[[Trains], Callable[[], Any]]) -> dict[str, float]:
    return _apart(lambda: prepare(trains), call_it=True)


def _apart(work: Callable[[], Any], call_it: bool = False) -> dict[str, float]:
    """Time a piece of work in a copy of this process, with the growth of its memory."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            timed = work() if call_it else work
            before = _memory_mb("VmRSS")
            _reset_peak()
            began, began_wall = time.process_time(), time.perf_counter()
            result = timed()
            took = time.process_time() - began, time.perf_counter() - began_wall
            grown = _memory_mb("VmHWM") - before
        total = int(result) if np.ndim(result) == 0 else int(np.sum(result, dtype=np.int64))  # not timed
        os.write(write_end, f"{took[0]} {took[1]} {grown} {total}".encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answers:
        cpu_s, wall_s, grown_mb, spikes = map(float, answers.read().split())
    os.waitpid(child, 0)
    return {"cpu_s": cpu_s, "wall_s": wall_s, "grown_mb": grown_mb, "spikes": spikes}


def _memory_mb(entry: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{entry}:")) / 1024


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _written(trains: Trains, path: Path) -> Path:
    """A file as PyNWB lays it out."""
    import h5py

    with h5py.File(path, "w") as file:
        file["units/spike_times"] = np.concatenate(trains)
        file["units/spike_times_index"] = np.cumsum([len(train) for train in trains])
        file["units/id"] = np.arange(len(trains))
        file["units"].attrs["colnames"] = ["spike_times"]
    return path


def _read_by_h5py(path: Path) -> int:
    import h5py

    with h5py.File(path, "r") as file:
        return len(file["units/spike_times"][()])  # pyright: ignore[reportIndexIssue, reportArgumentType]


def _row(what: str, found: dict[str, float], size_mb: float, ours: dict[str, float] | None = None) -> dict:
    if ours is not None:
        assert found["spikes"] == ours["spikes"], f"{what} counted {found['spikes']:.0f} of {ours['spikes']:.0f} spikes"
    row = {
        "what": what,
        "processor s": round(found["cpu_s"], 3),
        "wall s": round(found["wall_s"], 3),
        "memory MB": round(found["grown_mb"]),
        "memory / times": round(found["grown_mb"] / size_mb, 2),
    }
    print(row, flush=True)
    return row


def main(spikes: Annotated[int, tyro.conf.arg(help="how many spikes to count")] = SPIKES) -> None:
    """Print what was measured."""
    measure(spikes=spikes)


if __name__ == "__main__":
    tyro.cli(main)
