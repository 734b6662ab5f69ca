"""What reading takes of memory is worked out before it is loaded, in every format."""

import gzip
import io
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.inspection import inspect_recording
from spikeloop.exporters.formats.read import read_arrays, read_chosen, read_recording, read_timed
from spikeloop.exporters.formats.read_trains import read_trains
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import MAX_MEMORY, memory_for
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import from_counts
from tests.support import small_files

pytestmark = pytest.mark.filterwarnings("ignore")  # Neo, PyNWB and others warn about themselves

FILES = {
    "NumPy archive": (".npz", small_files.own),
    "NumPy archive of spike times": (".npz", small_files.times),
    "NumPy array": (".npy", small_files.array),
    "CSV": (".csv", small_files.table),
    "CSV of spikes": (".csv", small_files.events),
    "CSV, compressed": (".csv.gz", small_files.table),
    "Parquet": (".parquet", small_files.own),
    "Parquet of pandas": (".parquet", small_files.table),
    "MATLAB": (".mat", small_files.own),
    "MATLAB, cells and structs, compressed": (".mat", small_files.nested_packed),
    "MATLAB 4": (".mat", small_files.matlab_4),
    "MATLAB 7.3": (".mat", small_files.nested_hdf5),
    "NWB": (".nwb", small_files.session),
    "NWB of our own": (".nwb", small_files.own),
    "NWB in Zarr": (".nwb.zarr", small_files.session_zarr),
    "Zarr": (".zarr", small_files.own),
    "XDF": (".xdf", small_files.own),
    "XDF, compressed": (".xdfz", small_files.packed_streams),
    "NIX": (".nix", small_files.own),
    "Blackrock": (".nev", small_files.blackrock),
    "NeuroExplorer": (".nex", small_files.neuroexplorer),
    "Plexon": (".plx", small_files.plexon),
    "Neuralynx": ("", small_files.neuralynx),
    "NEST": (".gdf", small_files.nest),
    "Phy": ("", small_files.phy),
    "SpikeInterface, folder": ("", small_files.sorting),
    "SpikeInterface, archive": (".npz", small_files.sorting),
    "SpikeInterface, Zarr": (".zarr", small_files.sorting),
    "suite2p": ("", small_files.planes),
}
CHOICES = Choices(bin_size_s=0.02)
OVERHEAD = 4 * 2**20  # bytes of libraries, and of what is small
MIB = 96  # of zeros, in files that unpack to much


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_refused_above_the_limit_and_read_at_it(name, tmp_path):
    suffix, write = FILES[name]
    path = tmp_path / f"some{suffix}"
    write(path)
    with memory_for(path) as use:
        recording = read_chosen(path, CHOICES)
    assert use.needed >= recording.counts.nbytes
    with memory_for(path) as enough:
        enough.limit = use.needed
        read_chosen(path, CHOICES)
    with memory_for(path) as less:
        less.limit = use.needed - 1
        with pytest.raises(
            BadInputError, match=r"some.*takes about .* expected at most .*--max-memory 1G \(max_memory"
        ):
            read_chosen(path, CHOICES)


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".parquet", ".nwb", ".zarr", ".xdf"])
def test_reading_takes_no_more_than_is_worked_out(suffix, tmp_path, random):
    """Compared with what Python allocates, as tracemalloc counts it."""
    counts = random.poisson(0.05, (2, 10_000, 40))
    driven = random.normal(size=(2, 10_000, 2))
    recording = with_conditions(from_counts(counts, 0.02), driven, ["vx", "vy"], ["cm/s", "cm/s"])
    path = tmp_path / f"some{suffix}"
    write_recording(recording, path)
    assert_enough(path, Choices())


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "uint8"])
def test_counts_of_every_type_take_no_more_than_is_worked_out(kind, tmp_path, random):
    np.savez(tmp_path / "some.npz", spikes=random.poisson(0.2, (40_000, 50)).astype(kind), bin_size_s=0.02)
    assert_enough(tmp_path / "some.npz", Choices())


def test_spike_times_take_no_more_than_is_worked_out(tmp_path, random):
    times, units = random.uniform(0, 4000, 400_000), random.integers(0, 100, 400_000)
    np.savez(tmp_path / "some.npz", spike_times=times, unit_ids=units)
    assert_enough(tmp_path / "some.npz", CHOICES)


def test_a_table_of_text_takes_no_more_than_is_worked_out(tmp_path, random):
    rows = "\n".join(",".join(map(str, row)) for row in random.poisson(0.2, (20_000, 30)))
    (tmp_path / "some.csv").write_text(",".join(f"u{unit}" for unit in range(30)) + "\n" + rows)
    assert_enough(tmp_path / "some.csv", CHOICES)


def assert_enough(path, choices):
    read_chosen(path, choices)  # what is imported first counts for no file
    tracemalloc.start()
    try:
        with memory_for(path, "8G") as use:
            recording = read_chosen(path, choices)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert recording.counts.nbytes <= peak <= use.needed + OVERHEAD, (peak, use.needed, use.parts)
    assert use.needed <= 8 * peak + OVERHEAD, (peak, use.needed, use.parts)


