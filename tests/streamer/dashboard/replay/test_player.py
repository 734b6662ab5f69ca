"""A file plays to a page: its bins as they were recorded, with pause, seek and speed."""

import asyncio
import json
from typing import Any

import h5py
import numpy as np
import pytest

import spikeloop
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.replay.recorded_population import RecordedPopulation
from spikeloop.streamer.dashboard.frames import Kind, Request
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.replay.file import ReplayFile, read_replay
from spikeloop.streamer.dashboard.replay.player import ReplayPlayer
from tests.support.web_pages import Block, Received, received

UNITS, BINS, SIZE = 5, 400, 0.01
pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.4, (BINS, UNITS)).astype(np.uint8)


@pytest.fixture(scope="module")
def file(counts) -> ReplayFile:
    return ReplayFile("own", spikeloop.Recording.from_counts(counts, SIZE))


class Watched:
    """A player whose messages the test reads; on the event loop."""

    def __init__(self, file: ReplayFile) -> None:
        self.hub = Hub()
        self.hub.open(asyncio.get_running_loop())
        self.player = ReplayPlayer(file, self.hub)

    def ask(self, **asked) -> None:
        self.player.ask(Request(Kind.MOVE, json.dumps(asked).encode()), 1)

    async def __aenter__(self):
        self.player.__enter__()
        self.page = self.hub.enter()
        return self

    async def __aexit__(self, *error):
        self.player.__exit__(*error)

    async def next(self) -> Received:
        return received(await self.page.next())

    async def state(self, wanted) -> dict:
        while True:
            message = await self.next()
            if message.kind == Kind.REPLAY and wanted(message.document):
                return message.document

    async def blocks_until_the_end(self) -> list[Block]:
        blocks = []
        while True:
            message = await self.next()
            if message.kind == Kind.BINS:
                blocks.append(message.block(UNITS))
            if message.kind == Kind.REPLAY and message.document["paused"]:
                return blocks


async def test_a_file_plays_to_its_end_bit_for_bit_and_then_stands_still(file, counts):
    async with Watched(file) as watched:
        watched.ask(speed=20)
        blocks = await watched.blocks_until_the_end()
        end = await watched.state(lambda state: state["paused"])
    np.testing.assert_array_equal(np.concatenate([block.counts for block in blocks]), counts)
    assert end["at_s"] == pytest.approx(BINS * SIZE)


async def test_seeking_goes_on_from_there_and_the_numbers_of_bins_go_on(file, counts):
    async with Watched(file) as watched:
        watched.ask(paused=True)
        watched.ask(at_s=3.0)
        assert (await watched.state(lambda state: state["paused"] and state["at_s"] > 2.9))["at_s"] == pytest.approx(3)
        sent = [message async for message in waiting(watched) if message.kind == Kind.BINS]
        watched.ask(speed=20, paused=False)
        blocks = await watched.blocks_until_the_end()
    np.testing.assert_array_equal(np.concatenate([block.counts for block in blocks]), counts[300:])
    before = sent[-1].block(UNITS) if sent else None
    assert before is None or blocks[0].first_bin == before.first_bin + len(before.counts)


async def waiting(watched):
    """Messages that are there already."""
    while True:
        try:
            yield received(await asyncio.wait_for(watched.page.next(), 0.05))
        except TimeoutError:
            return


async def test_a_replay_that_is_over_begins_again(file, counts):
    async with Watched(file) as watched:
        watched.ask(speed=20, at_s=3.9)
        await watched.blocks_until_the_end()
        watched.ask(paused=False)
        blocks = await watched.blocks_until_the_end()
    np.testing.assert_array_equal(np.concatenate([block.counts for block in blocks]), counts)


async def test_what_can_not_be_asked_of_a_replay_is_refused(file):
    async with Watched(file) as watched:
        for asked, message in [
            ({"speed": 1000}, "speed: expected 0.1 to 20"), ({"at_s": "x"}, "at_s: expected a number"),
        ]:  # fmt: skip
            with pytest.raises(BadInputError, match=message):
                watched.ask(**asked)
        with pytest.raises(BadInputError, match="this is a replay"):
            watched.player.ask(Request(Kind.CONTROL, b"{}"), 1)
        with pytest.raises(BadInputError, match="expected JSON"):
            watched.player.ask(Request(Kind.MOVE, b"[]"), 1)


async def test_a_session_of_a_closed_loop_plays_with_its_cursor_and_targets(tmp_path):
    result = spikeloop.closed_loop(
        ["kalman"], bundle="m1-sim", trials=3, calibration_s=10, task="grid", seeds=(4,), device="cpu"
    )
    result.save(tmp_path / "session.npz")
    file = read_replay(tmp_path / "session.npz")
    record = result.runs[0].record
    position = np.concatenate([block.position for block in record.blocks])
    assert file.position is not None
    np.testing.assert_allclose(file.position, position, atol=1e-5)
    assert [trial.outcome for trial in file.trials] == [trial.outcome for trial in record.trials]
    assert (file.cells, file.decoder, file.sessions) == (6, "kalman", ("0-4",))
    first = len(record.blocks[0].counts)
    async with Watched(file) as watched:
        watched.ask(speed=20, at_s=first * file.recording.bin_size_s)
        cursors: list[list[float]] = []
        run: dict[str, Any] = {"selections": 0}
        while run["selections"] < 3:
            message = await watched.next()
            if message.kind == Kind.CURSOR:
                cursors += np.frombuffer(message.body, "<f4", offset=24).reshape(-1, 2).tolist()
            if message.kind == Kind.GAME:
                run = message.document["run"]
    outcomes = [trial.outcome for trial in record.trials]
    assert run["latest"]["outcome"] == outcomes[-1]
    assert (run["score"]["correct"], run["score"]["incorrect"]) == (outcomes.count("success"), outcomes.count("wrong"))
    begin = next(place for place in range(first + 1) if np.allclose(position[place], cursors[0], atol=1e-5))
    assert begin in (0, first)


def test_an_absent_file_or_session_is_said(tmp_path):
    with pytest.raises(BadInputError, match="no recording named"):
        read_replay("absent")
    result = spikeloop.closed_loop(["oracle"], bundle="m1-sim", trials=1, seeds=(4,), device="cpu")
    result.save(tmp_path / "session.npz")
    with pytest.raises(BadInputError, match="expected a session of 0-4, found '9-9'"):
        read_replay(tmp_path / "session.npz", "9-9")


def test_a_file_that_refers_to_others_is_not_played(tmp_path):
    with h5py.File(tmp_path / "refers.nwb", "w") as file:
        file["processing/behavior"] = h5py.ExternalLink(str(tmp_path / "other.nwb"), "/")
    with pytest.raises(BadInputError, match="it refers to other files"):
        read_replay(tmp_path / "refers.nwb")


async def test_a_replay_that_fails_while_it_plays_says_why(file, monkeypatch):
    def fail(population: RecordedPopulation, bins: int) -> np.ndarray:
        raise OSError("\x1b[31mthe disk is gone")

    monkeypatch.setattr(RecordedPopulation, "next", fail)
    async with Watched(file) as watched:
        while "failure" not in (document := (await watched.state(lambda state: True))):
            pass
    assert document == {"failure": "?[31mthe disk is gone"}
