"""When samples of a replay go out, on a simulated clock."""

import asyncio
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
import pyxdf
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.capture.replay.file_streams import FileStream, FileStreams, read_streams
from spikeloop.streamer.capture.replay.options import ReplayOptions
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.capture.replay.replay import part_of_streams
from spikeloop.streamer.capture.replay.schedule import GRAIN_S, ReplayFigures, Track, replay_tracks
from spikeloop.streamer.stream.clock import SimulatedClock
from tests.support.replayed import FakeOutlet, simulated_replay, written


def stream(times_s, rate_hz=0.0, name="x") -> FileStream:
    values = np.arange(len(times_s))[:, None]
    return FileStream(name, "X", 1, "int64", rate_hz, Element("info"), values, np.asarray(times_s, float))


def recorded(*streams) -> FileStreams:
    return FileStreams(Path("x.xdf"), streams)


times = st.lists(st.floats(0, 50, allow_subnormal=False), min_size=1, max_size=40)


@given(st.lists(times, min_size=1, max_size=3), st.sampled_from([0.5, 1.0, 10.0]))
async def test_every_sample_goes_out_once_in_its_order_when_it_is_due_and_stamped_with_the_recorded_intervals(
    parts, speed
):
    streams = [stream(part) for part in parts]
    outlets, figures = await simulated_replay(recorded(*streams), 0.0, 51.0, speed=speed)
    assert figures.samples == sum(map(len, parts))
    for one, outlet in zip(streams, outlets, strict=True):
        assert [int(row[0]) for row in outlet.values] == list(range(len(one.times_s)))
        np.testing.assert_allclose(outlet.stamps_s, 5000 + one.times_s / speed, rtol=0, atol=1e-9)
        due = np.maximum.accumulate(outlet.stamps_s)
        assert (np.array(outlet.pushed_s) >= due - 1e-9).all()
        assert (np.array(outlet.pushed_s) <= due + GRAIN_S + 1e-9).all()


@pytest.mark.parametrize("clock_s", [20000.1234567, 31999.9])
async def test_at_the_recorded_speed_intervals_are_those_of_the_file_bit_by_bit(tmp_path, clock_s, random):
    stamps_s = 27000.7 + np.sort(random.uniform(0, 30, 500))
    read = read_streams(written(tmp_path / "x.xdf", [("x", "X", 0.0, "int16", np.zeros((500, 1)), stamps_s)]))
    outlets, _ = await simulated_replay(*part_of_streams(read, ReplayOptions()), clock_s=clock_s)
    np.testing.assert_array_equal(np.diff(outlets[0].stamps_s), np.diff(stamps_s))


async def test_regular_samples_go_out_exactly_when_they_are_due():
    outlets, figures = await simulated_replay(recorded(stream(np.arange(500) * 0.004, 250.0)), 0.0, 2.0)
    np.testing.assert_allclose(outlets[0].pushed_s, 5000 + np.arange(500) * 0.004, rtol=0, atol=1e-9)
    assert (figures.late, figures.lateness.longest_s < 1e-9) == (0, True)


async def test_samples_nearer_than_the_grain_go_out_together_with_stamps_of_their_own():
    outlets, _ = await simulated_replay(recorded(stream(np.arange(3000) / 30_000, 30_000.0)), 0.0, 0.1)
    assert len(set(outlets[0].pushed_s)) <= 0.1 / GRAIN_S + 2
    np.testing.assert_allclose(np.diff(outlets[0].stamps_s), 1 / 30_000, rtol=0, atol=1e-9)


async def test_after_a_stall_what_was_due_goes_out_at_once_with_its_true_stamps_and_counts_as_late():
    class Stalling(SimulatedClock):
        async def sleep_until(self, time_s: float) -> None:
            await super().sleep_until(time_s)
            if 5000.5 <= self.time_s < 5000.6:
                self.time_s += 2.0

    outlets, figures = await simulated_replay(
        recorded(stream(np.arange(100) * 0.05, 20.0)), 0.0, 5.0, clock=Stalling(4999.0)
    )
    np.testing.assert_allclose(outlets[0].stamps_s, 5000 + np.arange(100) * 0.05, rtol=0, atol=1e-9)
    assert figures.late >= 1
    assert figures.lateness.longest_s == pytest.approx(2.0, abs=0.06)


