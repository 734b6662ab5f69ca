import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from spikeloop.models.errors import FailureError
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.tasks import Grid
from spikeloop.streamer.closedloop.results.judged import judged
from spikeloop.streamer.closedloop.results.latency_tables import busy_session_words
from spikeloop.streamer.closedloop.results.pairs import with_the_first
from spikeloop.streamer.closedloop.results.report import as_document, report_of
from spikeloop.streamer.closedloop.results.trial_statistics import seconds_to_target
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.results.closedloop import print_findings
from tests.support.compared import UNITS, Watch, run, setup_of, tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def reported(setup, watch=None, **options):
    return report_of(setup, run(setup, watch), command="again", **options)


def printed(report, capsys):
    print_json(as_document(report))
    return capsys.readouterr().out


def test_the_same_seed_gives_the_same_bytes(path, capsys):
    setup = setup_of(path, ("oracle", "kalman", "chance"), sessions=2, trials=4)
    first, second = (printed(reported(setup), capsys) for _ in range(2))
    assert first == second
    other = replace(setup, seeds=(7, 8))
    assert printed(reported(other), capsys) != first


def test_no_clock_stands_in_a_simulated_report(path, capsys):
    document = json.loads(printed(reported(setup_of(path, trials=2)), capsys))
    assert "real_time" not in document
    assert document["clock"] == "simulated"


def test_it_tells_what_was_run(path):
    perturbations = tuple(map(parse_perturbation, ("latency:60@2", "latency:40", "noise:5")))
    setup = setup_of(path, ("oracle", "kalman"), units=4, trials=2, decoder_bins=3, perturbations=perturbations, seed=9)
    report = reported(setup)
    assert (report.bundle, report.sha256, report.command) == ("tiny", setup.loaded.sha256, "again")
    assert (report.units, report.used_units, report.bin_size_s) == (UNITS, 4, 0.02)
    assert report.task == {"name": "center-out"} | vars(setup.plan.task)
    assert report.user_model["visual_delay_s"] == 0.2
    assert report.plan["decoder_bins"] == 3
    assert report.seeds == (9,)
    assert [each["kind"] for each in report.perturbations] == ["latency", "latency", "noise"]
    late = {"visual feedback": 10, "reaction": 10, "perturbation": 5, "population": 0, "decoder": 2}
    assert report.designed_latency_bins == late


def test_figures_are_those_of_all_sessions_and_of_each(path):
    setup = setup_of(path, sessions=2)
    runs = run(setup)
    report = report_of(setup, runs, command="")
    for decoder in report.decoders:
        trials = [trial for each in runs if each.decoder == decoder.decoder for trial in each.record.trials]
        times = [seconds_to_target(each, 0.02) for each in trials if each.outcome == "success"]
        assert (decoder.closed_loop.trials, decoder.closed_loop.successes) == (16, len(times))
        assert [each.seed for each in decoder.sessions] == [0, 1]
        assert sum(each.successes for each in decoder.sessions) == len(times)
        if times:
            assert decoder.closed_loop.time_to_target_s.value == pytest.approx(np.mean(times))
    assert report.decoders[0].closed_loop.successes == 16  # the oracle's


def test_offline_figures_are_the_means_of_sessions_and_axes(path):
    oracle, kalman = reported(setup_of(path, ("oracle", "kalman"), sessions=2, trials=2)).decoders
    assert math.isnan(oracle.r_squared.value)
    assert [each.r_squared for each in oracle.sessions] == [None, None]
    for name in ("r_squared", "correlation"):
        told = [value for each in kalman.sessions for value in getattr(each, name)]
        assert len(told) == 4
        found = getattr(kalman, name)
        assert found.value == pytest.approx(np.mean(told))
        means = [np.mean(getattr(each, name)) for each in kalman.sessions]
        half = scipy.stats.t.ppf(0.975, 1) * np.std(means, ddof=1) / math.sqrt(2)
        assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_every_decoder_is_paired_with_each_before_it(path):
    report = reported(setup_of(path, ("oracle", "kalman", "chance"), sessions=2))
    pairs = [("kalman", "oracle"), ("chance", "oracle"), ("chance", "kalman")]
    assert [(each.decoder, each.baseline) for each in report.paired] == pairs
    for each in report.paired[:2]:
        assert each.verdicts["success"].verdict == "worse"
        assert each.verdicts["time"].difference > 0


