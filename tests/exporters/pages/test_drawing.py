"""Pictures of pages: colours of the stylesheet, texts as they are, ticks that tell numbers apart."""

import re
import sys

import numpy as np
import pytest

from spikeloop.exporters.pages.drawing import MODEL, draw, draw_wide
from spikeloop.exporters.pages.plots import bars, log_axis, scatter, thinned
from spikeloop.exporters.pages.shell import static_file
from spikeloop.models.errors import FailureError
from tests.support.html_outline import Outline

NAMES = ["#1c2126", "font-family: x; y", "<script>", "$x_1$ & 0.123456", "a\x1b[31mb"]


def texts(svg: str) -> list[str]:
    return [text for text in Outline(f"<div>{svg}</div>").texts if text.strip()]


def test_names_stay_as_they_are_but_for_what_moves_a_cursor():
    shown = texts(draw(lambda axis: bars(axis, NAMES, np.ones(5), MODEL)))
    assert shown[-5:] == [*NAMES[:-1], "a?[31mb"]


def test_every_colour_is_one_of_the_stylesheet():
    svg = draw(lambda axis: scatter(axis, np.arange(5.0), np.arange(5.0), ("recording", "model"), "Hz"))
    named = set(re.findall(r"var\(--(\w+)\)", svg))
    assert {"line", "ink", "faint", "grid"} <= named
    assert not re.findall(r"#[0-9a-f]{6}\b", re.sub(r"<(?:use|path)[^>]*clip-path=[^>]*>", "", svg))
    assert all(f"--{name}: " in static_file("spikeloop.exporters.pages", "page.css") for name in named)


def test_the_same_picture_is_the_same_text():
    one, other = (draw_wide(lambda width: draw(lambda axis: axis.plot([0, 1]), width)) for _ in range(2))
    assert one == other


def test_small_numbers_are_told_in_powers_of_ten_of_their_unit():
    values = np.array([0.0, 0.0004, 0.0008])
    shown = texts(draw(lambda axis: scatter(axis, values, values, ("recording", "model"), "spikes²")))
    assert "recording (10⁻⁶ spikes²)" in shown
    numbers = [text for text in shown if re.fullmatch(r"[\d.]+", text)]
    assert len(set(numbers)) * 2 == len(numbers) > 4  # both axes have the same


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1e-5, 1.0, ["10⁻⁵", "10⁻³", "0.1"]), (3.0, 20.0, ["5", "10", "20"]), (0.02, 0.07, ["0.02", "0.05"])],
)
def test_logarithmic_axes_have_plain_ticks_however_little_they_span(low, high, expected):
    def paint(axis):
        axis.plot([0, 1], [low, high])
        log_axis(axis.yaxis, low, high)

    assert set(expected) <= set(texts(draw(paint)))


def test_a_scatter_of_many_points_says_how_many_it_shows():
    values = np.random.default_rng(0).normal(size=19_600)
    assert thinned(len(values)) == "1,400 of 19,600, evenly chosen."
    assert thinned(1500) == ""
    svg = draw(lambda axis: scatter(axis, values, values, ("a", "b")))
    assert max(path.count("M ") for path in re.findall(r'<path d="([^"]*)"', svg)) == 1400


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(FailureError, match="pip install"):
        draw(lambda axis: None)
