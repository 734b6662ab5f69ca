"""The samples of one stream of an XDF file, its own stamps and those of the recorder's clock."""

import numpy as np
import pytest
import pyxdf
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.exporters.formats.xdf.streams import OpenFile, load_stream
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError
from tests.support.xdf_files import SIZE, header, stamps

NO_TIMES = [np.nan, np.inf, -np.inf, 1e300]
FORMS = ["int16", "float32", "string"]


def written(path, form, values, stamps_s):
    with XdfWriter(path) as writer:
        number = writer.add_stream(header("x", "Spikes" if form == "int16" else "X", "ab", form=form))
        for place in (0, 3):
            writer.add_clock_offset(number, 100.0 + place, 0.25)
            writer.add_samples(number, values[place : place + 3], stamps_s[place : place + 3])
    return path


def loaded(path):
    with open_streams(path) as streams:
        return load_stream(streams, streams.streams[0], path)


@given(st.sampled_from(FORMS), st.dictionaries(st.integers(0, 5), st.sampled_from(NO_TIMES), max_size=5))
def test_samples_whose_stamps_are_no_times_are_passed_over_and_counted_and_all_others_kept(tmp_path_factory, form, odd):
    values = [[f"é{i}", ""] for i in range(6)] if form == "string" else np.arange(12).reshape(6, 2)
    stamps_s = stamps(6)
    stamps_s[list(odd)] = list(odd.values())
    read = loaded(written(tmp_path_factory.mktemp("x") / "x.xdf", form, values, stamps_s))
    kept = [i for i in range(6) if i not in odd]
    assert [list(row) for row in read.values] == [list(values[i]) for i in kept]
    np.testing.assert_array_equal(read.own_s, stamps(6)[kept])
    np.testing.assert_allclose(read.times_s, stamps(6)[kept] + 0.25, rtol=0, atol=1e-9)
    assert read.passed_over == len(odd)


def test_both_kinds_of_stamps_are_those_of_pyxdf(data_folder):
    for path in sorted((data_folder / "formats").glob("*.xdf")):
        of_pyxdf = [
            pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=on)[0] for on in (False, True)
        ]
        with open_streams(path) as streams:
            for stream, own, shifted in zip(streams.streams, *of_pyxdf, strict=True):
                if stream.samples:
                    read = load_stream(streams, stream, path)
                    np.testing.assert_array_equal(read.own_s, own["time_stamps"])
                    np.testing.assert_array_equal(read.times_s, shifted["time_stamps"])


def test_a_recording_of_such_a_stream_says_what_was_left_out(tmp_path):
    stamps_s = stamps(6)
    stamps_s[2] = np.nan
    recording = read_recording(written(tmp_path / "x.xdf", "int16", np.ones((6, 2)), stamps_s))
    assert int(recording.counts.sum()) == 10
    assert "x: left out 1 samples whose stamps are no times (NaN or infinite)" in recording.history


def test_a_stream_none_of_whose_stamps_is_a_time_is_refused(tmp_path):
    path = written(tmp_path / "x.xdf", "int16", np.ones((6, 2)), np.full(6, np.nan))
    with open_streams(path) as streams:
        file = OpenFile(path, streams)
        for read in (file.samples, file.as_sent):
            with pytest.raises(BadInputError, match="expected times in the stream x, found NaN"):
                read(streams.streams[0])


def test_a_stream_is_read_once_for_samples_and_for_stamps_as_sent(tmp_path, monkeypatch):
    reads, load_xdf = [], pyxdf.load_xdf
    monkeypatch.setattr(pyxdf, "load_xdf", lambda *args, **options: (reads.append(1), load_xdf(*args, **options))[1])
    path = written(tmp_path / "x.xdf", "int16", np.ones((6, 2)), stamps(6))
    with open_streams(path) as streams:
        file = OpenFile(path, streams)
        values, own_s = file.as_sent(streams.streams[0])
        samples = file.samples(streams.streams[0])
    assert (len(reads), samples.values is values) == (1, True)
    np.testing.assert_allclose(np.diff(own_s), SIZE)
