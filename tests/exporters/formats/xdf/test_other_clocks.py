"""Streams stamped by other clocks than LSL's, in files as recorders write them while samples come."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.xdf.blocks import synchronised
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.exporters.formats.xdf.other_clocks import find_other_clocks, other_clock_words
from spikeloop.exporters.formats.xdf.streams import OpenFile
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from tests.support.xdf_files import header

TIME_OF_DAY_S = 1_790_000_000.0  # what is added to the recorder's clock for it
START_S, RATE_HZ, CHUNK_S, COMPARED_EVERY_S = 5000.0, 50.0, 0.5, 5.0  # chunks and comparisons as LabRecorder's


class Lab:
    """A file that a recorder writes while streams send; each stream's stamps are made of the times of its samples."""

    def __init__(self, path, stamps, lasts_s=60.0, host="rig", measured_s=0.0, form="int16"):
        sent_s = START_S + np.arange(1, round(lasts_s * RATE_HZ) + 1) / RATE_HZ
        self.path, self.sent_s = path, sent_s
        self.stamps = {name: stamped(sent_s) for name, stamped in stamps.items()}
        with XdfWriter(path) as writer:
            numbers = {}
            for name in stamps:
                info = header(name, "Numbers", ["a"], RATE_HZ, form=form)
                named = info.find("hostname")
                assert named is not None
                named.text = host
                numbers[name] = writer.add_stream(info)
            edges = np.arange(0, len(sent_s) + 1, round(CHUNK_S * RATE_HZ))
            for place, (first, stop) in enumerate(pairwise(edges)):
                written_s = sent_s[stop - 1] + 0.01
                for name, number in numbers.items():
                    if (place * CHUNK_S) % COMPARED_EVERY_S == CHUNK_S:
                        writer.add_clock_offset(number, written_s - CHUNK_S - measured_s, measured_s)
                    texts = [[json.dumps(i)] for i in range(first, stop)]
                    values = texts if form == "string" else np.arange(first, stop)[:, None]
                    writer.add_samples(number, values, self.stamps[name][first:stop])

    def clocks(self):
        with open_streams(self.path) as streams:
            found = find_other_clocks(streams)
            return {stream.name: found.get(stream.number, ()) for stream in streams.streams}

    def times(self, name):
        with open_streams(self.path) as streams:
            file = OpenFile(self.path, streams)
            (stream,) = (stream for stream in streams.streams if stream.name == name)
            loaded = file.load(stream)
            if not stream.is_text:
                other = file.other_clocks.get(stream.number, ())
                np.testing.assert_allclose(synchronised(streams, stream, other), loaded.times_s, rtol=0, atol=1e-6)
            np.testing.assert_array_equal(loaded.own_s, self.stamps[name])
            return loaded.times_s


