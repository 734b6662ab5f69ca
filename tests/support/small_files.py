"""A small file or folder of each format, as this library and as other programs write them."""

import gzip
import struct
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts
from tests.support.acquired import RATE_HZ, write_nev, write_nex, write_plx
from tests.support.matlab73 import write_mat73

RATE = 30_000


def _random(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(number))


def small() -> Recording:
    """Three trials of five units, with two conditions."""
    random = _random(1)
    recording = from_counts(random.poisson(0.3, (3, 40, 5)), 0.02, [f"ch{i}" for i in range(5)], "small", "made up")
    return with_conditions(recording, random.normal(size=(3, 40, 2)), ["velocity x", "velocity y"], ["cm/s", "cm/s"])


def own(path: Path) -> None:
    """As this library writes it."""
    write_recording(small(), path)


def times(path: Path) -> None:
    """A NumPy archive of spike times."""
    random = _random(4)
    np.savez(path, spike_times=np.sort(random.uniform(0, 5, 300)), unit_ids=random.integers(0, 6, 300), tmax=5.0)


def array(path: Path) -> None:
    """A NumPy array."""
    np.save(path, _random(5).poisson(0.3, (60, 5)))


def _nested() -> dict[str, object]:
    """What MATLAB users keep: structs, cells of spike times, text, sparse and logical arrays."""
    import scipy.sparse

    random = _random(2)
    trains = np.empty((1, 4), object)
    for unit in range(4):
        trains[0, unit] = np.sort(random.uniform(0, 5, 30 + unit))[:, np.newaxis]
    names = np.array(["a", "bb", "ccc", "dddd"], object)
    return {
        "session": {"spikes": trains, "unit_names": names, "rate": 30000.0, "date": "2026-01-01"},
        "binned": scipy.sparse.csc_matrix(random.poisson(0.1, (60, 4)).astype(float)),
        "good": np.array([True, False, True, True]),
        "lfp": random.normal(size=(20, 2)) + 1j,
    }


def nested(path: Path) -> None:
    """MATLAB's cells and structs."""
    import scipy.io

    scipy.io.savemat(path, _nested(), do_compression=False)


def nested_packed(path: Path) -> None:
    """The same, compressed."""
    import scipy.io

    scipy.io.savemat(path, _nested(), do_compression=True)


def nested_hdf5(path: Path) -> None:
    """The same in version 7.3."""
    write_mat73(path, _nested())


def matlab_4(path: Path) -> None:
    """A matrix and a text in version 4."""
    import scipy.io

    counts = _random(3).poisson(0.3, (50, 4)).astype(float)
    scipy.io.savemat(path, {"spikes": counts, "bin_size_s": 0.02, "label": "here"}, format="4")


