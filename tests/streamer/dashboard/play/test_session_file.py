"""A game as a session of a closed loop: its file holds what was played, and its spikes can be made again."""

import numpy as np
import pytest

import spikeloop
from spikeloop.streamer.closedloop.results.read_session import read_sessions
from spikeloop.streamer.dashboard.frames import Kind


async def saved(loop, suffix):
    loop.ask(Kind.SAVE, {"format": suffix})
    return (await loop.until(Kind.GAME, lambda state: bool(state["saved"]))).document["saved"][0]


async def test_the_score_of_a_saved_game_is_the_one_that_was_shown_and_its_spikes_are_proven(loop, bundle):
    await loop.ready()
    score = (await loop.play_game(decoder="wiener", length_s=12))["result"]["score"]
    path = await saved(loop, "npz")
    with np.load(path) as arrays:
        assert arrays["decoders"].tolist() == ["wiener"]
        outcomes = arrays["0-3/closed loop/outcome"].tolist()
        bins, size = len(arrays["0-3/closed loop/counts"]), float(arrays["bin_size_s"])
        choices = int(arrays["0-3/game/choices"])
        position, velocity = (arrays[f"0-3/closed loop/{name}"] for name in ("position", "velocity"))
        intended = arrays["0-3/closed loop/intended_velocity"]
    right, wrong = outcomes.count("success"), outcomes.count("wrong")
    assert (right, wrong) == (score["correct"], score["incorrect"])
    assert score["bits_per_s"] == pytest.approx(max(right - wrong, 0) * np.log2(choices - 1) / (bins * size))
    np.testing.assert_allclose(np.diff(position, axis=0), velocity[1:] * size, atol=1e-9)
    assert np.hypot(*intended.T).max() == pytest.approx(40, rel=1e-4)  # the fastest that the hand of this test asks for
    (stream,) = spikeloop.verify(path, bundle, "cpu").streams
    assert stream.agrees, stream.problems


async def test_the_spikes_of_a_game_in_which_something_went_wrong_are_proven(loop, bundle):
    await loop.ready()
    loop.perturb("drop", 0.2, act=1)
    await loop.play_game(decoder="wiener", length_s=2)
    loop.perturb("noise", 40, act=2)
    await loop.play_game(decoder="wiener", length_s=2)
    (stream,) = spikeloop.verify(loop.play_folder / await saved(loop, "npz"), bundle, "cpu").streams
    assert stream.agrees, stream.problems


async def test_a_game_is_saved_as_nwb_too_and_both_files_hold_the_same_session(loop):
    await loop.ready()
    await loop.play_game(decoder="wiener", length_s=6)
    paths = [await saved(loop, "npz")]
    loop.ask(Kind.SAVE, {"format": "nwb"})
    state = await loop.until(Kind.GAME, lambda state: len(state["saved"]) == 2)
    paths.append(state.document["saved"][1])
    (one,), (other,) = (read_sessions(loop.play_folder / path.split("/")[-1]) for path in paths)
    for name in ("counts", "position", "target", "intended_velocity"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-6, err_msg=name)
    assert one.unit_names == other.unit_names
    assert [trial.outcome for trial in one.trials] == [trial.outcome for trial in other.trials]
    assert one.trials[0].target == pytest.approx(other.trials[0].target)


async def test_a_comparison_is_one_file_of_two_sessions(loop, bundle):
    for decoder in ("chance", "wiener"):
        await loop.ready(decoder)
    loop.ask(Kind.BEGIN, {"task": "random", "length_s": 3, "seed": 3, "compare": ["wiener", "chance"]})
    await loop.play_on()
    loop.ask(Kind.BEGIN, {"next": True})
    await loop.play_on()
    path = await saved(loop, "npz")
    sessions = read_sessions(loop.play_folder / path.split("/")[-1])
    assert {session.decoder for session in sessions} == {"wiener", "chance"}
    assert all(stream.agrees for stream in spikeloop.verify(path, bundle, "cpu").streams)
