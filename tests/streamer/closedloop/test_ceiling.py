from dataclasses import replace
from typing import Any

import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import FailureError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.ceiling import Ceiling, measured_ceiling
from spikeloop.streamer.closedloop.closed_loop import run_setup
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.results.cautions import cautions, ceiling_of
from spikeloop.streamer.closedloop.results.page import write_page
from spikeloop.streamer.commands.results.closedloop import print_findings
from tests.support.compared import TASK, UNITS, run, setup_of, tiny
from tests.support.html_outline import outline
from tests.support.tiny import tiny_stream_bundle

LATE: dict[str, Any] = {"perturbations": (parse_perturbation("latency:1000"),)}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


def test_the_usual_loop_lets_whoever_knows_the_intention_through(path):
    setup = setup_of(path, ("chance",))
    assert measured_ceiling(setup) == Ceiling(8, 8)
    assert cautions(setup, Ceiling(8, 8)) == ()


def test_it_is_what_the_oracle_comes_to_in_the_same_loop(path):
    """Without a calibration the user's noise is the same; the population has no part in it."""
    setup = setup_of(path, ("oracle",), calibration_s=0.0, task=CenterOut(timeout_s=0.9, hold_s=0.2))
    found = measured_ceiling(setup)
    assert found == ceiling_of(setup, run(setup))
    assert found is not None
    assert 0 < found.successes < 8


def test_an_oracle_that_took_part_is_counted_itself(path):
    setup = setup_of(path, ("oracle", "chance"), sessions=2, trials=3)
    assert ceiling_of(setup, run(setup)) == Ceiling(6, 6)
    assert ceiling_of(setup_of(path, ("chance",)), ()) is None


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (LATE, "perturbation latency:1000"),
        ({"decoder_bins": 25}, "decoder bins of 500 ms"),
        ({"gain": 0.02}, "gain 0.02"),
        ({"task": replace(TASK, timeout_s=0.3)}, "task center-out, 0.2 s hold, 0.3 s timeout"),
    ],
)
def test_a_loop_that_not_even_the_oracle_gets_through_is_told_with_what_is_hard(path, plan, why):
    setup = setup_of(path, ("chance",), **plan)
    (warning,) = cautions(setup, measured_ceiling(setup))
    assert warning.startswith("even a decoder that knows the intended velocity (oracle) acquires only ")
    assert warning.endswith(f"failures are the loop's own, before they are a decoder's ({why})")


def test_warnings_stand_in_every_report(path, capsys, tmp_path):
    setup = setup_of(path, ("chance",), trials=2, **LATE)
    result = run_setup(setup)
    (warning,) = result.report.warnings
    assert "acquires only 0 of 2 targets" in warning
    assert result.to_dict()["warnings"] == [warning]
    print_findings(result.report)
    assert f"warning: {warning}" in " ".join(capsys.readouterr().out.split())
    write_page(tmp_path / "page.html", result.report, setup, result.runs)
    assert warning in outline(tmp_path / "page.html").text


def test_units_that_are_not_known_are_told(tmp_path):
    channels = tuple(Condition(f"velocity {axis}", "a.u./s", -60.0, 60.0) for axis in "xy")
    tiny_stream_bundle(tmp_path / "tiny", UNITS, channels, bin_size_s=0.02)
    setup = replace(setup_of(tmp_path / "tiny"), loaded=load_bundle(tmp_path / "tiny"))
    (warning,) = cautions(setup, None)
    assert "1.2 a.u./s of velocity x for 1 cm/s" in warning
    assert "not with those of other bundles" in warning


def test_of_another_user_nothing_is_measured(path):
    assert measured_ceiling(setup_of(path, user="lsl:mouse")) is None


class Broken(CenterOut):
    error: BaseException = FailureError("broken")

    def region(self, position_cm, target):
        raise self.error


class Stopped(Broken):
    error = KeyboardInterrupt()


def test_trials_that_can_not_run_say_nothing_and_an_interrupt_ends_them(path):
    assert measured_ceiling(setup_of(path, ("chance",), task=Broken())) is None
    with pytest.raises(KeyboardInterrupt):
        measured_ceiling(setup_of(path, ("chance",), task=Stopped()))