class Acting(SimulatedClock):
    """Calls what is to happen at a time of the clock, once it is there."""

    def __init__(self, time_s: float, acts) -> None:
        super().__init__(time_s)
        self.acts = sorted(acts.items())

    async def sleep_until(self, time_s: float) -> None:
        await super().sleep_until(time_s)
        while self.acts and self.acts[0][0] <= self.time_s:
            self.acts.pop(0)[1]()


async def acted(acts, times_s, stop_s, loop=False):
    """What goes out where acts happen, each by the clock and called with the playhead."""
    heads = []
    clock = Acting(4999.0, {at_s: lambda act=act: act(heads[0]) for at_s, act in acts.items()})
    outlets, figures = await simulated_replay(
        recorded(stream(times_s, 10.0)), 0.0, stop_s, clock=clock, drive=heads.append, loop=loop
    )
    return outlets[0], figures


async def test_a_pause_holds_what_is_due_and_stamps_it_later_and_nothing_is_lost():
    acts = {5001.05: lambda head: head.pause(), 5003.05: lambda head: head.resume()}
    outlet, _ = await acted(acts, np.arange(30) / 10, 3.0)
    assert [int(row[0]) for row in outlet.values] == list(range(30))
    steps = np.diff(outlet.stamps_s)
    place = int(np.argmax(steps))
    assert place == 10
    assert steps[place] == pytest.approx(2.1, abs=0.05)  # what is asked for is seen within 20 ms
    np.testing.assert_allclose(np.delete(steps, place), 0.1, rtol=0, atol=1e-9)


async def test_seeking_goes_on_from_there_with_stamps_of_the_present():
    outlet, _ = await acted({5001.05: lambda head: head.seek(2.5)}, np.arange(30) / 10, 3.0)
    assert [int(row[0]) for row in outlet.values] == [*range(11), *range(25, 30)]
    assert outlet.stamps_s[11] == pytest.approx(5001.05, abs=0.05)
    np.testing.assert_allclose(outlet.pushed_s, outlet.stamps_s, rtol=0, atol=1e-9)


async def test_seeking_while_paused_stays_there_until_it_is_resumed():
    acts = {
        5001.05: lambda head: head.pause(),
        5001.55: lambda head: head.seek(0.5),
        5002.05: lambda head: head.resume(),
    }
    outlet, _ = await acted(acts, np.arange(30) / 10, 3.0)
    assert [int(row[0]) for row in outlet.values] == [*range(11), *range(5, 30)]
    assert outlet.stamps_s[11] == pytest.approx(5002.05, abs=0.05)


async def test_a_loop_begins_anew_with_stamps_that_go_on_evenly():
    class EnoughError(Exception):
        pass

    def enough():
        raise EnoughError

    clock = Acting(4999.0, {5006.95: enough})
    head, outlet, figures = Playhead(0.0, 2.0, 5000.0), FakeOutlet(clock), ReplayFigures()
    one = stream(np.arange(20) / 10, 10.0)
    with pytest.raises(EnoughError):
        await replay_tracks([Track(one.values, one.times_s, outlet)], head, clock, figures, loop=True)
    assert figures.passes == 3
    assert [int(row[0]) for row in outlet.values] == [*range(20), *range(20), *range(20), *range(10)]
    np.testing.assert_allclose(np.diff(outlet.stamps_s), 0.1, rtol=0, atol=1e-9)


class SlowOutlet(FakeOutlet):
    """Takes longer for a push than the file for what is pushed."""

    def push(self, values, stamps_s):
        super().push(values, stamps_s)
        self.clock.time_s += 0.01
        if len(self.pushed_s) > 100_000:
            raise AssertionError("nothing ended the replay")


