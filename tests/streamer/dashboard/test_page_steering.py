"""What a visitor does to a stream, and what the page then shows, in a real browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

import spikeloop
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.web import Dashboard
from spikeloop.streamer.stream.source import open_source
from tests.support.browser_pages import BEGUN, Messages, picture, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNITS, SEED = 96, 7
WITHIN_FRAMES, ATTEMPTS = 2, 40
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def served() -> Iterator[Dashboard]:
    with spikeloop.web("m1-sim", name="test-steering", seed=SEED, port=0) as served:
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
        driven = messages.until(Kind.CONDITIONS, lambda message: (values_at_end(message) < -10).any(), after=asked)
        shown.keyboard.up("ArrowLeft")
        messages.until(Kind.CONDITIONS, lambda message: not values_at_end(message).any(), after=driven)
        begun = first_driven_bin(messages, asked)
        after = [message.block(UNITS) for message in messages.all[asked:] if message.kind == Kind.BINS]
        frames.append(next(number for number, block in enumerate(after) if block.first_bin + len(block.counts) > begun))
    first, counts = messages.counts()
    driven_from, conditions = messages.conditions()
    bins = min(first + len(counts), driven_from + len(conditions))
    given = np.zeros((bins, 2), np.float32)
    given[driven_from:] = conditions[: bins - driven_from, :2]
    bundle = spikeloop.load_bundle("m1-sim")
    np.testing.assert_array_equal(counts[: bins - first], open_source(bundle, SEED, "cpu").next(bins, given)[first:])
    rest = open_source(bundle, SEED, "cpu").next(bins)
    begin = first_driven_bin(messages, 0)
    changed = np.flatnonzero((counts[begin - first : bins - first] != rest[begin:]).any(axis=1))
    assert changed[0] <= 3  # bins, which are two frames


def values_at_end(message) -> np.ndarray:
    return np.frombuffer(message.body, "<f4", offset=24)[-3:-1]


def first_driven_bin(messages: Messages, after: int) -> int:
    """The first bin that something drove, of the messages from this place on."""
    for message in messages.all[after:]:
        if message.kind == Kind.CONDITIONS:
            values = np.frombuffer(message.body, "<f4", offset=24).reshape(-1, 3)[:, :2].any(axis=1)
            if values.any():
                return int(np.frombuffer(message.body, "<f8", 1)[0]) + int(values.argmax())
    raise AssertionError("nothing drove the stream")


def test_ten_units_that_are_lost_fall_silent_and_are_marked_in_the_raster(messages: Messages, shown: "Page"):
    shown.locator("#order").select_option("sent")
    place = len(messages.all)
    shown.locator("#steer").get_by_role("button", name="Lose 10 units").click()
    lost = messages.all[messages.until(Kind.MARKER, after=place)].document
    assert (lost["event"], lost["kind"], len(lost["units"])) == ("perturb", "drop", 10)
    begun = round(lost["bin"])
    until(shown, f"Number(document.querySelector('#checksum').dataset.bins) > {begun + 60}")
    until(shown, "document.querySelector('#events').textContent.includes('10 units lost')")
    assert text(shown, "#perturb-drop + output") == f"10 of {UNITS}"
    first, counts = messages.counts()
    assert counts[begun - 50 - first : begun - first, lost["units"]].any()
    assert not counts[begun - first :, lost["units"]].any()
    assert counts[begun - first :].any()
    assert [unit for unit in range(UNITS) if reddish(shown, unit)] == lost["units"]
    picture(shown, "ten-units-lost")


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


def test_a_visitor_finds_the_busiest_unit_and_loses_it(messages: Messages, shown: "Page"):
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
    until(shown, "document.querySelector('#unit-lose').textContent === 'Get it back'")
    shown.locator("#unit-lose").click()
    until(shown, "document.querySelector('#events').textContent.startsWith('all units back')")