def table(path: Path) -> None:
    """A table of counts with a row for each bin, of the kind that the path ends in."""
    import pandas as pd

    random = _random(6)
    columns = {f"unit_{i}": random.poisson(0.2, 80) for i in range(4)}
    rows = {"time": np.arange(80) * 0.02, "trial": np.arange(80) // 20, **columns, "vx": random.normal(size=80)}
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def events(path: Path) -> None:
    """A table with a row for each spike."""
    import pandas as pd

    random = _random(7)
    at, unit, trial = np.sort(random.uniform(0, 2, 200)), random.integers(0, 5, 200), random.integers(0, 4, 200)
    pd.DataFrame({"time": at, "unit": unit, "trial": trial}).to_csv(path, index=False)


def session(path: Path) -> None:
    """An NWB file of a laboratory, without the standard's own text, which is most of a small one and is not read."""
    import h5py

    from tests.support.nwb_sessions import session_of_a_lab

    whole_at = path.with_name("with_standard.nwb")
    with h5py.File(session_of_a_lab(whole_at), "r") as whole, h5py.File(path, "w") as file:
        for name in ("units", "intervals", "processing", "stimulus"):
            whole.copy(whole[name], file, name=name, expand_refs=False)
    whole_at.unlink()


def session_zarr(path: Path) -> None:
    """An NWB session in Zarr."""
    import zarr

    random = _random(8)
    root = zarr.open_group(str(path), mode="w")
    root.attrs.update(nwb_version="2.6.0", neurodata_type="NWBFile")
    root["units/spike_times"] = np.concatenate([np.sort(random.uniform(0, 2, 50)) for _ in range(3)])
    root["units/spike_times_index"] = np.array([50, 100, 150])
    root["units/id"] = np.array([4, 9, 11])
    root.create_dataset("units/quality", data=np.array(["mua", "good", "good"], object), dtype=str)
    root["intervals/trials/start_time"] = np.array([0.0, 0.5, 1.0])
    root["intervals/trials/stop_time"] = np.array([0.4, 0.9, 1.4])
    root["processing/behavior/Velocity/data"] = np.arange(40.0).reshape(20, 2)
    root["processing/behavior/Velocity/data"].attrs.update(unit="m/s", conversion=2.0)
    root["processing/behavior/Velocity/starting_time"] = np.array([0.0])
    root["processing/behavior/Velocity/starting_time"].attrs["rate"] = 10.0


def streams(path: Path) -> None:
    """XDF of a lab: markers of spikes, each with its unit, and a cursor."""
    from spikeloop.exporters.formats.xdf.header import stream_header
    from spikeloop.exporters.formats.xdf.writer import XdfWriter

    random = _random(9)
    with XdfWriter(path) as writer:
        kinds = {"label": "spike", "unit": "", "type": "Marker"}
        spikes = writer.add_stream(stream_header("units", "Markers", [kinds], 0.0, "string", {}))
        at = np.sort(random.uniform(0, 3, 80))
        writer.add_samples(spikes, [[f"unit {i}"] for i in random.integers(0, 4, 80)], at)
        axes = [{"label": name, "unit": "cm", "type": "Position"} for name in "xy"]
        cursor = writer.add_stream(stream_header("cursor", "MoCap", axes, 100.0, "double64", {}))
        writer.add_samples(cursor, random.normal(size=(300, 2)), np.arange(300) / 100)


def packed_streams(path: Path) -> None:
    """XDF, compressed."""
    plain = path.with_name("plain.xdf")
    own(plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def blackrock(path: Path) -> None:
    """Spikes of three electrodes."""
    samples = np.sort(_random(10).integers(0, 2 * RATE_HZ, 100)).tolist()
    write_nev(path, [(sample, 1 + number % 3, number % 2) for number, sample in enumerate(samples)])


def neuroexplorer(path: Path) -> None:
    """Two units and trials."""
    write_nex(path, {"a": list(range(0, 45_000, 900)), "b": [30_000]}, [(0, 6000), (24_000, 36_000)])


def plexon(path: Path) -> None:
    """Two channels."""
    write_plx(path, [(900 * number, 1 + number % 2, number % 3) for number in range(60)])


def neuralynx(path: Path) -> None:
    """A folder with the spikes of one electrode."""
    lines = (
        "FileType Spike",
        "FileVersion 3.4",
        "RecordSize 112",
        "CheetahRev 5.7.4",
        "HardwareSubSystemName AcqSystem1",
    )
    more = ("SamplingFrequency 32000", "ADMaxValue 32767", "ADBitVolts 1e-8", "AcqEntName SE1", "NumADChannels 1")
    last = ("ADChannel 0", "InputRange 300", "InputInverted True", "WaveformLength 32", "AlignmentPt 8")
    began = "## Time Opened (m/d/y): 11/29/2026  (h:m:s.ms) 10:0:0.0\r\n"
    head = "######## Neuralynx Data File Header\r\n## File Name SE1.nse\r\n" + began
    head += "".join(f"-{line}\r\n" for line in (*lines, *more, *last))
    at = np.sort(_random(11).integers(0, 2_000_000, 80))
    records = b"".join(struct.pack("<QII8i32h", micros, 0, number % 3, *[0] * 40) for number, micros in enumerate(at))
    path.mkdir()
    (path / "SE1.nse").write_bytes(head.encode("latin-1").ljust(16384, b"\0") + records)


def nest(path: Path) -> None:
    """A line for each spike: the neuron and the time in ms."""
    random = _random(12)
    rows = zip(random.integers(1, 5, 150), np.sort(random.uniform(0, 2000, 150)), strict=True)
    path.write_text("".join(f"{neuron}\t{at:.3f}\n" for neuron, at in rows))


def phy(path: Path) -> None:
    """What Kilosort leaves and Phy labels."""
    random = _random(13)
    path.mkdir()
    np.save(path / "spike_times.npy", np.sort(random.integers(0, 10 * RATE, 400)).astype(np.uint64)[:, np.newaxis])
    np.save(path / "spike_clusters.npy", random.choice([2, 5, 9, 11], 400).astype(np.int32))
    (path / "params.py").write_text(f"dat_path = 'x.dat'\nn_channels_dat = 4\ndtype = 'int16'\nsample_rate = {RATE}.\n")
    (path / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tmua\n5\tgood\n9\tgood\n11\tmua\n")
    (path / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tmua\n5\tgood\n9\tnoise\n")


def sorting(path: Path) -> None:
    """What SpikeInterface saves: an archive, Zarr or a folder, by the path's suffix."""
    import spikeinterface
    from spikeinterface.core import NpzSortingExtractor

    random, units = _random(14), np.array(["a", "b", "c"])
    samples = [np.sort(random.integers(0, int(seconds * RATE), 200)) for seconds in (5, 3)]
    labels = [units[random.integers(0, 3, 200)] for _ in samples]
    made = spikeinterface.NumpySorting.from_samples_and_labels(samples, labels, RATE, unit_ids=units)
    made.set_property("quality", np.array(["good", "noise", "mua"]))
    if path.suffix == ".npz":
        NpzSortingExtractor.write_sorting(made, path)
    else:
        made.save(folder=path, format="zarr" if path.suffix == ".zarr" else "numpy_folder")


def planes(path: Path) -> None:
    """What suite2p leaves, of two planes."""
    import scipy.io

    random = _random(15)
    for number, frames in ((0, 50), (1, 49)):
        at = path / f"plane{number}"
        at.mkdir(parents=True)
        np.save(at / "spks.npy", random.random((3, frames)).astype(np.float32))
        np.save(at / "F.npy", random.normal(size=(3, frames)).astype(np.float32))
        np.save(at / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8]]))
        scipy.io.savemat(at / "Fall.mat", {"ops": {"fs": 30.0, "nplanes": 1}, "F": np.zeros((2, 2))})