@pytest.mark.parametrize(("samples", "rate_hz"), [(400, 2000.0), (1, 2000.0), (2, 0.0)])
async def test_a_loop_whose_outlets_are_too_slow_lets_others_work_and_ends_when_it_is_cancelled(samples, rate_hz):
    clock, turns = SimulatedClock(5000.0), []
    outlet, figures = SlowOutlet(clock), ReplayFigures()
    one = stream(np.arange(samples) / 2000, rate_hz)
    part, start_s, stop_s = part_of_streams(recorded(one), ReplayOptions())
    tracks = [Track(part.streams[0].values, part.streams[0].times_s, outlet)]
    running = asyncio.create_task(replay_tracks(tracks, Playhead(start_s, stop_s, 5000.0), clock, figures, loop=True))
    while len(turns) < 500:
        turns.append(outlet.clock.time_s)
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()
    assert figures.samples > 0
    assert max(np.diff(turns)) <= 1.1  # seconds of the simulated clock, of which a push takes 0.01


def test_the_end_lies_a_step_after_the_last_regular_sample_so_that_loops_are_even():
    both = recorded(stream(np.arange(20) / 10, 10.0), stream([0.0, 1.95]))
    assert part_of_streams(both, ReplayOptions())[1:] == (0.0, pytest.approx(2.0))
    assert part_of_streams(recorded(stream([0.0, 1.95])), ReplayOptions())[1:] == (0.0, pytest.approx(2.95))


def test_a_part_has_the_samples_from_its_beginning_to_before_its_end():
    part, start_s, stop_s = part_of_streams(
        recorded(stream(np.arange(20) / 10, 10.0)), ReplayOptions(start_s=0.5, stop_s=1.0)
    )
    assert (start_s, stop_s) == (0.5, 1.0)
    assert part.streams[0].values[:, 0].tolist() == [5, 6, 7, 8, 9]


async def test_the_real_files_of_a_folder_go_out_whole_and_come_back_equal_on_a_simulated_clock(data_folder):
    for path in sorted((data_folder / "formats").glob("*.xdf")):
        read = read_streams(path)
        part, start_s, stop_s = part_of_streams(read, ReplayOptions())
        outlets, _ = await simulated_replay(part, start_s, stop_s, speed=10.0)
        known, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
        by_name = {one["info"]["name"][0]: one for one in known}
        first_s = min(one["time_stamps"].min() for one in known if len(one["time_stamps"]))
        for one, outlet in zip(part.streams, outlets, strict=True):
            oracle = by_name[one.name]
            assert len(outlet.values) == len(oracle["time_stamps"])
            assert np.array_equal(np.array(outlet.values), np.array(oracle["time_series"])) or not outlet.values
            expected_s = 5000 + (oracle["time_stamps"] - first_s) / 10
            np.testing.assert_allclose(outlet.stamps_s, expected_s, rtol=0, atol=1e-5)  # by errors of the offsets
            np.testing.assert_allclose(np.diff(outlet.stamps_s), np.diff(expected_s), rtol=0, atol=1e-6)


def test_streams_of_every_format_are_read_as_they_were_written(tmp_path):
    stamps = 100 + np.arange(4) / 10
    kinds = {"int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "float32": "f4", "double64": "f8"}
    streams = [(form, "X", 10.0, form, np.arange(8).reshape(4, 2).astype(kind), stamps) for form, kind in kinds.items()]
    big = np.array([[2**62 + 1, 3]] * 4)
    streams[3] = ("int64", "X", 10.0, "int64", big, stamps)
    texts = [["a", ""], ["é", "b"], [" c ", "d"], ["e", "{}"]]
    read = read_streams(written(tmp_path / "all.xdf", [*streams, ("texts", "Markers", 0.0, "string", texts, stamps)]))
    for one, (name, kind, rate_hz, form, values, _) in zip(read.streams, streams, strict=False):
        assert (one.name, one.type, one.rate_hz, one.form) == (name, kind, rate_hz, form)
        assert one.values.dtype == np.asarray(values).dtype
        np.testing.assert_array_equal(one.values, values)
    assert read.streams[-1].values == texts
