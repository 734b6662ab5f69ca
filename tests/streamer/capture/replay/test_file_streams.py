"""Which streams of an XDF file are replayed, and their times on one clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.exporters.stream_names import SUFFIXES
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.selection import Selection
from spikeloop.streamer.capture.replay.file_streams import read_streams
from tests.support.replayed import written
from tests.support.xdf_files import header

DAY_S = 86400.0


def counts(name, stamps_s, rate_hz=10.0, kind="Spikes"):
    return (name, kind, rate_hz, "int16", np.arange(len(stamps_s))[:, None], np.asarray(stamps_s))


def test_streams_are_chosen_by_name_pattern_or_type_and_keep_the_order_of_the_file(tmp_path):
    stamps = 5 + np.arange(3) / 10
    streams = [counts(name, stamps, kind=kind) for name, kind in (("a", "EEG"), ("b-1", "Spikes"), ("b-2", "EEG"))]
    path = written(tmp_path / "x.xdf", streams)
    for asked, found in (
        ((), ["a", "b-1", "b-2"]),
        (("b-2", "a"), ["a", "b-2"]),
        (("b-*",), ["b-1", "b-2"]),
        (("eeg",), ["a", "b-2"]),
    ):
        assert [stream.name for stream in read_streams(path, asked).streams] == found
    with pytest.raises(BadInputError, match=r"x\.xdf: expected .* streams \(a \(EEG\), b-1 .*found 'c'"):
        read_streams(path, ["c"])


names = st.sampled_from([f"{base}{suffix}" for base in ("lab", "lab-2", "x") for suffix in ("", *SUFFIXES, "-Else")])


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.sampled_from(["lab", "lab-2", "x", "lab-Events"]))
def test_a_name_means_the_streams_that_record_records_by_it(tmp_path_factory, present, asked):
    stamps = 5 + np.arange(3) / 10
    path = written(tmp_path_factory.mktemp("x") / "x.xdf", [counts(name, stamps, kind="EEG") for name in present])
    meant = [name for name in present if Selection(asked).matches(name)]
    if not meant:
        with pytest.raises(BadInputError, match="expected the names or types"):
            read_streams(path, [asked])
        return
    assert [stream.name for stream in read_streams(path, [asked]).streams] == meant


def test_two_streams_of_one_name_are_told_apart_by_their_numbers(tmp_path):
    stamps = 5 + np.arange(3) / 10
    path = written(tmp_path / "x.xdf", [counts("a", stamps), counts("a", stamps + 1)])
    assert len(read_streams(path, ["a"]).streams) == 2
    assert read_streams(path, ["a#2"]).streams[0].times_s[0] == 0


def test_times_count_from_the_first_sample_of_all_streams_that_were_chosen(tmp_path):
    path = written(tmp_path / "x.xdf", [counts("late", 7.5 + np.arange(3) / 10), counts("early", [5.0])])
    late, early = read_streams(path).streams
    np.testing.assert_allclose(late.times_s, 2.5 + np.arange(3) / 10)
    assert early.times_s.tolist() == [0.0]
    assert read_streams(path, ["late"]).streams[0].times_s[0] == 0


def test_senders_of_two_clocks_are_brought_to_that_of_the_recorder(tmp_path):
    with XdfWriter(tmp_path / "x.xdf") as writer:
        for name, offset_s in (("here", 0.0), ("there", 1000.0)):
            number = writer.add_stream(header(name, "EEG", ["a"], rate_hz=10.0))
            stamps_s = 5000 - offset_s + np.arange(100) / 10
            for place in range(0, 100, 20):
                writer.add_clock_offset(number, float(stamps_s[place]), offset_s)
                writer.add_samples(number, np.zeros((20, 1)), stamps_s[place : place + 20])
    here, there = read_streams(tmp_path / "x.xdf").streams
    np.testing.assert_allclose(here.times_s, np.arange(100) / 10, atol=1e-6)
    np.testing.assert_allclose(there.times_s, here.times_s, atol=1e-6)


def test_stamps_keep_their_jitter(tmp_path):
    stamps = 5 + np.arange(50) / 10 + np.random.default_rng(0).normal(0, 0.003, 50)
    (stream,) = read_streams(written(tmp_path / "x.xdf", [counts("a", stamps)])).streams
    np.testing.assert_allclose(stream.times_s, stamps - stamps.min(), atol=1e-9)


@pytest.mark.parametrize("jump_s", [2 * DAY_S, -2 * DAY_S])
def test_what_follows_a_clock_that_was_set_anew_follows_what_came_before_and_is_stated(tmp_path, jump_s):
    stamps = 1e6 + np.concatenate([np.arange(20), np.arange(20, 40) + 10 * jump_s]) / 10
    read = read_streams(written(tmp_path / "x.xdf", [counts("a", stamps), counts("b", 1e6 + np.arange(40) / 10)]))
    np.testing.assert_allclose(read.streams[0].times_s, np.arange(40) / 10, atol=1e-6)
    (note,) = read.notes
    assert "a: its clock jumps by" in note
    assert "at sample 20" in note


def test_a_silence_during_which_another_stream_goes_on_is_kept(tmp_path):
    sparse, dense = np.array([0.0, 7200.0]), np.arange(0, 7300.0, 10.0)
    read = read_streams(written(tmp_path / "x.xdf", [counts("a", 5 + sparse, 0.0), counts("b", 5 + dense, 0.1)]))
    np.testing.assert_allclose(read.streams[0].times_s, sparse)
    assert not read.notes


def test_a_marker_that_is_stamped_a_little_earlier_than_the_one_before_keeps_its_place(tmp_path):
    read = read_streams(written(tmp_path / "x.xdf", [counts("a", [5.0, 6.0, 5.5, 7.0], 0.0)]))
    assert read.streams[0].times_s.tolist() == [0.0, 1.0, 0.5, 2.0]


def test_clocks_that_the_recorder_saw_set_anew_are_stated_and_lie_on_its_own(data_folder):
    read = read_streams(data_folder / "formats" / "clock_resets.xdf")
    assert [note.split(":")[0] for note in read.notes[:2]] == ["MyMarkerStream", "BioSemi"]
    assert all("its clock was set anew at sample" in note for note in read.notes[:2])
    assert read.notes[2:] == ("no stream has a sample for 274 s after 138.1 s; a seek or --from 412 passes over it",)
    assert read.duration_s < 600  # by the senders' own clocks, a week


def test_streams_without_samples_stay_and_a_file_of_nothing_else_is_refused(data_folder):
    path = data_folder / "formats" / "empty_streams.xdf"
    assert sorted(len(stream.times_s) for stream in read_streams(path).streams) == [0, 0, 1, 10]
    with pytest.raises(BadInputError, match="expected samples in Empty .*, found none; choose other streams"):
        read_streams(path, ["Empty*"])


def test_what_is_no_xdf_file_is_refused(tmp_path):
    (tmp_path / "x.xdf").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="expected an XDF file"):
        read_streams(tmp_path / "x.xdf")
    with pytest.raises(BadInputError, match="y.xdf"):
        read_streams(tmp_path / "y.xdf")


def test_samples_whose_stamps_are_no_times_are_passed_over_and_noted_and_the_rest_goes_out(tmp_path):
    stamps = 5 + np.arange(6) / 10
    odd = np.where(np.arange(6) == 3, np.inf, stamps)
    nothing = counts("nothing", np.full(3, np.nan), kind="EEG")
    read = read_streams(written(tmp_path / "x.xdf", [counts("a", odd), counts("b", stamps), nothing]))
    assert read.streams[0].values[:, 0].tolist() == [0, 1, 2, 4, 5]
    np.testing.assert_allclose(read.streams[0].times_s, np.delete(stamps, 3) - 5)
    assert [len(stream.times_s) for stream in read.streams[1:]] == [6, 0]
    assert [note.split(" samples")[0] for note in read.notes] == ["a: left out 1", "nothing: left out 3"]