def test_paired_differences_are_those_of_the_table_of_decoders(path):
    """Failures count alike in both."""
    report = reported(setup_of(path, ("oracle", "kalman", "chance"), sessions=2))
    own = {each.decoder: each.closed_loop for each in report.decoders}
    assert own["chance"].successes < own["chance"].trials
    for each in report.paired:
        assert each.figures.trials == 16
        for difference, of in (
            (each.figures.time_difference_s, "time_with_failures_s"),
            (each.figures.success_difference, "success_rate"),
            (each.figures.bits_difference, "fitts_bits_per_s"),
        ):
            one, other = (getattr(own[name], of).value for name in (each.decoder, each.baseline))
            assert difference.value == pytest.approx(one - other)


def test_verdicts_stand_in_the_document_and_are_printed(path, capsys):
    report = reported(setup_of(path, ("oracle", "chance"), sessions=2))
    document = json.loads(printed(report, capsys))
    verdict = document["paired"][0]["verdicts"]["time"]
    assert (verdict["verdict"], verdict["trials"], verdict["pairs_compared"]) == ("worse", 16, 1)
    assert verdict["sentence"].startswith("slower by ")
    print_findings(report)
    assert verdict["sentence"] in " ".join(capsys.readouterr().out.split())


def test_each_decoder_is_printed_against_the_first_and_the_document_has_every_pair(path, capsys):
    report = reported(setup_of(path, ("oracle", "kalman", "chance"), trials=2))
    pairs = [(each.decoder, each.baseline) for each in report.paired]
    assert pairs == [("kalman", "oracle"), ("chance", "oracle"), ("chance", "kalman")]
    assert with_the_first(report.paired) == list(report.paired[:2])
    print_findings(report)
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+) minus (\w+):", said, re.MULTILINE) == pairs[:2]
    assert "\n1 more pair of decoders, not with oracle: in --json and --report\n" in said


def test_a_machine_that_was_too_busy_for_real_time_is_named_with_what_to_do():
    latency = {"steps": 900, "late_steps": 5, "missed_steps": 4, "dropped_steps": 0}
    assert not busy_session_words({"decoder": "kalman", "seed": 0, "latency": latency})
    words = busy_session_words({"decoder": "kalman", "seed": 0, "latency": latency | {"dropped_steps": 1}})
    assert words.startswith(
        "kalman, seed 0: the machine was too busy for real time: 5 late, 4 missed and 1 dropped steps"
    )
    assert "stop other programs" in words


def test_trials_before_recalibration_have_their_own_figures(path):
    report = reported(setup_of(path, recalibrate_after=3, trials=5))
    for each in report.decoders:
        assert each.before_recalibration is not None
        assert (each.before_recalibration.trials, each.closed_loop.trials) == (3, 5)
    assert report.paired[0].figures.trials == 5
    assert reported(setup_of(path, trials=2)).decoders[0].before_recalibration is None


def test_bits_are_achieved_where_something_wrong_can_be_selected(path):
    grid = reported(setup_of(path, ("oracle",), task=Grid(cells=3, timeout_s=2), trials=6)).decoders[0].closed_loop
    assert grid.achieved_bits_per_s.value > 0
    center_out = reported(setup_of(path, ("oracle",), trials=2)).decoders[0].closed_loop
    assert math.isnan(center_out.achieved_bits_per_s.value)


@pytest.mark.parametrize("calls", [200, 600], ids=["in calibration", "in a trial"])
def test_an_interrupted_comparison_is_reported_as_far_as_it_came(path, capsys, calls):
    setup = setup_of(path, ("oracle", "chance"))
    runs = run(setup, Watch(KeyboardInterrupt(), calls))
    report = report_of(setup, runs, command="")
    assert report.interrupted
    assert [each.decoder for each in report.decoders] == ["oracle"]
    assert report.failures == ("oracle, seed 0: interrupted",)
    assert len(judged(runs[0])) == sum(each.outcome != "lost" for each in runs[0].record.trials)  # not cut off
    assert report.decoders[0].closed_loop.trials == len(judged(runs[0])) < 8
    assert json.loads(printed(report, capsys))["interrupted"]
    trials = report.decoders[0].closed_loop.trials
    assert f"interrupted after {trials} trial" in str(report)
    print_findings(report)
    assert f"interrupted after {trials} trial" in capsys.readouterr().out


def test_a_failed_trial_counts_and_its_session_is_told(path):
    setup = setup_of(path, ("oracle", "chance"))
    report = reported(setup, Watch(FailureError("it broke"), calls=600))
    assert report.failures == ("oracle, seed 0: it broke", "chance, seed 0: it broke")
    assert not report.interrupted
    assert report.decoders[0].closed_loop.trials == report.decoders[0].sessions[0].successes + 1
