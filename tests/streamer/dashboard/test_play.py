"""The loop that a visitor closes, without a browser and without a stream: its parts pass bins to each other."""

import asyncio
import json
from itertools import pairwise

import numpy as np
import pytest

import spikeloop
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play import DECODERS, EXTENT_CM, Play, calibration_velocity
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.stream.source import open_source
from tests.support.tiny import tiny_bundle
from tests.support.web_pages import received


class Loop:
    """A population that a visitor drives, bin by bin, and the page that looks on; on the event loop."""

    def __init__(self):
        self.hub = Hub()
        self.hub.open(asyncio.get_running_loop())
        self.page = self.hub.enter()
        self.bundle = spikeloop.load_bundle("m1-sim")
        self.conditions = np.zeros(2)
        self.play = Play(self.bundle, self.hub, self.drive)
        self.source = open_source(self.bundle, 1, "cpu")
        self.bin = 0

    def drive(self, values):
        self.conditions = values

    async def until(self, wanted):
        while True:
            message = received(await self.page.next())
            if wanted(message):
                return message

    async def ready(self, decoder):
        self.play.choose(json.dumps({"decoder": decoder}).encode())
        return await self.until(lambda message: message.kind == Kind.GAME and message.document["state"] == "ready")

    async def step(self, velocity):
        """Intend a velocity for a bin; where the cursor then is."""
        self.play.aim(json.dumps({"velocity_cm_s": list(map(float, velocity))}).encode())
        counts = self.source.next(1, self.conditions[np.newaxis].astype(np.float32))
        self.play.decode(self.bin, Segment(counts, np.array([self.bin * 0.02]), True))
        self.bin += 1
        message = await self.until(lambda message: message.kind == Kind.CURSOR)
        return np.frombuffer(message.body, "<f4", offset=24)


@pytest.mark.parametrize("decoder", [name for name in DECODERS if name != "chance"])
async def test_a_visitor_who_aims_at_targets_gets_there(decoder):
    loop = Loop()
    assert (await loop.ready(decoder)).document["decoder"] == decoder
    cursor = np.zeros(2)
    for target in ([8.0, 0.0], [-6.0, 6.0], [0.0, -8.0]):
        for _ in range(400):
            cursor = await loop.step(3 * (np.array(target) - cursor))
            if np.hypot(*(cursor - target)) < 1.5:
                break
        else:
            pytest.fail(f"the cursor is at {cursor}, not at {target}")
    loop.play.close()


async def test_a_cursor_at_which_nobody_aims_stands_still():
    loop = Loop()
    await loop.ready("kalman")
    await loop.step([20.0, 0.0])
    counts = loop.source.next(500)
    loop.play.decode(1, Segment(counts, np.linspace(0.0, 10.0, 500), True))
    message = await loop.until(lambda message: message.kind == Kind.CURSOR)
    track = np.frombuffer(message.body, "<f4", offset=24).reshape(-1, 2)
    assert np.abs(track[-200:] - track[-1]).max() < 0.01
    loop.play.close()


async def test_units_that_are_lost_still_fire_and_the_decoder_goes_without(monkeypatch):
    loop = Loop()
    await loop.ready("kalman")
    lost = loop.play.lose(b'{"units": 10}')
    assert len(set(lost)) == 10
    assert loop.play.lose(b'{"units": 10}') == lost
    await loop.step([20.0, 0.0])
    assert loop.play.lose(b'{"units": 0}') == []
    with pytest.raises(BadInputError, match="units: expected a whole number from 0 to 96, found 97"):
        loop.play.lose(b'{"units": 97}')
    loop.play.close()


async def test_the_cursor_stays_in_the_workspace_and_returns_to_the_centre():
    loop = Loop()
    await loop.ready("kalman")
    track = np.array([await loop.step([1000.0, 0.0]) for _ in range(150)])
    assert np.abs(track).max() <= EXTENT_CM / 2
    assert track[-1, 0] > 6
    loop.play.centre()
    assert np.abs(await loop.step([0.0, 0.0])).max() < 3
    loop.play.close()


@pytest.mark.parametrize(
    ("act", "payload", "message"),
    [
        ("choose", b'{"decoder": "python:evil.py:Decoder"}', "decoder: expected kalman, wiener"),
        ("choose", b"{}", "expected JSON with decoder"),
        ("choose", b"nonsense", "expected JSON with decoder"),
        ("aim", b'{"velocity_cm_s": [1]}', "velocity_cm_s: expected two numbers"),
        ("aim", b'{"velocity_cm_s": ["a", 2]}', "velocity_cm_s: expected two numbers"),
        ("aim", b'{"velocity_cm_s": [NaN, 2]}', "velocity_cm_s: expected two numbers"),
        ("aim", b"[" * 100_000, "expected JSON with velocity_cm_s"),
    ],
)
async def test_what_is_no_request_is_refused(act, payload, message):
    loop = Loop()
    with pytest.raises(BadInputError, match=message):
        getattr(loop.play, act)(payload)


def test_a_model_that_no_velocity_drives_can_not_be_played(tmp_path):
    with pytest.raises(BadInputError, match="velocity x"):
        Play(tiny_bundle(tmp_path / "tiny", units=4), Hub(), lambda values: None)


def test_a_calibration_goes_everywhere_and_never_repeats():
    velocity = calibration_velocity(5000, 0.02)
    assert np.abs(velocity.mean(axis=0)).max() < 1
    assert abs(np.corrcoef(velocity[:, 0], velocity[:, 1])[0, 1]) < 0.1
    quarters = {tuple(signs) for signs in np.sign(velocity)}
    assert len(quarters) >= 4
    assert all(not np.array_equal(one, other) for one, other in pairwise(np.split(velocity, 10)))
