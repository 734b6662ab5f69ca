import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.tasks import Grid, RandomTarget
from spikeloop.streamer.closedloop.experiment.user_spec import UserSpec
from spikeloop.streamer.closedloop.real_time.latency import LoopLatency
from spikeloop.streamer.closedloop.real_time.real_time import RealTimeReport
from spikeloop.streamer.closedloop.results.estimates import format_estimate
from spikeloop.streamer.closedloop.results.page import write_page
from spikeloop.streamer.closedloop.results.plots import draw_trajectories, trajectory_of
from spikeloop.streamer.closedloop.results.report import report_of
from tests.support.compared import Watch, run, setup_of, tiny
from tests.support.html_outline import Outline, outline

COMMAND = "spikeloop closedloop --decoder oracle chance"
PANELS = [
    "time to target, minus that of oracle", "success, minus that of oracle", "oracle", "chance",
    "targets acquired, all sessions", "trial by trial, seed 0",
]  # fmt: skip
TASKS = {"random": RandomTarget(timeout_s=1.5, hold_s=0.2), "grid": Grid(cells=4, timeout_s=1.5)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def written(path: Path, setup, runs, command=COMMAND) -> Outline:
    report = report_of(setup, runs, command=command)
    write_page(path, report, setup, runs)
    return outline(path)


@pytest.fixture(scope="module")
def compared(bundle):
    """The oracle acquires all targets, chance not; the map turns in the midst."""
    perturbations = (parse_perturbation("rotation:20@4"), parse_perturbation("latency:40@900"))
    setup = setup_of(bundle, sessions=2, recalibrate_after=2, perturbations=perturbations)
    return setup, run(setup)


@pytest.fixture(scope="module")
def path(compared, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "new" / "page.html"
    written(path, *compared)
    return path


def test_the_page_tells_what_the_report_does(compared, path):
    report, page = report_of(*compared, command=COMMAND), outline(path)
    for told in ("bundle tiny", "center-out: 8 trials", "recalibration after 2 trials", "seed 0 to 1", COMMAND):
        assert told in page.text
    for decoder in report.decoders:
        for figures in (decoder.closed_loop, decoder.before_recalibration):
            assert figures is not None
            assert f"{figures.successes} of {figures.trials}" in page.text
            assert format_estimate(figures.success_rate, percent=True) in page.text
            assert format_estimate(figures.fitts_bits_per_s) in page.text
    assert format_estimate(report.paired[0].figures.time_difference_s, sign=True) in page.text
    assert page.text.count("a failure counts as the timeout of 1.5 s; in the bit rate, as the time that it took") == 2
    assert f"{report.paired[0].verdicts['time'].sentence}." in page.text
    assert "rotation 20, from 4 s of closed loop on: every unit's preferred direction turns" in page.text
    assert page.panels == PANELS
    assert all(link.startswith(("#", "data:image/")) for link in page.links)  # nothing is fetched
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]


def test_the_same_comparison_gives_the_same_page(compared, path, tmp_path):
    written(tmp_path / "page.html", *compared)
    assert (tmp_path / "page.html").read_bytes() == path.read_bytes()


def test_ways_of_failures_are_drawn_otherwise_than_those_of_successes(bundle):
    setup = setup_of(bundle)
    oracle, chance = run(setup)
    broken = [draw_trajectories(setup, [each]).count("stroke-dasharray: ") for each in (oracle, chance)]
    assert broken == [0, sum(each.outcome != "success" for each in chance.record.trials)]
    assert broken[1] > 0


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_picture(bundle, tmp_path, task):
    setup = setup_of(bundle, task=TASKS[task], trials=26)
    page = written(tmp_path / "page.html", setup, run(setup))
    assert page.panels == PANELS
    assert "The first 24 trials" in page.text
    assert ("achieved, bit/s" in page.text) == (task == "grid")


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        (Watch(KeyboardInterrupt(), 100), "interrupted: figures are of what was done until then"),
        (Watch(KeyboardInterrupt(), 520), "interrupted"),
        (Watch(FailureError("it <broke>"), 600), "oracle, seed 0: it <broke>"),
    ],
    ids=["in calibration", "in the first trial", "failed"],
)
def test_there_is_a_page_of_whatever_was_done(bundle, tmp_path, watch, said):
    setup = setup_of(bundle)
    assert said in written(tmp_path / "page.html", setup, run(setup, watch)).text


def test_sessions_whose_bins_were_let_go_of_still_count(compared, tmp_path):
    setup, runs = compared
    kept = [each if each.seed == 0 else replace(each, record=replace(each.record, blocks=())) for each in runs]
    written(tmp_path / "page.html", setup, kept)
    assert "16 of 16" in outline(tmp_path / "page.html").text


def test_the_latency_of_a_real_clock_is_told(bundle, tmp_path):
    stages = [{"p50": each + 0.11, "p99": each + 0.22, "max": each + 0.33} for each in range(4)]
    latency = LoopLatency(
        *stages, steps=123, missed_steps=4, late_steps=5, dropped_steps=0, late_inputs=6, late_answers=7,
        invalid_answers=8,
    )  # fmt: skip
    setup = setup_of(bundle, ("oracle",), trials=2)
    runs = [replace(each, real_time=RealTimeReport(latency, None)) for each in run(setup)]
    write_page(tmp_path / "page.html", report_of(replace(setup, clock="real"), runs, command=""), setup, runs)
    text = outline(tmp_path / "page.html").text
    stages = ("end of the bin to counts 0.11 0.22 0.33", "whole loop 3.1 3.2 3.3")
    busy = "oracle, seed 0: the machine was too busy for real time: 5 late, 4 missed and 0 dropped steps, beside 123"
    for told in ("Latency of the loop", *stages, "123 4 5 0 6 7 8", busy):
        assert told in text


def test_names_are_no_markup(bundle, tmp_path):
    harmful = "python:</title><script>alert(1)</script>$x_1$"
    setup = setup_of(bundle, ("oracle",))
    runs, spec = [replace(each, decoder=harmful) for each in run(setup)], setup.decoders["oracle"]
    page = written(
        tmp_path / "page.html", replace(setup, decoders={harmful: spec}, user=UserSpec(harmful, "lsl")), runs, harmful
    )
    assert page.tags.count("script") == 2  # the page's own: what happened in the trials, and what plays them
    assert not any("<script" in text for text in page.scripts)
    assert page.text.count("<script>alert(1)</script>") >= 5


def test_a_page_is_written_whole_or_not_at_all(compared, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(FailureError, match="full"):
        written(path, *compared)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_without_matplotlib_it_says_what_to_install(compared, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(FailureError, match="pip install"):
        written(tmp_path / "page.html", *compared)


def test_ways_end_where_the_target_was_acquired(compared):
    """What is drawn begins where the cursor stood, and ends in the target."""
    record = compared[1][0].record
    for trial in record.trials:
        if trial.block == "closed loop" and trial.outcome == "success":
            way = trajectory_of(record.blocks[-1], trial)
            np.testing.assert_array_equal(way[0], trial.from_cm)
            assert np.hypot(*(way[-1] - trial.target.place_cm)) <= trial.target.width_cm / 2
            assert np.hypot(*np.diff(way, axis=0).T).sum() == pytest.approx(trial.travelled_cm)


def test_a_browser_shows_it(path, tmp_path, chromium):
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run([chromium, *options, path.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    page = Outline(shown.stdout)
    assert page.panels == PANELS
    for told in ("oracle, chance", "Trajectories", "Paired differences", "chance minus oracle", "How it was made"):
        assert told in page.text
