"""Recorded sessions that are unlike the plain one: two runs of a sender, clocks that differ, odd labels."""

import json
import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pynwb
import pytest
import pyxdf
import zarr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.exporters.sessions.nwb import write_recorded_nwb
from spikeloop.exporters.sessions.zarr import write_recorded_zarr

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyNWB about its own dependencies
UNITS = [{"label": f"unit {i}", "unit": "count", "type": "spikes"} for i in range(2)]
BINS = np.arange(1, 11)


def opened(path: Path) -> Any:
    return pynwb.NWBHDF5IO(path=str(path), mode="r")


def write_run(writer: XdfWriter, seed: int, start_s: float) -> None:
    """One run of a sender: counts, spikes and conditions."""
    own = {"bin_size_s": 0.02, "seed": seed}
    counts = writer.add_stream(stream_header("lab", "Spikes", UNITS, 50.0, "float32", own))
    events = writer.add_stream(stream_header("lab-Events", "SpikeEvents", [{"label": "unit"}], 0.0, "int32", own))
    driven = writer.add_stream(stream_header("lab-Condition", "Condition", [{"label": "speed"}], 50.0, "float32", own))
    ends = start_s + BINS * 0.02
    writer.add_samples(counts, (BINS % 2)[:, None] * [1, 0], ends)
    writer.add_samples(events, [[0]] * 5, ends[::2] - 0.01)
    writer.add_samples(driven, BINS[:, None] + seed, ends)


def test_every_run_of_a_sender_is_in_the_nwb_file_with_its_description(tmp_path):
    with XdfWriter(tmp_path / "x.xdf") as writer:
        write_run(writer, 3, 100.0)
        write_run(writer, 4, 200.0)
    write_recorded_nwb(tmp_path / "x.xdf", tmp_path / "x.nwb")
    with opened(tmp_path / "x.nwb") as file:
        session = file.read()
        assert [len(train) for train in session.units.to_dataframe()["spike_times"]] == [5, 0]
        assert set(session.acquisition) == {"lab", "lab-Events", "lab-Condition"}
        assert session.acquisition["lab-Condition"].data[:, 0].tolist() == (BINS + 4).tolist()
        for series in session.acquisition.values():
            described = ElementTree.fromstring(series.comments)
            assert described.findtext("desc/spikeloop/seed") == "4"


def test_a_session_of_fluorescence_keeps_what_made_it(tmp_path):
    facts = {"bundle": "b", "sha256": "a", "seed": 7, "bin_size_s": 0.02, "step_bins": 1, "start_s": 0.0}
    facts |= {"condition": "", "latency_bins": 0, "signal": "fluorescence", "version": "1"}
    cells = [{"label": "cell", "unit": "a.u.", "type": "fluorescence"}]
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(stream_header("lab", "Fluorescence", cells, 50.0, "float32", facts))
        writer.add_samples(stream, BINS[:, None] / 4, BINS * 0.02)
    write_recorded_nwb(tmp_path / "x.xdf", tmp_path / "x.nwb")
    with opened(tmp_path / "x.nwb") as file:
        session = file.read()
        assert "lab" not in session.acquisition
        assert "spikeloop" in session.lab_meta_data
    write_recorded_zarr(tmp_path / "x.xdf", tmp_path / "x.zarr")
    group: Any = zarr.open_group(str(tmp_path / "x.zarr"), "r")
    assert any('"seed": 7' in str(array[...]) for _, array in group.arrays())