def zeros_in_npz(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("spikes.npy", "w", force_zip64=True) as member,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (MIB * 2**14, 64)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(MIB):
            member.write(bytes(2**20))


def zeros_in_mat(path):
    """Write a compressed variable of zeros, a MiB at a time."""

    def element(kind, data):
        return np.array([kind, len(data)], "<u4").tobytes() + data + bytes(-len(data) % 8)

    size = MIB * 2**20
    head = element(6, np.array([9, 0], "<u4").tobytes()) + element(5, np.array([2**14 * MIB, 64], "<i4").tobytes())
    head += element(1, b"spikes") + np.array([2, size], "<u4").tobytes()
    packed = zlib.compressobj()
    body = packed.compress(np.array([14, len(head) + size], "<u4").tobytes() + head)
    body += b"".join(packed.compress(bytes(2**20)) for _ in range(MIB)) + packed.flush()
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(start + np.array([15, len(body)], "<u4").tobytes() + body)


def zeros_in_hdf5(path):
    import h5py

    with h5py.File(path, "w") as file:
        spikes = file.create_dataset("spikes", (2**14 * MIB, 64), "u1", chunks=(2**14, 64), compression="gzip")
        for part in range(MIB):
            spikes[part * 2**14 : (part + 1) * 2**14] = 0


def zeros_in_zarr(path):
    import zarr

    zarr.open_group(str(path), mode="w").zeros("spikes", shape=(2**14 * MIB, 64), chunks=(2**16, 64), dtype="u1")[:] = 0


def zeros_in_csv(path):
    with gzip.GzipFile(path, "wb", compresslevel=1) as file:
        file.write(b",".join(b"u%d" % unit for unit in range(64)) + b"\n")
        row = b",".join([b"0"] * 64) + b"\n"
        for _ in range(MIB):
            file.write(row * 2**13)


def zeros_in_parquet(path):
    import pyarrow
    import pyarrow.parquet

    batch = pyarrow.table({f"u{unit}": np.zeros(2**16, np.int64) for unit in range(64)})
    with pyarrow.parquet.ParquetWriter(path, batch.schema) as writer:
        for _ in range(4):
            writer.write_table(batch)


def zeros_in_xdf(path):
    from spikeloop.exporters.formats.xdf.chunks import MAGIC

    with gzip.GzipFile(path, "wb", compresslevel=1) as file:
        file.write(MAGIC)
        for _ in range(MIB):
            file.write(bytes(2**20))


BOMBS = {
    ".npz": zeros_in_npz,
    ".mat": zeros_in_mat,
    "-7.3.mat": zeros_in_hdf5,
    ".zarr": zeros_in_zarr,
    ".csv.gz": zeros_in_csv,
    ".parquet": zeros_in_parquet,
    ".xdfz": zeros_in_xdf,
}


@pytest.mark.parametrize("suffix", BOMBS)
def test_a_small_file_that_unpacks_to_much_is_refused_before_it_fills_the_memory(suffix, tmp_path):
    path = tmp_path / f"zeros{suffix}"
    BOMBS[suffix](path)
    stored = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
    assert stored < 12 * 2**20
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError, match=r"expected at most 40 MiB.*--max-memory \d+G \(max_memory in Python\)"):
            read_recording(path, bin_size_s=0.02, max_memory="40M")
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_recording(path),
        lambda path: read_timed(path, Choices()),
        lambda path: read_arrays(path),
        lambda path: read_trains(path, Choices()),
    ],
    ids=["recording", "timed", "arrays", "trains"],
)
def test_whatever_reads_a_file_keeps_to_the_limit_of_the_environment(read, tmp_path, monkeypatch):
    zeros_in_npz(tmp_path / "zeros.npz")
    monkeypatch.setenv(MAX_MEMORY, "40M")
    with pytest.raises(BadInputError, match="expected at most 40 MiB"):
        read(tmp_path / "zeros.npz")


def test_inspection_says_what_is_too_large_and_still_lists_what_there_is(tmp_path, monkeypatch):
    zeros_in_npz(tmp_path / "zeros.npz")
    monkeypatch.setenv(MAX_MEMORY, "40M")
    found = inspect_recording(tmp_path / "zeros.npz", CHOICES)
    assert [item.path for item in found.items] == ["spikes"]
    assert "takes about" in found.problem
    monkeypatch.setenv(MAX_MEMORY, "8G")
    small_files.own(tmp_path / "small.npz")
    assert inspect_recording(tmp_path / "small.npz", Choices()).memory_bytes >= 3 * 40 * 5


@pytest.mark.parametrize("name", ["m1-sim:80000", "packets:1:900000"])
def test_simulated_recordings_keep_to_the_limit(name):
    with pytest.raises(BadInputError, match="expected at most 10 MiB"):
        read_recording(name, max_memory="10M")


def test_a_stretch_of_a_long_recording_is_read_where_the_whole_is_too_large(tmp_path, random):
    import h5py

    with h5py.File(tmp_path / "long.nwb", "w") as file:
        file["units/spike_times"] = np.arange(3 * 2**20) / 100
        file["units/spike_times_index"] = np.array([3 * 2**20])
        file["units/id"] = np.array([0])
    with pytest.raises(BadInputError, match="read a part of it"):
        read_recording(tmp_path / "long.nwb", 0.02, max_memory="20M")
    assert read_recording(tmp_path / "long.nwb", 0.02, start_s=0, stop_s=100, max_memory="20M").bins == 5000


def test_an_array_of_objects_says_nothing_of_its_size(tmp_path):
    packed = io.BytesIO()
    np.savez(packed, spikes=np.array([None]), bin_size_s=0.02)
    (tmp_path / "pickled.npz").write_bytes(packed.getvalue())
    with pytest.raises(BadInputError, match="never loaded"):
        read_recording(tmp_path / "pickled.npz", max_memory="10M")
