"""Files that grow: cut off anywhere, and on a disk that becomes full."""

import io
import os
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import pyxdf
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError, FailureError
from tests.support.xdf_files import header


def grown() -> bytes:
    """A file of two streams, in many small chunks."""
    file = io.BytesIO()
    with XdfWriter(file) as writer:
        numbers = writer.add_stream(header("numbers", "Spikes", ["a", "b"]))
        texts = writer.add_stream(header("texts", "Markers", ["a"], 0.0, "string"))
        for chunk in range(10):
            writer.add_samples(numbers, [[chunk, 2 * chunk]] * 3, chunk + np.arange(3) / 3)
            writer.add_samples(texts, [[b"\xc2\xb5V"], [f"number {chunk}"]], [chunk, chunk + 0.5])
            writer.add_clock_offset(numbers, chunk, 0.001)
            if chunk % 4 == 3:
                writer.add_boundary()
    return file.getvalue()


GROWN = grown()
SAMPLES_BEGIN = GROWN.index(b"\xc2\xb5V")  # behind all headers


@given(st.integers(SAMPLES_BEGIN, len(GROWN)))
def test_a_file_that_was_cut_off_anywhere_opens_in_our_reader_with_what_is_before(length):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cut.xdf"
        path.write_bytes(GROWN[:length])
        with open_streams(path) as streams:
            assert streams.damaged <= 1
            numbers, texts = (stream.samples for stream in streams.streams)
    assert GROWN[:length].count(b"number ") - 1 <= texts / 2 <= GROWN[:length].count(b"number ")
    assert 0 <= numbers - 3 * (texts // 2) <= 3


@given(st.integers(0, 9), st.integers(0, 20))
def test_pyxdf_opens_a_file_that_was_cut_off_among_samples(chunk, inside):
    length = GROWN.index(f"number {chunk}".encode()) + 8 - inside
    streams, _ = pyxdf.load_xdf(io.BytesIO(GROWN[:length]), synchronize_clocks=False, dejitter_timestamps=False)
    numbers, texts = (stream["time_series"] for stream in streams)
    assert numbers[:, 0].tolist() == [number // 3 for number in range(3 * (chunk + 1))]
    assert texts[: 2 * chunk] == [row for number in range(chunk) for row in (["µV"], [f"number {number}"])]


def test_the_footer_has_every_comparison_of_clocks_in_its_order():
    streams, _ = pyxdf.load_xdf(io.BytesIO(GROWN))
    offsets = streams[0]["footer"]["info"]["clock_offsets"][0]["offset"]
    assert [(float(each["time"][0]), float(each["value"][0])) for each in offsets] == [(n, 0.001) for n in range(10)]


def test_days_of_comparisons_of_clocks_fit_into_memory():
    """Of three days; a recording of many streams grows by them alone."""
    comparisons = 3 * 17_280
    with open(os.devnull, "wb") as nowhere, XdfWriter(nowhere) as writer:
        stream = writer.add_stream(header("numbers", "Spikes", ["a"]))
        tracemalloc.start()
        for number in range(comparisons):
            writer.add_clock_offset(stream, number / 5, 1e-6 * number)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 20 * comparisons


def test_texts_of_bytes_are_written_as_they_are():
    streams, _ = pyxdf.load_xdf(io.BytesIO(GROWN))
    assert streams[1]["time_series"][:2] == [["µV"], ["number 0"]]


def test_chunks_wait_until_they_are_flushed_or_many(tmp_path):
    path = tmp_path / "x.xdf"
    with XdfWriter(path, flush_each_chunk=False) as writer:
        stream = writer.add_stream(header("n", "Spikes", ["a"]))
        assert path.stat().st_size == writer.size_bytes == 0
        writer.flush()
        assert path.stat().st_size == writer.size_bytes > 0
        before = writer.size_bytes
        writer.add_samples(stream, [[1]], [1.0])
        assert path.stat().st_size == before
        writer.add_samples(stream, np.zeros((500_000, 1), np.int16), np.arange(500_000))
        assert path.stat().st_size == writer.size_bytes > 5_000_000
    assert path.stat().st_size == writer.size_bytes
    with open_streams(path) as streams:
        assert (streams.damaged, streams.streams[0].samples) == (0, 500_001)


def test_on_a_full_disk_whole_chunks_stay(tmp_path, monkeypatch):
    path = tmp_path / "x.xdf"
    described = header("n", "Spikes", ["a"])
    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: LittleDisk(path, 3000))
    writer = XdfWriter(path)
    with pytest.raises(FailureError, match="could not write .*x.xdf .*No space left.*free some space"), writer:
        stream = writer.add_stream(described)
        for number in range(1000):
            writer.add_samples(stream, [[number]], [number])
    assert 2900 < path.stat().st_size == writer.size_bytes <= 3000
    monkeypatch.undo()
    with open_streams(path) as streams:
        assert streams.damaged == 0
        assert streams.streams[0].samples > 50


class LittleDisk(io.FileIO):
    """Writes a part of what no longer fits, as a system does."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "w")
        self._room = room

    def write(self, content) -> int:
        left = self._room - self.tell()
        if not left:
            raise OSError(28, "No space left on device")
        return super().write(memoryview(content)[:left])


def test_a_writer_that_is_closed_writes_no_more(tmp_path):
    with XdfWriter(tmp_path / "x.xdf") as writer:
        pass
    for write in (writer.add_boundary, writer.flush):
        with pytest.raises(BadInputError, match="expected a file that is open"):
            write()


def test_a_file_that_is_there_stays_until_the_first_stream_and_where_it_is_not_to_be_replaced(tmp_path):
    path = tmp_path / "x.xdf"
    path.write_text("mine")
    with XdfWriter(path):
        pass
    assert path.read_text() == "mine"
    with pytest.raises(FailureError, match="could not write .*exists"), XdfWriter(path, replace=False) as writer:
        writer.add_stream(header("n", "Spikes", ["a"]))
    assert path.read_text() == "mine"
    with XdfWriter(path) as writer:
        writer.add_stream(header("n", "Spikes", ["a"]))
    assert path.read_bytes()[:4] == b"XDF:"
