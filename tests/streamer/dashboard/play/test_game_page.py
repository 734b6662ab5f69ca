"""Games in a real browser: a scripted mouse plays, the game is saved, and the saved session plays in the page."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import spikeloop
from spikeloop.streamer.dashboard.web import Dashboard
from tests.support.browser_pages import play, score, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Dashboard]":
    folder = tmp_path_factory.mktemp("games") / "sessions"
    with spikeloop.web("m1-sim", name=f"test-the-game-{os.getpid()}", port=0, save_to=folder) as served:
        yield served


@pytest.fixture(scope="module")
def ready(served: Dashboard, shared_tab: "Page") -> "Page":
    """The page, once a decoder is ready; nobody had to ask for it."""
    shared_tab.goto(served.url)
    until(shared_tab, "document.querySelector('#game').dataset.mode === 'ready'")
    return shared_tab


def played(page: "Page", select: str) -> dict[str, str]:
    """The score of a game."""
    page.goto(page.url.split("?")[0])
    until(page, "document.querySelector('#game').dataset.mode === 'ready'")
    for choice, value in {"#task": "webgrid", "#cells": "6", "#select": select, "#length": "10"}.items():
        page.locator(choice).select_option(value)
    return play(page)


def save(page: "Page") -> None:
    """Save the game that is over."""
    saved = page.locator("#saved li").count()
    button = "document.querySelector('#save-npz')"
    assert page.evaluate(f"{button}.click(), {button}.textContent + {button}.disabled") == "Saving …true"
    until(page, f"document.querySelector('#saved').children.length > {saved}")
    assert page.locator("#save-npz").inner_text() == "Save this game"


def test_a_page_that_looks_on_is_told_that_another_one_plays(ready: "Page", served: Dashboard, tab: "Page"):
    tab.goto(served.url)
    until(tab, "document.querySelector('#game').dataset.mode === 'ready'")
    for button, state in (("#play", "playing"), ("#follow", "following")):
        ready.evaluate(f"document.querySelector({button!r}).click()")
        for page in (ready, tab):
            until(page, f"document.querySelector('#game').dataset.mode === {state!r}")
        assert "Another page" in tab.locator("#game-state").inner_text()
        assert tab.locator("#play").is_disabled()
        assert "Another page" not in ready.locator("#game-state").inner_text()
        ready.locator("#play").click()
        for page in (ready, tab):
            until(page, "document.querySelector('#game').dataset.mode === 'ready'")
            assert page.locator("#play").is_enabled()


def test_a_game_is_ones_own_also_where_its_button_was_pressed_twice(ready: "Page"):
    ready.evaluate("document.querySelector('#play').click(); document.querySelector('#play').click();")
    until(ready, "document.querySelector('#game').dataset.mode === 'playing'")
    assert "follows your hand" in ready.locator("#game-state").inner_text()
    ready.locator("#play").click()
    until(ready, "document.querySelector('#game').dataset.mode === 'ready'")


def test_a_game_of_a_stream_that_is_paused_says_so(ready: "Page"):
    for state in ("paused", "follows your hand"):
        ready.evaluate("document.querySelector('#pause-stream').click()")
        ready.evaluate(
            "document.querySelector('#play').textContent === 'Play' && document.querySelector('#play').click()"
        )
        until(ready, f"document.querySelector('#game-state').innerText.includes({state!r})")
    ready.locator("#play").click()
    until(ready, "document.querySelector('#game').dataset.mode === 'ready'")


@pytest.mark.parametrize("select", ["click", "dwell"])
def test_a_scripted_mouse_plays_webgrid_and_its_score_is_that_of_the_saved_session(ready: "Page", select: str):
    shown = played(ready, select)
    save(ready)
    path = Path(ready.locator("#saved bdi").last.text_content() or "")
    with np.load(path) as arrays:
        name = f"0-{shown['seed']}"
        outcomes = arrays[f"{name}/closed loop/outcome"].tolist()
        seconds = len(arrays[f"{name}/closed loop/counts"]) * float(arrays["bin_size_s"])
    right, wrong = outcomes.count("success"), outcomes.count("wrong")
    assert (int(shown["correct"]), int(shown["incorrect"])) == (right, wrong)
    assert float(shown["bps"]) == pytest.approx(max(0, right - wrong) * np.log2(35) / seconds)
    assert seconds == 10.0


def test_latency_is_shown_by_stage(ready: "Page"):
    box = ready.locator("#game").bounding_box()
    assert box is not None
    places = itertools.count()
    while int(ready.evaluate("document.querySelector('#latency').dataset.samples ?? 0")) < 5:
        place = next(places)
        ready.mouse.move(box["x"] + 20 + place % 200, box["y"] + 50 + place % 100)
    ready.locator("#latency-details").evaluate("details => { details.open = true; }")
    table = ready.locator("#latency").inner_text()
    for stage in ("hand", "population", "decoder", "network", "screen", "total"):
        assert stage in table
    assert "NaN" not in table


def test_a_saved_session_plays_in_the_page_with_seek_and_speed(ready: "Page", served: Dashboard):
    if not ready.locator("#saved a.watch").count():
        played(ready, "click")
        save(ready)
    at_the_end = score(ready)["correct"], score(ready)["incorrect"]  # of the game that was saved last
    ready.locator("#saved a.watch").last.click()
    until(ready, "Number(document.querySelector('#replay').dataset.at) > 0.5")
    ready.locator("#replay-pause").click()
    until(ready, "document.querySelector('#replay').dataset.paused === 'true'")
    seek(ready, 6)
    until(ready, "document.querySelector('#replay').dataset.at === '6'")
    assert ready.evaluate("document.querySelector('#replay').dataset.paused") == "true"
    ready.locator("#replay-speed").select_option("16")
    ready.locator("#replay-pause").click()
    until(ready, "document.querySelector('#replay').dataset.at === '10'")
    until(ready, "document.querySelector('#replay-pause').innerText.includes('Again')")
    assert "right" in ready.locator("#score").inner_text()
    assert "left" not in ready.locator("#score").inner_text()
    assert ready.locator("#play-title").inner_text() == "The cursor, and what it was to reach"
    assert (score(ready)["correct"], score(ready)["incorrect"]) == at_the_end
    ready.locator("#back-to-stream").click()
    until(ready, "document.querySelector('#game').dataset.mode === 'ready'")


def seek(page: "Page", at_s: float) -> None:
    page.evaluate(
        "at => { const time = document.querySelector('#replay-time'); time.value = at;"
        " for (const kind of ['input', 'change']) time.dispatchEvent(new Event(kind)); }",
        at_s,
    )


def test_a_recording_is_opened_in_the_page_and_what_is_none_is_refused(ready: "Page", tmp_path: Path):
    counts = np.random.default_rng(0).poisson(0.3, (200, 7))
    recording = spikeloop.Recording.from_counts(counts, 0.02, name="own")
    spikeloop.write_recording(recording, tmp_path / "own file.npz")
    (tmp_path / "picture.jpeg").write_text("nothing")
    ready.locator("#open-replays summary").click()
    ready.locator("#open-file").set_input_files(tmp_path / "picture.jpeg")
    until(ready, "document.querySelector('#open-said').innerText.includes('no known format')")
    ready.locator("#open-file").set_input_files(tmp_path / "own file.npz")
    until(ready, "document.querySelector('#stream-name').innerText === 'own-file.npz'")
    until(ready, "Number(document.querySelector('#checksum').dataset.bins) > 10")
    assert ready.locator("#play-panel").is_hidden()
    assert ready.locator("#steer").is_hidden()
