import dataclasses
import json
from html import escape

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.days.closed_loop_days import (
    IncompleteDaysError,
    closed_loop_days,
    open_days,
    run_days_setup,
)
from spikeloop.streamer.closedloop.days.days import drift_of, run_days
from spikeloop.streamer.closedloop.days.report import half_lost, half_lost_in_words
from spikeloop.streamer.commands.results.closedloop_days import print_days
from tests.support.command_line import fails, printed_by
from tests.support.compared import TASK, days_of, setup_of, tiny
from tests.support.compared import run as run_sessions

BRIEF = ("--trials", 2, "--calibration", 10, "--days", 2)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def result(path):
    """Two decoders under two policies, on three days of two seeds."""
    return run_days_setup(days_of(path, ("oracle", "kalman"), ("none", "refit:2"), seeds=(0, 5)))


def judged(runs, course):
    return {
        (run.seed, run.day, trial.index): trial
        for run in runs
        for trial in run.record.trials
        if run.course == course and trial.block == "closed loop"
    }


def test_every_course_has_the_same_targets_on_every_day(result):
    courses = [judged(result.runs, course.name) for course in result.days.courses]
    assert [course.name for course in result.days.courses] == [
        "oracle, none", "oracle, refit:2", "kalman, none", "kalman, refit:2"
    ]  # fmt: skip
    for course in courses:
        assert len(course) == 2 * 3 * 3
        assert {place: trial.target for place, trial in course.items()} == {
            place: trial.target for place, trial in courses[0].items()
        }


def test_days_of_a_course_have_targets_of_their_own(result):
    course = judged(result.runs, "kalman, none")
    by_day = [[course[0, day, index].target for index in (2, 3, 4)] for day in range(3)]
    assert by_day[0] != by_day[1] != by_day[2]


def test_day_0_is_a_session_of_the_same_seed(path, result):
    (session,) = run_sessions(setup_of(path, ["kalman"], trials=3, recalibrate_after=2, seed=5))
    (day_0,) = [run for run in result.runs if (run.course, run.seed, run.day) == ("kalman, refit:2", 5, 0)]
    assert day_0.record.trials == session.record.trials


def test_the_same_seed_gives_the_same_course_whatever_is_beside_it(path, result):
    alone = run_days(days_of(path, ("kalman",), ("refit:2",), seeds=(5,)))
    same = [run for run in result.runs if (run.course, run.seed) == ("kalman, refit:2", 5)]
    assert [run.record.trials for run in alone] == [run.record.trials for run in same]


def test_only_policies_that_calibrate_do_so_after_day_0(path):
    days = days_of(path, ("kalman",), ("none", "daily"))
    offline = {(run.course, run.day): run.calibrated for run in run_days(days)}
    assert offline == {
        (f"kalman, {name}", day): name == "daily" or day == 0 for name in ("none", "daily") for day in range(3)
    }


def test_days_with_a_calibration_are_held_in_and_the_others_held_out(result, path):
    for course in result.report.courses[2:]:
        runs = [run for run in result.runs if run.course == course.course]
        scores = {(run.seed, run.day): run.record.offline.variance_weighted for run in runs if run.record.offline}
        assert len(scores) == 2 * 3
        day_0 = [score for (_, day), score in scores.items() if day == 0]
        others = [score for (_, day), score in scores.items() if day]
        assert (course.held_in.sessions, course.held_out.sessions) == (2, 4)
        assert course.held_in.mean == pytest.approx(np.mean(day_0))
        assert course.held_out.mean == pytest.approx(np.mean(others))
    (daily,) = run_days_setup(days_of(path, ("kalman",), ("daily",))).report.courses
    assert (daily.held_in.sessions, daily.held_out.sessions) == (3, 0)


def test_a_decoder_that_had_learned_before_has_only_held_out_days(path, tmp_path):
    file = tmp_path / "still.py"
    file.write_text(
        "class Still:\n  def __init__(self, task_config, batch_size): ...\n"
        "  def predict(self, counts): return counts[:, :2]\n"
    )
    (course,) = run_days_setup(days_of(path, (f"falcon:{file}:Still",), ("none",), trials=1)).report.courses
    assert (course.held_in.sessions, course.held_out.sessions) == (0, 3)


def test_a_day_is_scored_after_all_else_and_changes_nothing_of_it(path, result):
    """The score of day 0 is that of its calibration, with or without other days."""
    (session,) = run_sessions(setup_of(path, ["kalman"], trials=3, recalibrate_after=2, seed=5))
    (day_0,) = [run for run in result.runs if (run.course, run.seed, run.day) == ("kalman, none", 5, 0)]
    assert day_0.record.offline == session.record.offline


