import dataclasses
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.monitor.outputs.page import write_page
from spikeloop.streamer.monitor.outputs.plots import draw_statistics
from spikeloop.streamer.monitor.report import MonitorReport
from tests.support.html_outline import Outline, outline
from tests.support.monitored import START_S, MakeReport

ALARMS = {"how near alarms are"}
COURSE = {"mean rate", "mean deviation from the reference", "nearest alarm"}
SINCE_START = {
    "rates of every unit", "Fano factor of every unit", "interval CV of every unit", "correlation, recent",
    "correlation, since start", "correlation of pairs", "population count", "autocorrelation", "interspike intervals",
}  # fmt: skip
STATISTICS = SINCE_START - {"correlation, since start"} | {"correlation, reference"}
IMPORTANCE = {
    "latest window that was mapped", "mean importance of a unit's spikes", "by time since an earlier spike",
}  # fmt: skip


@pytest.fixture(scope="module")
def harmed(make_report: MakeReport) -> MonitorReport:
    """Unit 4 fell silent."""
    return make_report(lost=4, notices=("something is not to be had",))


@pytest.fixture(scope="module")
def path(harmed: MonitorReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that, written 12.34 s after its latest alarm."""
    path = tmp_path_factory.mktemp("pages") / "new" / "page.html"
    write_page(path, harmed, now_s=harmed.state.alarms[-1].at_s + 12.34, written=datetime(2026, 1, 2, 3, 4, 5))
    return path


def test_the_page_tells_what_the_report_does(harmed: MonitorReport, path: Path):
    page = outline(path)
    for told in ("retina, monitored", "1 alarm in 2 min 0 s", "from host", "bundle retina", "2026-01-02 03:04:05"):
        assert told in page.text
    for told in ("6,000 bins received", "34 lost", "5 invalid", "2 gaps", "21.4 ms", "something is not to be had"):
        assert told in page.text
    assert f"{harmed.state.alarms[-1]}, 12.3 s ago" in page.text
    assert "unit lost: unit 4" in page.text
    titles = {title_of(each.statistic) for each in harmed.state.recent_deviations}
    assert titles <= {text.split(",")[0] for text in page.texts}
    assert "far off" in page.texts
    assert set(page.panels) == ALARMS | COURSE | STATISTICS | IMPORTANCE
    assert all(link.startswith(("#", "data:image/")) for link in page.links)  # nothing is fetched
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]


def test_units_nearest_to_an_alarm_come_first(harmed: MonitorReport, path: Path):
    scores = np.max([scores for scores in harmed.state.alarm_scores.values() if len(scores) == 6], axis=0)
    told = [text for text in outline(path).texts if text in harmed.stream.unit_names][:6]
    assert told == [f"unit {unit}" for unit in np.argsort(-scores, kind="stable")]


def test_patterns_of_importance_are_told_by_the_names_of_their_units(harmed: MonitorReport, path: Path):
    assert harmed.importance is not None
    assert harmed.importance.summary is not None
    patterns = sorted(harmed.importance.summary.patterns, key=lambda each: -each.importance)
    told = [", ".join(f"unit {unit}" for _, unit in pattern.spikes) for pattern in patterns]
    texts = outline(path).texts
    first = texts.index("units that fire together")
    assert [text for text in texts[first:] if text.startswith("unit ")] == told
    assert len(told) > 1


@pytest.mark.parametrize(
    ("what", "panels", "said"),
    [
        ({"units": 1}, ALARMS | COURSE | STATISTICS | IMPORTANCE, "1 unit"),
        ({"refer": False, "importance": False}, COURSE | SINCE_START, "nothing to compare with yet"),
        ({"bins": 10, "importance": False}, ALARMS | COURSE, "No whole window of 32 bins yet"),
        ({"units": 1000, "bins": 40, "refer": False, "importance": False}, COURSE | SINCE_START, "unit 999"),
    ],
    ids=["one unit", "neither reference nor importance", "no window", "a thousand units"],
)
def test_whatever_is_missing_there_is_a_page(make_report: MakeReport, tmp_path: Path, what, panels, said):
    write_page(tmp_path / "page.html", make_report(**what))
    page = outline(tmp_path / "page.html")
    assert set(page.panels) == panels
    assert said in page.text


def test_a_reference_may_lack_statistics(harmed: MonitorReport):
    rates = {"rates": harmed.reference_statistics["rates"]}
    assert "<svg" in draw_statistics(dataclasses.replace(harmed, reference_statistics=rates))


def test_names_are_no_markup(make_report: MakeReport, tmp_path: Path):
    harmful = '</title><script>alert(1)</script>"&\x1b[31m$x_1$'
    names = tuple(f"{harmful}{i}" for i in range(6))
    report = make_report(names=names, name=harmful, lost=4, importance=False, notices=(harmful,))
    stream = dataclasses.replace(report.stream, hostname=harmful, type=harmful, bundle=harmful, condition=harmful)
    reception = dataclasses.replace(report.reception, refused=harmful)
    write_page(
        tmp_path / "page.html",
        dataclasses.replace(report, stream=stream, reception=reception, reference=harmful),
        now_s=START_S + 200,
    )
    page = outline(tmp_path / "page.html")
    assert "script" not in page.tags
    assert "\x1b" not in page.text
    assert page.text.count("<script>alert(1)</script>") >= 6 + 8


def test_a_page_is_written_whole_or_not_at_all(
    make_report: MakeReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "page.html"
    path.write_text("before")
    (tmp_path / "file").write_text("")
    report = make_report(bins=10, refer=False, importance=False)
    with pytest.raises(FailureError, match="could not write"):
        write_page(tmp_path / "file" / "page.html", report)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(FailureError, match="full"):
        write_page(path, report)
    assert path.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "page.html"]


def test_without_matplotlib_it_says_what_to_install(
    make_report: MakeReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(FailureError, match="pip install"):
        write_page(tmp_path / "page.html", make_report(bins=10, refer=False, importance=False))


def test_a_browser_shows_it(path: Path, tmp_path: Path, chromium: str):
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run([chromium, *options, path.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    page = Outline(shown.stdout)
    assert set(page.panels) == ALARMS | COURSE | STATISTICS | IMPORTANCE
    for told in ("retina", "unit lost: unit 4", "population spectrum", "Importance", "6 units"):
        assert told in page.text
