import re
from base64 import b64encode
from hashlib import sha256

import pytest

from spikeloop.exporters.pages.shell import Markup, colour_of, details, figures, fill, item_list, page, section, table
from tests.support.html_outline import Outline

HARMFUL = '</title><script>alert(1)</script>"&\x1b[31m'


def outline(content: bytes) -> Outline:
    return Outline(content.decode())


def test_text_is_never_markup_wherever_it_stands():
    parts = (
        HARMFUL,
        fill("<p>{}</p>", HARMFUL),
        section(HARMFUL, HARMFUL),
        table([HARMFUL], [[HARMFUL]]),
        item_list([HARMFUL]),
        figures([(HARMFUL, HARMFUL)]),
        details(HARMFUL, HARMFUL),
        colour_of("off", HARMFUL),
        colour_of(HARMFUL),
    )
    made = outline(page(HARMFUL, *parts))
    assert "script" not in made.tags
    assert "\x1b" not in made.text
    assert made.text.count("<script>alert(1)</script>") == 2 + 13  # title and heading, and one for each text


def test_markup_stays_and_numbers_are_formatted():
    made = outline(page("title", Markup("<svg></svg>"), fill("<b>{:.2f} of {}</b>", 1 / 3, 7)))
    assert made.tags.count("svg") == 1
    assert "0.33 of 7" in made.texts


def test_what_is_empty_leaves_no_heading():
    made = outline(page("title", section("nothing", item_list([]), ""), item_list([])))
    assert "h2" not in made.tags
    assert "ul" not in made.tags


def test_a_page_has_one_stylesheet_for_light_and_dark_and_fetches_nothing():
    content = page("title", heading=fill("{} <small>more</small>", "own heading")).decode()
    assert content.startswith("<!doctype html>")
    assert content.count("<style>") == 1
    assert "prefers-color-scheme: dark" in content
    assert not Outline(content).links
    assert "own heading" in Outline(content).text


@pytest.mark.parametrize(("verdict", "name"), [("at the floor", "good"), ("near", "near"), ("far off", "far")])
def test_a_verdict_has_its_colour(verdict, name):
    assert colour_of(verdict, 2.5) == f'<span class="{name}">2.5</span>'
    assert colour_of("nothing to compare") == "nothing to compare"


def test_a_verdict_is_said_without_jargon():
    assert "within sampling error" in colour_of("at the floor")
    assert "floor" not in colour_of("at the floor")


def test_the_navigation_leads_to_every_section_even_of_one_name():
    sections = (section("Same", "a"), section("Same", "b"), section("Empty", ""), section("R² & <b>", "c"))
    made = outline(page("title", *sections))
    assert made.links == [f"#{anchor}" for anchor in made.anchors]
    assert len(set(made.anchors)) == 3


def test_only_the_script_of_the_page_may_run():
    made = page("title", script="let x = '</' + 'script>';").decode()
    digest = re.search(r"script-src 'sha256-([^']+)'", made)
    assert digest is not None
    assert digest[1] == b64encode(sha256(Outline(made).scripts[0].encode()).digest()).decode()
    assert "script-src 'none'" in page("title").decode()


def test_cells_of_a_table_know_their_heading():
    made = table(["decoder", "R²"], [["kalman", "0.5"]]).replace("\n", "")
    assert 'data-label="R²">0.5</td>' in made
