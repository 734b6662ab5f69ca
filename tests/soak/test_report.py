"""The report of a soak: as JSON, as a page, as words; each with the command that repeats what was found."""

import json

import pytest

from tests.soak.accounts import Account, Span
from tests.soak.campaign import Event
from tests.soak.documentation import documentation
from tests.soak.flatness import Figures, Flatness
from tests.soak.report import SoakReport, words
from tests.soak.schedule import Kept
from tests.soak.verdict import Entry, Finding, Followed, Verdict

EVENTS = (
    Event(0, "none", "all programs started", 10.0, 10.0, 10.0, 15.0),
    Event(1, "kill", "monitor-mortal was killed", 15.0, 17.0, 18.0, 20.0),
    Event(3, "stop", "stream-steady <stood> still", 20.0, 22.0, 22.5, 30.0),
)
ENTRY = Entry("steady", 1, "recorder-steady", 1, Account(990, 0, 999, (Span(7, 16),)), 0, 0, 10)
COURSE = (Figures(0.0, 79_000_000, 20, 8), Figures(60.0, 80_000_000, 20, 8))
FOLLOWED = Followed("stream-steady", True, Flatness(1800.0, 80.0, 0.2, 0, 0, True), COURSE)
KEPT = (Kept(1, 1.0000001, 5.0, 0.4), Kept(3, 0.999, 12.0, 90.0))


def report(*findings):
    verdict = Verdict((ENTRY,), KEPT, (FOLLOWED,), findings)
    return SoakReport(7, "make soak ARGS='--seed 7'", 60.0, False, EVENTS, {"gpu": "no GPU"}, verdict, {})


FOUND = Finding("recorder-steady: 3 bins <are> missing", 3)


def test_the_document_holds_what_was_done_and_whether_it_passed():
    document = json.loads(json.dumps(report().to_dict(), allow_nan=False))
    assert (document["passed"], document["injected"], document["seed"]) == (True, {"kill": 1, "stop": 1}, 7)
    assert [event["number"] for event in document["events"]] == [0, 1, 3]
    assert not json.loads(json.dumps(report(FOUND).to_dict()))["passed"]


@pytest.mark.parametrize("show", [words, documentation])
def test_a_finding_comes_with_the_command_that_repeats_its_fault(show):
    shown = show(report(FOUND))
    assert FOUND.text in shown
    assert 'make soak ARGS="--seed 7 --only 3"' in shown
    assert "0.9990000, after fault 3" in shown
    assert "failed: 1 finding" in shown
    assert "failed" not in show(report())


def test_the_page_shows_all_of_it_and_what_is_named_in_it_is_text(tmp_path):
    report(FOUND).write(tmp_path)
    page = (tmp_path / "soak.html").read_text()
    for shown in (
        "recorder-steady: 3 bins &lt;are&gt; missing",
        "&lt;stood&gt;",
        "--seed 7 --only 3",
        "no GPU",
        "<svg",
    ):
        assert shown in page
    assert json.loads((tmp_path / "soak.json").read_text())["verdict"]["findings"][0]["number"] == 3
