"""The page in a real browser: it shows what is streamed, bit for bit, and steers it."""

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import spikeloop
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.dashboard.replay import library
from spikeloop.streamer.dashboard.web import Dashboard
from spikeloop.streamer.stream.source import open_source
from tests.support.browser_pages import checksum, picture, until
from tests.support.tiny import tiny_stream_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHANNELS = (Condition("velocity x", "cm/s", -20.0, 20.0), Condition("velocity y", "cm/s", -20.0, 20.0))
UNITS, SEED = 12, 5
pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "driven"
    tiny_stream_bundle(path, UNITS, CHANNELS, bin_size_s=0.02)
    return path


@pytest.fixture(scope="module")
def served(path: Path) -> Iterator[Dashboard]:
    with spikeloop.web(path, name=f"test-the-page-{os.getpid()}", seed=SEED, port=0) as served:
        yield served


@pytest.fixture(scope="module")
def shown(served: Dashboard, shared_tab: "Page") -> "Page":
    """The page, once it shows spikes."""
    shared_tab.goto(served.url)
    until(shared_tab, "Number(document.querySelector('#checksum').dataset.bins) > 0")
    until(shared_tab, "document.querySelector('#order').value === 'direction'")  # the tuning was measured
    until(shared_tab, "!document.querySelector('#drive-legend').hidden")
    return shared_tab


def raster(page: "Page") -> str:
    return page.evaluate("document.querySelector('#raster').toDataURL()")


def test_the_raster_moves(shown: "Page"):
    before = raster(shown)
    until(shown, f"document.querySelector('#raster').toDataURL() !== {before!r}")


def test_the_view_freezes_while_the_stream_goes_on(shown: "Page"):
    shown.keyboard.press("f")
    until(shown, "document.querySelector('#freeze').ariaPressed === 'true'")
    _, bins, _ = checksum(shown)
    until(shown, f"Number(document.querySelector('#checksum').dataset.bins) > {bins + 10}")  # what came late is in
    frozen = raster(shown)
    until(shown, f"Number(document.querySelector('#checksum').dataset.bins) > {bins + 35}")
    assert raster(shown) == frozen
    shown.keyboard.press("f")
    until(shown, f"document.querySelector('#raster').toDataURL() !== {frozen!r}")


def test_dragging_drives_the_population_and_letting_go_lets_it_rest(shown: "Page", served: Dashboard):
    pad = shown.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    with seen_by_another(served, lambda values: values[0] < -10 and abs(values[1]) < 5):
        shown.mouse.move(x, y)
        shown.mouse.down()
        shown.mouse.move(x - 0.4 * box["width"], y, steps=4)
    with seen_by_another(served, lambda values: not values[:2].any()):
        shown.mouse.up()


def test_a_stimulus_a_gain_and_a_pause_are_marked_in_the_page(shown: "Page"):
    shown.locator("#raster").click(position={"x": 400, "y": 40})
    assert "unit" in shown.locator("#unit-name").inner_text()
    assert "Hz in the last 10 s" in shown.locator("#unit-rate").inner_text()
    shown.keyboard.press("s")
    until(shown, "document.querySelector('#events').innerText.includes('stimulus: unit')")
    shown.evaluate(
        "const gain = document.querySelector('#gain'); gain.value = 2; gain.dispatchEvent(new Event('input'))"
    )
    until(shown, "document.querySelector('#events').innerText.includes('gain ×2')")
    shown.locator("#gain-reset").click()
    shown.locator("#pause-stream").click()
    until(shown, "document.querySelector('#health-stream').innerText.includes('paused')")
    shown.locator("#pause-stream").click()
    until(shown, "document.querySelector('#health-stream').innerText.includes('live')")
    until(shown, "document.querySelector('#events').innerText.includes('resume')")


def click(page: "Page", x: float, y: float) -> None:
    """Click on a place of the raster, wherever that stands just now: what is above it may grow at any time."""
    page.evaluate(
        """([x, y]) => {
            const raster = document.querySelector('#raster');
            const { left, top } = raster.getBoundingClientRect();
            raster.dispatchEvent(new MouseEvent('click', { clientX: left + x, clientY: top + y, bubbles: true }));
        }""",
        [x, y],
    )


def test_units_are_ordered_as_asked_and_each_row_is_a_unit(shown: "Page"):
    until(shown, "Number(document.querySelector('#checksum').dataset.bins) > 200")
    shown.keyboard.press("f")  # a frozen view keeps its order
    box = shown.locator("#raster").bounding_box()
    assert box is not None
    height = box["height"] - 20 - 3 * 26 - 4  # without the axis and three conditions
    found = {}
    for order in ("sent", "rate", "direction", "component"):
        shown.locator("#order").select_option(order)
        assert "units" in shown.locator("#order-about").inner_text()
        found[order] = []
        for row in range(UNITS):
            click(shown, 400, (row + 0.5) * height / UNITS)
            found[order].append(shown.locator("#unit-name").inner_text())
        assert len(set(found[order])) == UNITS
    assert found["sent"] == [f"unit {unit}" for unit in range(UNITS)]
    shown.keyboard.press("f")


