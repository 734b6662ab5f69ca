"""What of an XDF file belongs together, where a sender was started more than once."""

import json
from dataclasses import asdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeloop
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read import read_chosen
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.exporters.formats.xdf.header import PROVENANCE
from spikeloop.exporters.formats.xdf.own import beside
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.recordings.provenance import Provenance
from tests.support.xdf_files import SIZE, header

SUFFIXES = ("", "-Events", "-Condition", "-Markers")
OF_SUFFIX = {
    "": ("Spikes", ["a", "b"], 1 / SIZE, "int16"),
    "-Events": ("SpikeEvents", ["unit"], 0.0, "int32"),
    "-Condition": ("Condition", ["x"], 1 / SIZE, "float32"),
    "-Markers": ("Markers", ["marker"], 0.0, "string"),
}
BINS = 8


def write(path, runs, stated, order):
    """Write runs of "lab" one after the other in time, their streams in any order; a run is told by its values."""
    with XdfWriter(path) as writer:
        for run, suffix in order:
            kind, labels, rate_hz, form = OF_SUFFIX[suffix]
            made_by = Provenance("tiny", "0" * 64, run, SIZE, 1, 100.0 * run)
            own = {"bin_size_s": SIZE} | ({PROVENANCE: json.dumps(asdict(made_by))} if stated else {})
            stream = writer.add_stream(header(f"lab{suffix}", kind, labels, rate_hz, form, own))
            stamps_s = 100.0 * run + SIZE * np.arange(1, BINS + 1)
            values = [[f"run {run}"]] * BINS if form == "string" else np.full((BINS, len(labels)), run)
            writer.add_samples(stream, values, stamps_s)
            writer.add_clock_offset(stream, 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(runs=st.integers(1, 3), stated=st.booleans(), data=st.data())
def test_each_run_has_its_own_streams_in_whatever_order_they_come(runs, stated, data, tmp_path_factory):
    all_streams = [(run, suffix) for run in range(runs) for suffix in SUFFIXES]
    order = data.draw(st.permutations(all_streams))
    path = tmp_path_factory.mktemp("runs") / "lab.xdf"
    write(path, runs, stated, order)
    with open_streams(path) as streams:
        file, of = OpenFile(path, streams), dict(zip(order, streams.streams, strict=True))
        for run in range(runs):
            for suffix in SUFFIXES[1:]:
                assert beside(file, of[run, ""], suffix) is of[run, suffix]
            assert beside(file, of[run, "-Events"], "") is of[run, ""]
    for run in range(runs):
        key = "lab" if runs == 1 else f"lab#{1 + order.index((run, ''))}"
        read = read_chosen(path, Choices(key=key))
        assert (read.counts == run).all()
        assert (read.conditions == run).all()


def test_what_another_run_made_is_not_beside_a_stream_that_has_none(tmp_path):
    write(tmp_path / "lab.xdf", 2, True, [(0, ""), (1, ""), (1, "-Condition"), (1, "-Events")])
    with open_streams(tmp_path / "lab.xdf") as streams:
        file = OpenFile(tmp_path / "lab.xdf", streams)
        assert beside(file, streams.streams[0], "-Condition") is None
        assert beside(file, streams.streams[1], "-Condition") is streams.streams[2]
    assert not spikeloop.read_recording(tmp_path / "lab.xdf", key="lab#1").channels