def test_wider_bins_and_fewer_units_go_with_every_policy(path):
    days = days_of(path, ("kalman",), ("none", "refit:4", "stabilize:4"), 2, units=5, decoder_bin_s=0.04)
    runs = list(run_days(days))
    assert len(runs) == 6
    assert not [run.record.failure for run in runs if run.record.failure]


def test_a_user_goes_on_from_day_to_day(path):
    made = []

    class Own:
        def __init__(self):
            made.append(self)
            self.seen = 0

        def intend(self, view):
            self.seen += 1
            return np.zeros(2)

        def follow(self, velocity_cm_s):
            return velocity_cm_s

    days = days_of(path, ("kalman",), ("none",), user=Own)
    list(run_days(days))
    assert [own.seen > 3 * 3 * 50 for own in made] == [True]  # timeouts of all days


def test_the_report_has_what_was_stated_of_the_drift_and_what_was_drawn(result):
    drift = result.report.drift
    drawn = [drift_of(result.days, seed) for seed in (0, 5)]
    assert drift.drawn_kept == tuple(np.mean([[s.kept.mean() for s in states] for states in drawn], axis=0))
    assert drift.stated_kept == tuple(0.5 ** (day / 26.0) for day in range(3))
    assert drift.kept_half_life_days == 26.0
    assert drift.stated_similarity[0] == drift.drawn_similarity[0] == 1.0


def test_figures_of_days_are_those_of_their_trials(result):
    for course in result.report.courses:
        trials = judged(result.runs, course.course)
        for day in course.days:
            outcomes = [trial.outcome == "success" for place, trial in trials.items() if place[1] == day.day]
            assert (day.trials, day.success_rate.value) == (6, pytest.approx(np.mean(outcomes)))
        assert course.overall.trials == 18
    oracle, kalman = (result.report.courses[place] for place in (0, 2))
    assert oracle.overall.success_rate.value == 1.0
    (difference,) = [row for row in result.report.paired if row.course == "kalman, none"]
    assert difference.baseline == "oracle, none"
    assert difference.figures.success_difference.value == pytest.approx(kalman.overall.success_rate.value - 1.0)


@pytest.mark.parametrize(
    ("values", "day"),
    [([2, 2, 2], None), ([2, 1, 1, 1], 1), ([2, 2, 0, 2, 2], None), ([2, 2, 2, 0.5], 3), ([2, 2, 1, 1, 1, 2], 2),
     ([2], None), ([0, 0], None), ([0, 2, 0], None), ([float("nan"), 1], None)],
)  # fmt: skip
def test_half_is_lost_when_three_days_are_on_average(values, day):
    assert half_lost(values) == day


def test_a_course_that_fails_ends_and_the_others_go_on(path):
    class Failing:
        def fit(self, counts, kinematics):
            self.left = 300

        def step(self, counts):
            self.left -= 1
            return np.zeros(2) if self.left else 1 / 0

    with pytest.raises(IncompleteDaysError, match=r"seed 0, day 1: .*ZeroDivisionError") as failed:
        run_days_setup(days_of(path, {"bad": Failing, "oracle": "oracle"}, ("none",), trials=2))
    courses = {course.course: len(course.days) for course in failed.value.result.report.courses}
    assert courses == {"bad, none": 3, "oracle, none": 3}
    bad = [run for run in failed.value.result.runs if run.course == "bad, none"]
    assert [len(run.forfeited) for run in bad[1:]] == [2 - len(bad[1].record.trials), 2]


def test_a_decoder_that_never_worked_is_said_to_have_lost_nothing(path, capsys, tmp_path):
    class Failing:
        def fit(self, counts, kinematics):
            raise ValueError("no")

        def step(self, counts):
            return np.zeros(2)

    with pytest.raises(IncompleteDaysError) as failed:
        run_days_setup(days_of(path, {"bad": Failing, "oracle": "oracle"}, ("none",), trials=2))
    result = failed.value.result
    print_days(result.report)
    bad, oracle = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("bad,", "oracle,"))][:2]
    assert bad.rstrip().endswith("never worked")
    assert oracle.rstrip().endswith("never")
    assert set("▁▂▃▄▅▆▇█") & set(oracle)
    result.write_report(tmp_path / "days.html")
    assert "bad, none: 0% of all targets acquired, never worked." in (tmp_path / "days.html").read_text()
    (course, _) = result.report.courses
    assert (course.worked, course.worked_by_seed, course.bits_half_lost_days) == (False, (False,), (None,))