def test_the_page_fits_a_phone_in_light_and_dark(shown: "Page"):
    shown.set_viewport_size({"width": 380, "height": 800})
    themes = set()
    for _ in range(2):
        shown.locator("#theme").click()
        themes.add(theme := shown.evaluate("document.documentElement.dataset.theme"))
        picture(shown, f"phone-{theme}")
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert themes == {"dark", "light"}


def test_a_page_shows_the_streams_counts_bit_for_bit_and_fetches_nothing_from_elsewhere(
    tab: "Page", path: Path, stream_name: str
):
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    with spikeloop.web(path, name=stream_name, seed=SEED, port=0) as served:
        tab.goto(served.url)
        until(tab, "Number(document.querySelector('#checksum').dataset.bins) > 100")
        first, bins, value = checksum(tab)
    counts = open_source(spikeloop.load_bundle(path), SEED, "cpu").next(first + bins)[first:]
    assert int(value, 16) == zlib.crc32(counts.astype("<u2").tobytes())
    assert asked
    assert all(url.startswith((served.url, "data:")) for url in asked)


def test_a_page_finds_its_server_again_after_that_was_gone(tab: "Page", path: Path, stream_name: str):
    with spikeloop.web(path, name=stream_name, port=0) as first:
        port = int(first.url.split(":")[-1].strip("/"))
        tab.goto(first.url)
        until(tab, "Number(document.querySelector('#checksum').dataset.bins) > 0")
    until(tab, "document.querySelector('#connection').innerText.includes('connection lost')")
    assert "if you ended spikeloop web, start it again" in tab.locator("#offline").inner_text()
    with spikeloop.web(path, name=stream_name, port=port):
        until(tab, "document.querySelector('#connection').innerText.includes('connected again')")
        until(tab, "Number(document.querySelector('#checksum').dataset.bins) > 10")
        assert tab.locator("#offline").is_hidden()


def test_a_page_that_is_shown_out_says_why(tab: "Page", tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(library, "MOST_REPLAYS", 0)
    spikeloop.write_recording(spikeloop.Recording.from_counts(np.ones((50, 3), int), 0.02), tmp_path / "own.npz")
    with spikeloop.web(replay=tmp_path / "own.npz", port=0) as served:
        tab.goto(served.url)
        until(tab, "document.querySelector('#offline').innerText.includes('as many files play as may at once')")


HOSTILE = ("<script>document.title='owned'</script>", "<img src=x onerror=alert(1)>", "\u202egnp.exe", "\"'&amp;")


def test_names_are_shown_as_text(tab: "Page", tmp_path: Path, stream_name: str):
    bundle = tiny_stream_bundle(tmp_path / "tiny", len(HOSTILE), bin_size_s=0.02)
    named = replace(bundle, card=replace(bundle.card, unit_names=HOSTILE))
    with spikeloop.stream(named, stream_name), spikeloop.web(attach=stream_name, port=0) as page:
        tab.goto(page.url)
        until(tab, "Number(document.querySelector('#checksum').dataset.bins) > 0")
        tab.locator("#order").select_option("sent")
        names = []
        for _ in HOSTILE:
            tab.keyboard.press("ArrowDown")
            names.append(tab.locator("#unit-name").text_content())
        assert tab.title() == f"{stream_name} – spikeloop"
        assert tab.locator("#not-steerable").is_visible()
    assert names == [HOSTILE[0][:39] + "…" if len(HOSTILE[0]) > 40 else HOSTILE[0], HOSTILE[1], "?gnp.exe", HOSTILE[3]]


class seen_by_another:
    """Waits, at the end of the block, until another viewer is told that such values drive the stream."""

    def __init__(self, served: Dashboard, wanted: Callable[[np.ndarray], bool]) -> None:
        self.served, self.wanted = served, wanted

    def __enter__(self) -> None:
        from websockets.sync.client import connect

        self.socket = connect(self.served.url.replace("http", "ws") + "stream", max_size=None, compression=None)

    def __exit__(self, *error: object) -> None:
        from tests.support.web_pages import received

        with self.socket:
            while True:
                message = received(self.socket.recv(120))
                if message.kind == 3 and self.wanted(np.frombuffer(message.body, "<f4", offset=24).reshape(-1, 3)[-1]):
                    return
