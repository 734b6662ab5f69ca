"""Streams that are read chunk by chunk: the samples and stamps that pyxdf reads at once."""

import io

import numpy as np
import pytest
import pyxdf

from spikeloop.exporters.formats.xdf import blocks as blocks_module
from spikeloop.exporters.formats.xdf.blocks import blocks, synchronised
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.exporters.formats.xdf.header import file_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from tests.support.xdf_files import header


def read_by_pyxdf(path, **options):
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False, **options)
    return {stream["info"]["name"][0]: stream for stream in streams}


@pytest.fixture
def lab_files(data_folder):
    """As LabRecorder wrote them: most stamps follow from the one before, and a clock was reset."""
    return [data_folder / "formats" / name for name in ("clock_resets.xdf", "minimal.xdf", "empty_streams.xdf")]


@pytest.mark.filterwarnings("ignore")
def test_files_of_labs_are_read_as_pyxdf_reads_them(lab_files):
    compared = 0
    for path in lab_files:
        raw, shifted = read_by_pyxdf(path, synchronize_clocks=False), read_by_pyxdf(path)
        with open_streams(path) as streams:
            for stream in streams.streams:
                if stream.is_text or not stream.samples:
                    continue
                found = list(blocks(streams, stream))
                np.testing.assert_array_equal(
                    np.concatenate([part for part, _ in found]), raw[stream.name]["time_series"]
                )
                stamps = np.concatenate([part for _, part in found])
                np.testing.assert_allclose(stamps, raw[stream.name]["time_stamps"], rtol=0, atol=1e-7)
                shift = synchronised(streams, stream)
                np.testing.assert_allclose(shift, shifted[stream.name]["time_stamps"], rtol=0, atol=1e-7)
                compared += 1
    assert compared >= 3


def drifting(path, random):
    """A stream whose clock is behind by half a second, and slower by 20 ppm."""
    stamps = 100 + np.arange(5000) / 50
    values = random.integers(-100, 100, (5000, 2))
    with XdfWriter(path) as writer:
        stream = writer.add_stream(header("numbers", "Spikes", ["a", "b"]))
        for part in np.split(np.arange(5000), 20):
            writer.add_samples(stream, values[part], stamps[part])
            at_s = float(stamps[part[0]])
            writer.add_clock_offset(stream, at_s, 0.5 + 2e-5 * (at_s - 100))
    return values, stamps


@pytest.mark.parametrize("most", [10_000, 100])
def test_clocks_are_synchronised_as_pyxdf_does_also_by_two_stamps_of_a_long_stream(most, tmp_path, random, monkeypatch):
    monkeypatch.setattr(blocks_module, "MOST_ONE_BY_ONE", most)
    values, stamps = drifting(tmp_path / "x.xdf", random)
    expected = read_by_pyxdf(tmp_path / "x.xdf")["numbers"]["time_stamps"]
    with open_streams(tmp_path / "x.xdf") as streams:
        (stream,) = streams.streams
        np.testing.assert_allclose(synchronised(streams, stream), expected, rtol=0, atol=1e-8)
        np.testing.assert_allclose(expected, stamps + 0.5 + 2e-5 * (stamps - 100), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(np.concatenate([part for part, _ in blocks(streams, stream)]), values)


def test_the_header_of_a_file_says_what_was_written_or_nothing(tmp_path):
    path = tmp_path / "x.xdf"
    with XdfWriter(path, own={"clock_s": 12.5}) as writer:
        writer.add_stream(header("n", "Spikes", ["a"]))
    with open_streams(path) as streams:
        assert file_header(streams).findtext("spikeloop/clock_s") == "12.5"
    content = path.read_bytes()
    path.write_bytes(content[:4] + content[content.index(b"</info>") + 7 :])
    with open_streams(path) as streams:
        assert file_header(streams).findtext("datetime") is None
    assert pyxdf.load_xdf(io.BytesIO(content))[0]


@pytest.mark.parametrize("name", ["", " ", "<b/>"])
def test_a_stream_without_a_name_is_read_like_any_other(name, tmp_path, random):
    values, _ = drifting(tmp_path / "whole.xdf", random)
    content = (tmp_path / "whole.xdf").read_bytes()
    written = f"<name>{name}</name>".encode().ljust(len(b"<name>numbers</name>"))  # chunks keep their lengths
    (tmp_path / "x.xdf").write_bytes(content.replace(b"<name>numbers</name>", written))
    expected = read_by_pyxdf(tmp_path / "whole.xdf")["numbers"]["time_stamps"]
    with open_streams(tmp_path / "x.xdf") as streams:
        (stream,) = streams.streams
        assert stream.name == "stream 1"
        np.testing.assert_array_equal(synchronised(streams, stream), expected)
        found, _ = pyxdf.load_xdf(io.BytesIO(streams.only(stream)), dejitter_timestamps=False)
        np.testing.assert_array_equal(found[0]["time_series"], values)
        np.testing.assert_array_equal(found[0]["time_stamps"], expected)