def test_a_zarr_folder_has_stamps_as_sent_from_which_pyxdfs_follow(tmp_path):
    path, stamps = tmp_path / "x.xdf", 1000 + BINS * 0.1
    with XdfWriter(path) as writer:
        numbers = writer.add_stream(stream_header("numbers", "X", [{"label": "x"}], 0.0, "float32", {}))
        texts = writer.add_stream(stream_header("texts", "X", [{"label": "x"}], 0.0, "string", {}))
        writer.add_stream(stream_header("silent", "X", [{"label": "x"}], 0.0, "string", {}))
        for stream, values in ((numbers, BINS[:, None]), (texts, [[str(number)] for number in BINS])):
            writer.add_clock_offset(stream, 1000.0, -500.0)
            writer.add_samples(stream, values, stamps)
            writer.add_clock_offset(stream, 1001.0, -500.0)
    write_recorded_zarr(path, tmp_path / "x.zarr")
    group: Any = zarr.open_group(str(tmp_path / "x.zarr"), "r")
    found, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    for stream in found[:2]:
        written = group[f"streams/{stream['info']['name'][0]}"]
        assert written["stamps_s"][:].tolist() == stamps.tolist()
        offsets = written["clock_offsets_s"][:]
        assert offsets.tolist() == [[1000.0, -500.0], [1001.0, -500.0]]
        np.testing.assert_allclose(stamps + offsets[0, 1], stream["time_stamps"])
    assert group["streams/silent/clock_offsets_s"].shape == (0, 2)


def test_the_session_begins_when_the_recorders_clock_was_0_by_the_first_stamp_of_any_stream(tmp_path):
    path = tmp_path / "x.xdf"
    with XdfWriter(path) as writer:
        late = writer.add_stream(stream_header("late", "X", [{"label": "x"}], 0.0, "float32", {}))
        early = writer.add_stream(stream_header("early", "X", [{"label": "x"}], 0.0, "float32", {}))
        writer.add_clock_offset(early, 5000.0, -4900.0)
        writer.add_samples(late, [[1]], [110.0])
        writer.add_samples(early, [[1]], [5000.0])
    write_recorded_nwb(path, tmp_path / "x.nwb")
    with opened(tmp_path / "x.nwb") as file:
        session = file.read()
        begins = session.session_start_time.timestamp()
        assert session.acquisition["early"].timestamps[0] == pytest.approx(100.0)
    assert abs(path.stat().st_mtime - begins - 100) < 60


LABELS = st.sampled_from(["timestamp", "duration", "a/b", "description", "id", "x", "", "event", "data", ".", "µ"])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["timestamp", "a/b", "description", "id", "x", "x", "event", "", ".", "data"], True)
@given(st.lists(LABELS, min_size=1, max_size=5), st.booleans())
def test_labels_of_any_kind_become_columns_with_all_texts(tmp_path, labels, of_documents):
    channels = [{"label": label} for label in labels]
    texts = [
        [json.dumps({"event": f"{k}{i}"}) if of_documents else f"{k}{i}" for i in range(len(labels))] for k in "ab"
    ]
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(stream_header("keys", "Markers", channels, 0.0, "string", {}))
        writer.add_samples(stream, texts, [1.0, 2.0])
    write_recorded_nwb(tmp_path / "x.xdf", tmp_path / "x.nwb")
    with opened(tmp_path / "x.nwb") as file:
        table = file.read().events["keys"].to_dataframe()
    assert table["timestamp"].to_list() == [1.0, 2.0]
    columns = [name for name in table.columns if name != "timestamp"]
    assert len(columns) == len(labels) + of_documents
    assert table[columns[of_documents:]].to_numpy().tolist() == texts


def test_texts_of_a_zarr_folder_have_each_its_own_length_to_the_last_nul(tmp_path):
    texts = ["", "a\0b", "NULs at the end\0\0", "ü" * 10_000, *(str(number) for number in range(5000))]
    with XdfWriter(tmp_path / "x.xdf") as writer:
        stream = writer.add_stream(stream_header("texts", "Markers", [{"label": "x"}], 0.0, "string", {}))
        writer.add_samples(stream, [[text] for text in texts], np.arange(len(texts)))
    tracemalloc.start()
    write_recorded_zarr(tmp_path / "x.xdf", tmp_path / "x.zarr")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    written: Any = zarr.open_group(str(tmp_path / "x.zarr"), "r")["streams/texts/values"]
    assert written.shape == (len(texts), 1)
    assert written[:, 0].tolist() == texts
    assert most < 20e6  # each as wide as the longest would take 200 MB