@pytest.mark.parametrize("form", ["int16", "string"])
@pytest.mark.parametrize("ahead_s", [TIME_OF_DAY_S, -4999.0, 200.0, -200.0])
def test_a_stream_of_another_clock_is_where_it_arrived_and_one_of_lsls_stays(tmp_path, ahead_s, form):
    lab = Lab(tmp_path / "x.xdf", {"other": lambda s: s + ahead_s, "lsl": lambda s: s}, form=form)
    clocks = lab.clocks()
    assert clocks["lsl"] == ()
    ((first, stop),) = [(clock.first, clock.stop) for clock in clocks["other"]]
    assert (first, stop) == (0, len(lab.sent_s))
    np.testing.assert_allclose(lab.times("other"), lab.sent_s, rtol=0, atol=1.0)
    np.testing.assert_allclose(np.diff(lab.times("other")), 1 / RATE_HZ, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(lab.times("lsl"), lab.sent_s)


@given(st.floats(-100, 100), st.floats(-1e5, 1e5))
def test_no_stream_of_a_computers_lsl_clock_is_moved_however_late_it_is_and_whenever_that_was_switched_on(
    tmp_path_factory, late_s, measured_s
):
    lab = Lab(tmp_path_factory.mktemp("x") / "x.xdf", {"a": lambda s: s - measured_s - late_s}, measured_s=measured_s)
    assert lab.clocks() == {"a": ()}


def test_streams_of_one_computer_that_share_a_clock_keep_their_place_to_each_other(tmp_path):
    lab = Lab(
        tmp_path / "x.xdf",
        {
            "eeg": lambda s: s + TIME_OF_DAY_S,
            "keys": lambda s: s + TIME_OF_DAY_S - 0.3,
            "device": lambda s: s - START_S,
        },
    )
    between = lab.times("eeg") - lab.times("keys")
    np.testing.assert_allclose(between, 0.3, rtol=0, atol=1e-6)
    np.testing.assert_allclose(lab.times("device"), lab.sent_s, rtol=0, atol=1.0)


@pytest.mark.parametrize("jump_s", [200_000.0, -200_000.0])
def test_what_follows_a_jump_to_another_clock_is_where_it_arrived_and_what_came_before_stays(tmp_path, jump_s):
    half_s = START_S + 31.0
    lab = Lab(tmp_path / "x.xdf", {"a": lambda s: np.where(s > half_s, s + jump_s, s)})
    ((clock),) = lab.clocks()["a"]
    assert (clock.first, clock.stop) == (int((lab.sent_s <= half_s).sum()), len(lab.sent_s))
    np.testing.assert_allclose(lab.times("a"), lab.sent_s, rtol=0, atol=1.0)
    np.testing.assert_array_equal(lab.times("a")[: clock.first], lab.sent_s[: clock.first])


def test_samples_without_times_amid_those_of_another_clock_are_passed_over(tmp_path):
    odd = [3, 700, 2999]
    lab = Lab(tmp_path / "x.xdf", {"a": lambda s: s + TIME_OF_DAY_S})
    kept = np.delete(lab.sent_s, odd)
    broken = Lab(
        tmp_path / "y.xdf",
        {"a": lambda s: np.where(np.isin(np.arange(len(s)), odd), np.nan, s + TIME_OF_DAY_S)},
    )
    with open_streams(broken.path) as streams:
        loaded = OpenFile(broken.path, streams).load(streams.streams[0])
    np.testing.assert_allclose(loaded.times_s, kept, rtol=0, atol=1.0)
    assert loaded.remarks("a")[0].startswith("a: left out 3 samples")
    assert "a: stamps of another clock, 57 years ahead of LSL's clock; its times are those" in loaded.remarks("a")[1]


def test_a_file_that_was_not_written_as_its_samples_came_is_read_as_it_is(tmp_path):
    with XdfWriter(tmp_path / "x.xdf") as writer:
        for name, start_s in (("late", 9000.0), ("early", 100.0), ("later", 20_000.0)):
            number = writer.add_stream(header(name, "Numbers", ["a"], RATE_HZ))
            writer.add_clock_offset(number, start_s, 0.0)
            writer.add_samples(number, np.zeros((5000, 1)), start_s + np.arange(5000) / RATE_HZ)
    with open_streams(tmp_path / "x.xdf") as streams:
        assert find_other_clocks(streams) == {}


def test_files_of_labs_have_no_other_clock(data_folder):
    for path in sorted((data_folder / "formats").glob("*.xdf")):
        with open_streams(path) as streams:
            assert find_other_clocks(streams) == {}


def test_the_words_say_how_far_off_the_clock_is_and_what_is_added(tmp_path):
    lab = Lab(tmp_path / "x.xdf", {"a": lambda s: s - START_S})
    (clock,) = lab.clocks()["a"]
    assert other_clock_words("a", (clock,)) == (
        "a: stamps of another clock, 83 minutes behind LSL's clock; its times are those at which its samples arrived:"
        f" {clock.offset_s:+.3f} s is added to its stamps"
    )
    assert "and 1 more clocks later" in other_clock_words("a", (clock, clock))
