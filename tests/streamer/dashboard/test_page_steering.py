"""What a visitor does to a stream, and what the page then shows, in a real browser."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from websockets.sync.client import connect

import spikeloop
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.web import Dashboard
from spikeloop.streamer.stream.source import open_source
from tests.support.browser_pages import BEGUN, Messages, picture, until, values_of
from tests.support.web_pages import request

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNITS, SEED = 96, 7
WITHIN_FRAMES, ATTEMPTS = 2, 40
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def served() -> Iterator[Dashboard]:
    with spikeloop.web("m1-sim", name=f"test-steering-{os.getpid()}", seed=SEED, port=0) as served:
        yield served


@pytest.fixture(scope="module")
def messages(served: Dashboard, shared_tab: "Page") -> Messages:
    """Those of the page, which shows spikes."""
    messages = Messages(shared_tab, UNITS)
    shared_tab.goto(served.url)
    until(shared_tab, BEGUN)
    until(shared_tab, "document.querySelector('#order').value === 'direction'")
    until(shared_tab, "!document.querySelector('#drive-legend').hidden")
    return messages


@pytest.fixture
def shown(messages: Messages, shared_tab: "Page") -> "Page":
    return shared_tab


def text(page: "Page", selector: str) -> str:
    return page.evaluate(f"document.querySelector({selector!r}).textContent")


def test_every_control_has_a_name_and_can_be_reached_by_the_keyboard(shown: "Page"):
    nameless = shown.evaluate("""() => [...document.querySelectorAll('button, input, select, summary, [tabindex]')]
      .filter((one) => one.offsetParent !== null || one.closest('svg'))
      .filter((one) => one.tabIndex < 0 || !((one.ariaLabel ?? '') + one.textContent
        + [...(one.labels ?? [])].map((label) => label.textContent).join('')).trim())
      .map((one) => one.outerHTML)""")
    assert nameless == []


def test_steering_changes_the_spikes_within_two_frames(messages: Messages, shown: "Page"):
    """Counted in frames after the one that was on its way, so that a slow machine changes nothing; the best of some."""
    pad = shown.get_by_role("application", name="Drive the population")
    pad.focus()
    frames = []
    while not frames or min(frames) > WITHIN_FRAMES:
        assert len(frames) < ATTEMPTS, frames
        place = len(messages.all)
        shown.keyboard.down("ArrowLeft")
        asked = messages.until(Kind.CONDITION, after=place)
        driven = messages.until(Kind.CONDITIONS, lambda message: values_of(message)[-1, 0] < -10, after=asked)
        shown.keyboard.up("ArrowLeft")
        messages.until(Kind.CONDITIONS, lambda message: not values_of(message)[-1].any(), after=driven)
        begun = first_driven_bin(messages, asked)
        after = [message.block(UNITS) for message in messages.all[asked:] if message.kind == Kind.BINS]
        frames.append(1 + next(at for at, block in enumerate(after) if block.first_bin + len(block.counts) > begun))
    begun = first_driven_bin(messages, 0)
    given, known = driven_so_far(messages, begun)
    bundle = spikeloop.load_bundle("m1-sim")
    driven, rest = (open_source(bundle, SEED, "cpu").next(known, condition) for condition in (given, None))
    bins, counts = messages.counts()
    shown_bins = bins < known
    np.testing.assert_array_equal(counts[shown_bins], driven[bins[shown_bins]])
    changed = np.flatnonzero((driven != rest).any(axis=1))
    assert begun <= changed[0] <= begun + 3  # bins, which two frames have


def first_driven_bin(messages: Messages, after: int) -> int:
    """The first bin that a visitor drove, of the messages from this place on."""
    bins, values = messages.conditions(after)
    return int(bins[values[:, :2].any(axis=1)][0])


def driven_so_far(messages: Messages, begun: int) -> tuple[np.ndarray, int]:
    """What drove each bin, and how many bins that is known of; before a visitor did, nothing drove them."""
    bins, values = messages.conditions()
    bins, values = bins[bins >= begun], values[bins >= begun, :2]
    known = int((bins == begun + np.arange(len(bins))).cumprod().sum())
    return np.concatenate([np.zeros((begun, 2), np.float32), values[:known]]), begun + known


def test_ten_silenced_units_fall_silent_and_are_marked_in_the_raster(messages: Messages, shown: "Page"):
    shown.locator("#order").select_option("sent")
    shown.locator("#span").select_option("2")
    place = len(messages.all)
    shown.locator("#steer").get_by_role("button", name="Silence 10 units").click()
    silenced = messages.all[messages.until(Kind.MARKER, after=place)].document
    assert (silenced["event"], silenced["kind"], len(silenced["units"])) == ("perturb", "drop", 10)
    begun = round(silenced["bin"])
    messages.until(Kind.BINS, lambda message: message.block(UNITS).first_bin > begun + 130, after=place)
    until(shown, "document.querySelector('#events').textContent.includes('10 units silenced')")
    until(shown, f"document.querySelector('#perturb-drop + output').textContent === '10 of {UNITS}'")
    bins, counts = messages.counts()
    assert counts[bins < begun][:, silenced["units"]].any()
    assert not counts[bins >= begun][:, silenced["units"]].any()
    assert counts[bins >= begun].any()
    marked = {unit for unit in range(UNITS) if reddish(shown, unit)}
    assert set(silenced["units"]) <= marked
    assert len(marked) <= 12  # a row may reach into a pixel of the next one
    shown.locator("#span").select_option("10")
    picture(shown, "ten-units-silenced")


def reddish(page: "Page", unit: int) -> bool:
    """Whether the row of a unit, as sent, is marked at the right end of the raster."""
    return page.evaluate(f"""() => {{
      const canvas = document.querySelector('#raster');
      const ratio = devicePixelRatio;
      const lanes = Number(canvas.style.getPropertyValue('--lanes'));
      const height = Math.round(canvas.height - ratio * (20 + 26 * lanes + 4));
      const row = Math.floor(({unit} + 0.5) * height / {UNITS});
      const pixels = canvas.getContext('2d').getImageData(canvas.width - 40, row, 40, 1).data;
      let marked = 0;
      for (let at = 0; at < pixels.length; at += 4) marked += pixels[at + 3] > 0 && pixels[at] > pixels[at + 2] + 20;
      return marked > 20;
    }}""")


def test_a_page_that_comes_later_shows_what_goes_wrong_and_may_end_it(
    messages: Messages, shown: "Page", served: Dashboard, tab: "Page"
):
    shown.locator("#perturb-noise").fill("20")
    shown.locator("#perturb-latency").fill("60")
    tab.goto(served.url)
    until(tab, BEGUN)
    for kind, value in {"drop": f"10 of {UNITS}", "noise": "+20 Hz each", "latency": "+60 ms"}.items():
        until(tab, f"document.querySelector('#perturb-{kind} + output').textContent === {value!r}")
    place = len(messages.all)
    tab.get_by_role("button", name="All well again").click()
    until(tab, "document.querySelector('#all-well').disabled")
    ended = {}
    while len(ended) < 3:
        place = messages.until(Kind.MARKER, after=place) + 1
        ended[messages.all[place - 1].document["kind"]] = messages.all[place - 1].document["value"]
    assert ended == {"drop": 0, "noise": 0, "latency": 0}
    until(shown, f"document.querySelector('#perturb-drop + output').textContent === '0 of {UNITS}'")


def test_what_is_too_small_for_the_sliders_is_ended_too(messages: Messages, shown: "Page", served: Dashboard):
    with connect(served.url.replace("http", "ws") + "stream", compression=None) as other:
        other.send(request(Kind.PERTURB, {"kind": "noise", "value": 0.2}))
        until(shown, "!document.querySelector('#all-well').disabled")
    place = len(messages.all)
    shown.get_by_role("button", name="All well again").click()
    assert messages.all[messages.until(Kind.MARKER, after=place)].document["value"] == 0
    until(shown, "document.querySelector('#all-well').disabled")


def test_a_visitor_finds_the_busiest_unit_and_silences_it(messages: Messages, shown: "Page"):
    shown.get_by_role("button", name="Busiest unit").click()
    until(shown, "document.querySelector('#unit-rate').textContent.includes('number 1 of 96 by rate')")
    chosen = int(text(shown, "#unit-name").removeprefix("unit "))
    _, counts = messages.counts()
    recent = counts[-1000:].sum(axis=0)
    assert recent[chosen] >= 0.9 * recent.max()
    picture(shown, "busiest-unit")
    place = len(messages.all)
    shown.keyboard.press("l")
    assert messages.all[messages.until(Kind.MARKER, after=place)].document["units"] == [chosen]
    until(shown, "document.querySelector('#unit-silence').textContent === 'Let it fire again'")
    shown.locator("#unit-silence").click()
    until(shown, "document.querySelector('#events').textContent.startsWith('all units fire again')")


STICK = "([x, y]) => { navigator.getGamepads = () => [{ axes: [x, y], buttons: [] }]; }"


def test_a_gamepad_whose_stick_comes_to_rest_lets_go_once(messages: Messages, shown: "Page"):
    until(shown, "document.querySelector('#game').dataset.mode === 'ready'")
    shown.mouse.move(2, 2)  # no hand is in the field
    place = len(messages.all)
    shown.evaluate(STICK, [1, 0])
    place = messages.until(Kind.AIM, lambda message: message.document["velocity_cm_s"][0] > 0, after=place)
    shown.evaluate(STICK, [0, 0])
    place = messages.until(Kind.RELEASE, after=place)
    messages.until(Kind.CURSOR, after=messages.until(Kind.STATE, after=place))
    assert {message.kind for message in messages.all[place + 1 :]}.isdisjoint({Kind.AIM, Kind.RELEASE})
    shown.evaluate("() => { delete navigator.getGamepads; }")