def test_days_that_a_failed_course_never_began_are_failures_in_both_tables(path):
    class Failing:
        def fit(self, counts, kinematics):
            self.left = 300

        def step(self, counts):
            self.left -= 1
            return np.zeros(2) if self.left else 1 / 0

    with pytest.raises(IncompleteDaysError) as failed:
        run_days_setup(days_of(path, {"oracle": "oracle", "bad": Failing}, ("none",), trials=2))
    report = failed.value.result.report
    oracle, bad = report.courses
    (difference,) = report.paired
    assert (oracle.overall.trials, bad.overall.trials, difference.figures.trials) == (6, 6, 6)
    for figure, difference_of_it in (
        ("success_rate", difference.figures.success_difference),
        ("time_with_failures_s", difference.figures.time_difference_s),
        ("fitts_bits_per_s", difference.figures.bits_difference),
    ):
        one, other = (getattr(course.overall, figure).value for course in (bad, oracle))
        assert difference_of_it.value == pytest.approx(one - other)
    assert [day.success_rate.value for day in bad.days] == [0.0] * 3


@pytest.mark.parametrize(
    ("day", "worked", "successes", "words"),
    [(None, True, 3, "never"), (2, True, 3, "from day 2 on"), (None, False, 3, "did not work on day 0"),
     (None, False, 0, "never worked")],
)  # fmt: skip
def test_what_is_lost_is_said_in_words(day, worked, successes, words):
    assert half_lost_in_words(day, worked, successes) == words


def test_ctrl_c_leaves_what_was_done(path):
    def interrupt(run):
        if run.day == 1:
            raise KeyboardInterrupt

    result = run_days_setup(days_of(path), interrupt)
    assert result.interrupted
    assert [day.day for day in result.report.courses[0].days] == [0, 1]


def test_python_and_the_command_give_the_same(path, capsys):
    document = printed_by(capsys, "closedloop", "--bundle", path, *BRIEF, "--policy", "daily", "--decoder", "oracle")
    called = closed_loop_days("oracle", bundle=path, days=2, policies="daily", trials=2, calibration_s=10)
    assert json.loads(json.dumps(called.to_dict())) == document
    assert spikeloop.closed_loop_days is closed_loop_days
    assert "daily" in repr(called)
    assert document["command"].endswith("--days 2 --drift units --policy daily")


def test_a_task_of_ones_own_is_repeated_by_the_call_in_python(path):
    result = run_days_setup(days_of(path, days=1))
    assert result.report.command.startswith("spikeloop.closed_loop_days({'kalman': 'kalman'}")
    assert result.report.command.endswith("days=1, drift='units', policies=['none'])")


def test_people_read_each_course_and_where_the_drift_comes_from(result, capsys):
    print_days(result.report)
    printed = " ".join(capsys.readouterr().out.split())
    assert "kalman, refit:2" in printed
    for verdict in result.report.verdicts("time"):
        assert verdict.pairs_compared == len(result.report.paired)
        assert f"{verdict.decoder} minus {verdict.baseline}: time" in printed
        assert " ".join(verdict.sentence.split()) in printed
    assert "half of the units kept for 26.0 days" in printed
    assert "Vaidya et al. 2014" in printed
    assert "chosen; no published figure was found" in printed


def test_the_page_has_courses_and_drift(result, tmp_path):
    result.write_report(tmp_path / "days.html")
    page = (tmp_path / "days.html").read_text()
    assert "The drift: units" in page
    assert "Vaidya et al. 2014" in page
    assert "kalman, refit:2 minus oracle, none" in page
    for verdict in result.report.verdicts("time"):
        assert f"against {verdict.baseline}</strong>: {escape(verdict.sentence)}" in page


def refused(capsys, path, *options):
    code, said = fails(capsys, "closedloop", "--bundle", path, *BRIEF, *options)
    assert code == 2
    return " ".join(said.split())


def test_what_can_not_be_followed_over_days_is_refused(path, capsys):
    assert "--save: expected none with --days" in refused(capsys, path, "--save", "days.npz")
    assert "--clock simulated" in refused(capsys, path, "--clock", "real")
    assert "--policy refit:TRIALS" in refused(capsys, path, "--recalibrate", 4)
    assert "as day 0 begins with it" in refused(capsys, path, "--calibration", 0, "--decoder", "oracle")
    assert "fitted to latents, found oracle" in refused(capsys, path, "--decoder", "oracle")
    assert "--drift: expected" in refused(capsys, path, "--drift", "quickly")
    with pytest.raises(BadInputError, match="--days"):
        open_days("kalman", bundle=load_bundle(path), days=0)


def test_a_report_is_plain_data(result):
    assert dataclasses.asdict(result.report)["days"] == 3
    assert TASK.timeout_s == result.to_dict()["task"]["timeout_s"]
