"""The loop that a visitor closes: decoders, cursor, games and calibration."""

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.frames import Kind, Request
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.decoders import offered_decoders
from spikeloop.streamer.dashboard.play.play import Play
from spikeloop.streamer.dashboard.play.setup import EXTENT_CM
from spikeloop.streamer.dashboard.play.ties import Ties
from tests.support.played import PLAYER, PlayedLoop
from tests.support.tiny import tiny_bundle

OTHER = 2


async def test_the_decoders_are_those_of_the_register_that_need_nothing_but_spikes(loop):
    assert list(offered_decoders()) == ["wiener", "kalman", "ridge", "population_vector", "chance"]
    assert list(offered_decoders(["ridge:3"]))[-1] == "ridge:3"
    with pytest.raises(BadInputError, match="--decoder oracle: needs a session"):
        offered_decoders(["oracle"])


async def test_each_decoder_gets_to_targets_but_chance(loop):
    reached = {}
    for decoder in offered_decoders():
        await loop.ready(decoder)
        state = await loop.play_game(task="center-out", decoder=decoder, length_s=8)
        reached[decoder] = state["result"]["score"]["correct"]
    assert reached.pop("chance") < min(reached.values())
    assert min(reached.values()) >= 2


@pytest.mark.parametrize(("select", "least"), [("dwell", 2.0), ("click", 2.0)])
async def test_webgrid_reaches_two_bits_a_second_by_dwelling_and_by_clicks(loop, select, least):
    await loop.ready()
    state = await loop.play_game(clicks=select == "click", select=select, decoder="wiener", length_s=16)
    score = state["result"]["score"]
    assert score["bits_per_s"] >= least
    net = max(score["correct"] - score["incorrect"], 0)
    assert score["bits_per_s"] == pytest.approx(net * np.log2(35) / 16)
    assert [outcome for _, outcome in state["result"]["course"]].count("success") == score["correct"]


async def test_the_same_seed_gives_the_same_targets(loop):
    await loop.ready()
    shown = []
    for seed in (7, 7, 8):
        loop.ask(Kind.BEGIN, {"task": "random", "decoder": "wiener", "length_s": 5, "seed": seed})
        while loop.target is None:
            loop.step()
        shown.append(loop.target)
        loop.ask(Kind.STOP)
    assert shown[0] == shown[1] != shown[2]


async def test_a_decoder_is_changed_while_playing_and_the_game_names_both(loop):
    await loop.ready("kalman")
    await loop.ready("wiener")
    loop.ask(Kind.BEGIN, {"task": "random", "decoder": "kalman", "length_s": 1, "seed": 7})
    loop.step()
    loop.ask(Kind.PLAY, {"decoder": "wiener"})
    state = await loop.play_on()
    assert state["result"]["decoder"] == "kalman+wiener"


async def test_a_visitor_who_follows_the_cursor_calibrates_all_decoders(loop):
    await loop.ready()
    loop.ask(Kind.FOLLOW, {"length_s": 40, "decoder": "wiener"})
    for kind, asked in (
        (Kind.BEGIN, GAME),
        (Kind.PLAY, {"decoder": "kalman"}),
        (Kind.FOLLOW, {"length_s": 9, "decoder": "kalman"}),
    ):
        with pytest.raises(BadInputError, match="a calibration is under way"):
            loop.ask(kind, asked)
    before = np.zeros(2)
    while loop.play.player is not None:
        loop.step()
        now = loop.cursor
        loop.aim((now - before) / loop.size)
        before = now
    state = await loop.game(state="ready", decoder="wiener")
    assert state["calibration"] == "followed"
    state = await loop.play_game(task="center-out", decoder="wiener", length_s=8)
    assert state["result"]["score"]["correct"] >= 2


async def test_two_decoders_are_compared_blind_with_the_same_targets(loop):
    for decoder in ("chance", "wiener"):
        await loop.ready(decoder)
    begun = {"task": "webgrid", "cells": 6, "length_s": 8, "seed": 5, "compare": ["wiener", "chance"]}
    loop.ask(Kind.BEGIN, begun)
    state = await loop.play_on()
    assert (state["blind"], state["decoder"], state["result"]["decoder"]) == (
        {"stage": "between", "label": "B"}, "", "",
    )  # fmt: skip
    with pytest.raises(BadInputError, match="a blind comparison is under way"):
        loop.ask(Kind.PLAY, {"decoder": "kalman"})
    loop.ask(Kind.BEGIN, {"next": True})
    blind = (await loop.play_on())["blind"]
    scores = {one["decoder"]: one["score"] for one in blind["results"]}
    assert [one["label"] for one in blind["results"]] == ["A", "B"]
    assert scores["wiener"]["correct"] > scores["chance"]["correct"]
    first, second = (one["score"]["bits_per_s"] for one in blind["results"])
    assert blind["difference"]["bits_per_s"] == pytest.approx(first - second)
    low, high = (blind["difference"]["time_s"][bound] for bound in ("low", "high"))
    assert low <= blind["difference"]["time_s"]["value"] <= high


async def test_another_page_watches_while_one_plays(loop):
    await loop.ready()
    loop.ask(Kind.BEGIN, {"task": "random", "decoder": "wiener", "length_s": 60, "seed": 7})
    loop.step()
    driving = loop.driving[-1]
    loop.ask(Kind.AIM, {"velocity_cm_s": [9.0, 9.0]}, OTHER)
    assert loop.driving[-1] is driving
    for kind, asked in (
        (Kind.STOP, {}),
        (Kind.BEGIN, {"next": True}),
        (Kind.PLAY, {"decoder": "kalman"}),
        (Kind.HIDE, {"units": 96}),
    ):
        with pytest.raises(BadInputError, match="another page plays"):
            loop.ask(kind, asked, OTHER)
    loop.play.leave(OTHER)
    assert loop.play.player == PLAYER
    loop.play.leave(PLAYER)
    assert loop.play.player is None


