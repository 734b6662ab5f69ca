"""Damaged files of every format end in a recording or in a sentence: no traceback, crash, hang or hunger for memory.

SPIKELOOP_FUZZ=1000 tries so many of each format, and SPIKELOOP_FUZZ_LOG=FILE enters how they ended. A format joins with
one line in FILES.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_arrays
from tests.support import small_files
from tests.support.damage import damaged_copy
from tests.support.fuzzed import Outcome, Reader
from tests.support.fuzzing import EXAMPLES, corpus, refusal

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Neo, PyNWB and others warn about themselves

FEW, MANY = 8, 20  # where it is not said, of files for which a process is started, and of others
BINS = {"bin_size_s": 0.02}


@dataclass(frozen=True)
class Fuzzed:
    """A file or folder to damage.

    Attributes
    ----------
    suffix : str
    write : callable, or str
        How it is made; or the name of a real one.
    choices : tuple of dict
        With which it is read, in turn.
    mutations : int
        That are tried where it is not said.
    """

    suffix: str
    write: Callable[[Path], None] | str
    choices: tuple[dict[str, Any], ...] = (BINS,)
    mutations: int = MANY


def with_conditions(**places: str) -> dict[str, Any]:
    return {**BINS, "conditions": places}


NWB = (BINS, {**BINS, "trials": "all"}, with_conditions(v="Velocity"), with_conditions(target="trials:target_x"))
STREAMS = ({**BINS, "key": "units"}, {**with_conditions(cursor="cursor"), "key": "units"})
REAL_STREAMS = ({"key": "SendDataC", "conditions": {"c": "SendDataC"}}, {"key": "SendDataC", "trials": "all"})
FILES = {
    "NumPy archive": Fuzzed(".npz", small_files.own),
    "NumPy archive of spike times": Fuzzed(".npz", small_files.times),
    "NumPy array": Fuzzed(".npy", small_files.array),
    "CSV": Fuzzed(".csv", small_files.table),
    "CSV of spikes": Fuzzed(".csv", small_files.events),
    "CSV, compressed": Fuzzed(".csv.gz", small_files.table),
    "TSV": Fuzzed(".tsv", small_files.table),
    "Parquet": Fuzzed(".parquet", small_files.own),
    "Parquet of pandas": Fuzzed(".parquet", small_files.table),
    "MATLAB": Fuzzed(".mat", small_files.own),
    "MATLAB, cells and structs": Fuzzed(".mat", small_files.nested),
    "MATLAB, cells and structs, compressed": Fuzzed(".mat", small_files.nested_packed),
    "MATLAB 4": Fuzzed(".mat", small_files.matlab_4),
    "MATLAB 7.3": Fuzzed(".mat", small_files.nested_hdf5, mutations=FEW),
    "NWB": Fuzzed(".nwb", small_files.session, NWB, FEW),
    "NWB of our own": Fuzzed(".nwb", small_files.own, mutations=FEW),
    "NWB in Zarr": Fuzzed(".nwb.zarr", small_files.session_zarr, NWB[:3]),
    "Zarr": Fuzzed(".zarr", small_files.own),
    "XDF": Fuzzed(".xdf", small_files.own),
    "XDF of events": Fuzzed(".xdf", small_files.streams, STREAMS),
    "XDF, compressed": Fuzzed(".xdfz", small_files.packed_streams),
    "XDF, a real one": Fuzzed(".xdf", "minimal.xdf", REAL_STREAMS),
    "NIX": Fuzzed(".nix", small_files.own, mutations=FEW),
    "Blackrock": Fuzzed(".nev", small_files.blackrock),
    "NeuroExplorer": Fuzzed(".nex", small_files.neuroexplorer, (BINS, {**BINS, "trials": "all"})),
    "Plexon": Fuzzed(".plx", small_files.plexon),
    "Neuralynx": Fuzzed("", small_files.neuralynx),
    "NEST": Fuzzed(".gdf", small_files.nest),
    "Phy": Fuzzed("", small_files.phy),
    "SpikeInterface, folder": Fuzzed("", small_files.sorting),
    "SpikeInterface, archive": Fuzzed(".npz", small_files.sorting),
    "SpikeInterface, Zarr": Fuzzed(".zarr", small_files.sorting),
    "suite2p": Fuzzed("", small_files.planes, (BINS, {"key": "F"})),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    program = Reader()
    yield program
    program.close()


def enter(name: str, outcomes: list[Outcome]) -> None:
    """Enter in the log how the files of a format ended."""
    if log := os.environ.get("SPIKELOOP_FUZZ_LOG"):
        ended = Counter(outcome.what for outcome in outcomes)
        longest_s = max(outcome.processor_s for outcome in outcomes)
        memory = max(outcome.memory for outcome in outcomes) / 2**20
        row = f"| {name} | {len(outcomes)} | {dict(ended)} | {longest_s:.2f} s | {memory:.0f} MB |\n"
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(row)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_ends_in_a_recording_or_a_sentence(name, reader, tmp_path, request):
    kind = FILES[name]
    whole = tmp_path / f"whole{kind.suffix}"
    if isinstance(kind.write, str):
        shutil.copyfile(request.getfixturevalue("data_folder") / "formats" / kind.write, whole)
    else:
        kind.write(whole)
    for choices in kind.choices:
        sound = reader.read(whole, choices)
        assert sound.what == "read", sound.text
    random = np.random.Generator(np.random.Philox(crc32(name.encode())))
    outcomes, odd = [], []
    for number in range(EXAMPLES or kind.mutations):
        path = tmp_path / f"damaged {number}{kind.suffix}"
        damaged_copy(whole, path, random)
        outcomes.append(reader.read(path, kind.choices[number % len(kind.choices)]))
        if not outcomes[-1].sound:
            odd.append(f"{path}: {outcomes[-1].what}: {outcomes[-1].text}")
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    enter(name, outcomes)
    assert not odd, "\n".join(odd[:10])


@pytest.mark.parametrize("path", corpus("recordings"))
def test_a_file_that_once_failed_ends_in_a_sentence(path, reader):
    """`data_type_128.mat`: one byte of a tag was changed, which crashed the reader that SciPy has for such files."""
    outcome = reader.read(path, BINS)
    assert outcome.what == "refused", outcome.text
    assert outcome.text.isprintable()
    assert refusal(lambda: read_arrays(path))  # as conditions and scripts of users are read
