"""Every page that is written as a file, in a browser: legible in light and dark, on a screen and on a phone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser_pages import picture
from tests.support.html_outline import outline
from tests.support.needs import TESTS
from tests.support.report_pages import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, TABLET, PHONE = (1280, 900), (760, 1000), (390, 844)
LEAST_CONTRAST = 4.5  # WCAG 2.2, level AA
LOOK = (TESTS / "support" / "page_look.js").read_text("utf-8")
HEADINGS = {
    "evaluation": ["Deviations", "Answers to what drives it", "Rasters", "Units alone", "Units together",
                   "Population over a repeat", "Figures", "What the figures are"],
    "decoders": ["R² of every decoder", "True and decoded", "Figures", "What the figures are"],
    "importance": ["Windows", "Units", "Times and patterns", "What importance is"],
    "closed_loop": ["Paired differences", "Replay", "Trajectories", "Times", "Figures", "Latency of the loop",
                    "What the figures are"],
    "closed_loop_days": ["Day by day", "All days together", "The drift: units"],
    "monitor": ["Notices", "Alarms (1)", "Time course", "Statistics, beside a sample", "Importance"],
    "recording": ["A stretch of it", "Rates", "Conditions", "In the file", "Units"],
}  # fmt: skip
NEVER_MS = 120_000  # a busy machine takes long
NOTE_WHAT_IS_SAID = """() => {
  const line = document.querySelector('[data-said]');
  window.texts = [];
  new MutationObserver(() => texts.push(line.textContent)).observe(line, { childList: true });
}"""
MADE = {"spikeloop COMMAND --seed 7", "2026-01-02 03:04:05"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each page, made when it is first asked for."""

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            self[name] = PAGES[name](tmp_path_factory.mktemp(name))
            return self[name]

    return Made()


@pytest.fixture(scope="module", params=PAGES)
def shown(request: pytest.FixtureRequest, browser: "Browser", pages: dict[str, Path]) -> "Iterator[tuple[Page, Path]]":
    """A page in a tab, which asks no network for anything and logs no error."""
    path = pages[request.param]
    with browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}) as context:
        tab = context.new_page()
        said, asked = [], []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        yield tab, path
        assert not said
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("size", [DESK, TABLET, PHONE], ids=["desk", "tablet", "phone"])
def test_texts_of_pictures_are_whole_and_never_touch(shown: "tuple[Page, Path]", size: tuple[int, int]):
    tab, path = shown
    tab.set_viewport_size({"width": size[0], "height": size[1]})
    picture(tab, f"report-{path.stem}-{size[0]}")
    found = look(tab)
    assert found["axes"] > 3
    assert found["touching"] == []
    assert found["cut"] == []
    assert found["unlabelled"] == []
    assert found["sideways"] <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(shown: "tuple[Page, Path]", scheme: Any):
    tab, _ = shown
    tab.emulate_media(color_scheme=scheme)
    faint = [text for text in look(tab)["texts"] if text["contrast"] < LEAST_CONTRAST]
    assert faint == []
    assert (tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 21)") == (scheme == "dark")


def test_axes_say_what_they_show_in_which_unit(shown: "tuple[Page, Path]"):
    labels = set(look(shown[0])["labels"])
    for label in labels:
        if re.search(r"\btime\b|^lag|^interval", label):
            assert re.search(r"\((ms|s|min)\)", label), label
        if re.search(r"\brate\b|frequency", label):
            assert "Hz" in label, label


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_first_what_was_found_and_last_how_it_was_made(pages: dict[str, Path], name: str):
    page = outline(pages[name])
    at = [page.texts.index(heading) for heading in HEADINGS[name]]
    headings = [page.texts.index(heading, page.texts.index(HEADINGS[name][0]) + 1) for heading in HEADINGS[name][1:]]
    assert sorted(at) == at
    assert sorted(headings) == headings
    assert page.tags.count("h1") == 1
    named = [anchor for anchor in page.anchors if not re.fullmatch(r"\w*[0-9a-f]{10}", anchor)]  # those are of pictures
    assert len(set(named)) == len(named)
    assert {f"#{anchor}" for anchor in page.anchors} >= {link for link in page.links if re.fullmatch(r"#[a-z-]+", link)}
    assert page.tags.count("figure") >= 3 or name == "recording"
    if name not in ("recording", "closed_loop", "closed_loop_days"):
        assert set(page.texts) >= MADE


def test_trials_are_played_again_as_they_were_recorded(browser: "Browser", pages: dict[str, Path]):
    from playwright.sync_api import expect

    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(pages["closed_loop"].as_uri())
        document = tab.evaluate("JSON.parse(document.getElementById('replay-data').textContent)")
        oracle = document["decoders"][0]["trials"]
        assert [trial["outcome"] for trial in oracle] == ["success"] * 8
        tab.select_option("[data-decoder]", label="oracle")
        tab.select_option("[data-trial]", str(oracle[3]["index"]))
        tab.select_option("[data-speed]", "4")
        tab.evaluate(NOTE_WHAT_IS_SAID)
        tab.click("[data-play]")
        expect(tab.locator("[data-trial]")).not_to_have_value(str(oracle[3]["index"]), timeout=NEVER_MS)
        tab.click("[data-play]")
        outcome = f"oracle: success in {oracle[3]['acquired'] * document['bin_s']:.2f} s"
        said = tab.evaluate("texts")
        assert any(text.endswith(outcome) for text in said)
        assert len(said) > 3
        before = tab.input_value("[data-time]")
        assert tab.inner_text("[data-play]") == "Play"
        tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert tab.input_value("[data-time]") == before


def look(tab: "Page") -> dict[str, Any]:
    """What can be measured of a page as it is shown."""
    return tab.evaluate(LOOK)