async def test_a_cursor_at_which_nobody_aims_stands_still(loop):
    await loop.ready()
    loop.aim([20.0, 0.0])
    places = [loop.step() for _ in range(80)]
    assert np.ptp(places[-20:], axis=0).max() == 0
    assert np.abs(places[30]).max() > 1


async def test_hidden_units_still_fire_and_the_decoder_goes_without(loop):
    for units, expected in ((10, 10), (0, 0)):
        loop.ask(Kind.HIDE, {"units": units})
        event, details = loop.marks[-1]
        assert (event, len(set(details["units"]))) == ("hidden units", expected)
    with pytest.raises(BadInputError, match="units: expected a whole number from 0 to 96, found 97"):
        loop.ask(Kind.HIDE, {"units": 97})


async def test_the_cursor_stays_in_the_workspace_and_returns_to_the_centre(loop):
    await loop.ready()
    places = []
    for _ in range(150):
        loop.aim([1000.0, 0.0])
        places.append(loop.step())
    assert np.abs(places).max() <= EXTENT_CM / 2
    assert places[-1][0] > 6
    loop.ask(Kind.CENTRE)
    assert np.abs(loop.cursor).max() == 0


GAME = {"task": "webgrid", "decoder": "wiener", "length_s": 5, "seed": 1}


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        (Kind.PLAY, {"decoder": "python:evil.py:Decoder"}, "decoder: expected wiener, kalman"),
        (Kind.PLAY, {}, "expected JSON with decoder"),
        (Kind.AIM, {"velocity_cm_s": [1]}, "velocity_cm_s: expected two numbers"),
        (Kind.AIM, {"velocity_cm_s": ["a", 2]}, "velocity_cm_s: expected two numbers"),
        (Kind.AIM, {"velocity_cm_s": [float("nan"), 2]}, "velocity_cm_s: expected two numbers"),
        (Kind.BEGIN, GAME | {"task": "chess"}, "task: expected center-out, random, grid, webgrid"),
        (Kind.BEGIN, GAME | {"cells": 10**9}, "cells: expected a whole number from 2 to 60"),
        (Kind.BEGIN, GAME | {"length_s": 1e9}, "length_s: expected 1 to 3600 s"),
        (Kind.BEGIN, GAME | {"seed": -1}, "seed: expected a whole number"),
        (Kind.BEGIN, GAME | {"select": "wish"}, "select: expected click or dwell"),
        (Kind.BEGIN, GAME | {"compare": ["wiener", "wiener"]}, "compare: expected two different decoders"),
        (Kind.BEGIN, GAME | {"compare": 3}, "compare: expected two different decoders"),
        (Kind.BEGIN, {"next": True}, "no second game waits"),
        (Kind.FOLLOW, {"length_s": 0, "decoder": "wiener"}, "length_s: expected 5 to 600 s"),
        (Kind.SAVE, {"format": "exe"}, "format: expected npz or nwb"),
        (Kind.SAVE, {"format": "npz"}, "no game is over that could be saved"),
        (Kind.SHOWN, {"samples": [[1, 2]]}, "samples: expected lists of four numbers"),
    ],
)
async def test_what_is_no_request_is_refused(loop, kind, asked, message):
    with pytest.raises(BadInputError, match=message):
        loop.ask(kind, asked)


async def test_a_request_that_is_no_json_is_refused(loop):
    for payload in (b"nonsense", b"[" * 100_000, b"3"):
        with pytest.raises(BadInputError, match="expected JSON with velocity_cm_s"):
            loop.requests.ask(Request(Kind.AIM, payload), PLAYER)


def test_a_model_that_no_velocity_drives_can_not_be_played(tmp_path):
    ties = Ties(lambda values: None, lambda *what, **more: None, lambda: None, lambda: 0.0)
    with pytest.raises(BadInputError, match="velocity x"):
        Play(tiny_bundle(tmp_path / "tiny", units=4), Hub(), ties, tmp_path)


FAILING = """
class Failing:
    def fit(self, counts, kinematics): self.left = 3
    def step(self, counts):
        self.left -= 1
        if self.left < 0: raise ValueError("its model is gone")
        return [0.0, 0.0]
"""


async def test_a_decoder_that_fails_ends_its_game_and_the_page_goes_on(bundle, calibration, tmp_path):
    (tmp_path / "own.py").write_text(FAILING)
    name = f"python:{tmp_path / 'own.py'}:Failing"
    loop = PlayedLoop(bundle, tmp_path, calibration, decoders=(name,))
    await loop.ready(name)
    loop.ask(Kind.BEGIN, {"task": "random", "decoder": name, "length_s": 60, "seed": 7})
    for _ in range(5):
        loop.step()
    state = await loop.game(state="failed", run=None)
    assert "its model is gone" in state["why"]
    assert loop.play.player is None
    await loop.ready("wiener")
    loop.play.close()


async def test_a_page_that_leaves_before_its_decoder_is_ready_does_not_keep_others_out(loop):
    loop.ask(Kind.BEGIN, GAME)
    loop.play.leave(PLAYER)
    await loop.game(state="ready")
    assert loop.play.player is None
    loop.ask(Kind.BEGIN, GAME, OTHER)
    assert loop.play.player == OTHER
