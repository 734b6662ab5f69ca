"""Training from Python: the same function as the command line's."""

import json

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.families.registry import BASELINES
from spikeloop.models.recordings.condition import conditions_from
from spikeloop.models.recordings.session_time import SESSION_TIME
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training.checkpoint import read_checkpoint
from spikeloop.models.training.validation import describe_recording
from spikeloop.streamer.launch.train import PREPARING
from tests.support.bad_values import NO_NUMBER, NO_TEXT, NO_WHOLE_NUMBER
from tests.support.shown import shown
from tests.support.training import calibrate_briefly, export_no_importance, train_small_models
from tests.support.unequal import unequal


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    calibrate_briefly(monkeypatch)
    export_no_importance(monkeypatch)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_recording_becomes_a_model_and_a_bundle(recording, tmp_path):
    model = spikeloop.train(recording, out=tmp_path / "run", family="spike_gan", steps=2, device="cpu")
    assert (model.steps, model.family, model.preset, model.judged_on) == (2, "spike_gan", "fast", "held-out repeats")
    assert {row.statistic for row in model.similarity} >= {"covariance", "population_count"}
    described = json.loads(json.dumps(model.to_dict()))
    assert described["checkpoint"] == str(tmp_path / "run")
    assert described["realism"][0]["ratio"] == pytest.approx(model.similarity[0].ratio)
    assert "covariance, E/F" in model._repr_html_()
    for path in (None, 3, "", "a\0b"):
        with pytest.raises(spikeloop.BadInputError, match="out: expected"):
            model.export(path)  # pyright: ignore[reportArgumentType]
    with pytest.raises(spikeloop.BadInputError, match="name: expected text"):
        model.export(tmp_path / "mine.zip", 3)  # pyright: ignore[reportArgumentType]
    assert "covariance, E/F" in shown(model)
    bundle = model.export(tmp_path / "mine.zip")
    assert bundle.card.name == "mine"
    assert spikeloop.load_bundle(tmp_path / "mine.zip").sha256 == bundle.sha256


def test_the_same_call_continues_the_run_and_reports_how_far_it_is(recording, tmp_path):
    reports = []
    options = {"out": tmp_path / "run", "family": "spike_gan", "device": "cpu", "on_progress": reports.append}
    spikeloop.train(recording, steps=2, **options)
    first, reports[:] = reports[1:], []
    model = spikeloop.train(recording, steps=4, **options)
    assert reports.pop(0).preparing
    assert [progress.share for progress in first if not progress.finishing] == [0.0, 0.5, 1.0]
    assert [progress.share for progress in reports if not progress.finishing] == [0.5, 0.75, 1.0]
    assert [progress.resumed for progress in reports] == [True, *[False] * 5]
    finishing = ["calibrating", "comparing with held-out data", "predicting held-out bins"]
    assert [progress.finishing for progress in reports[3:]] == finishing
    assert reports[0].similarity
    assert model.steps == reports[-1].steps == 4


@pytest.mark.parametrize("family", BASELINES)
def test_a_baseline_is_fitted_in_one_go(family, tmp_path, random):
    small = spikeloop.Recording.from_counts(random.random((100, 40, 3)) < 0.2, 0.02)
    reports = []
    model = spikeloop.train(small, out=tmp_path / "run", family=family, on_progress=reports.append)
    assert (model.steps, model.preset, model.trained_s > 0) == (0, "default", True)
    assert reports[-1].share == 1.0
    assert all(0 <= progress.share <= 1 for progress in reports)
    assert model.export(tmp_path / "bundle").card.family == family


def test_a_name_is_read_and_phases_are_learned(recording, tmp_path):
    write_recording(recording, tmp_path / "recording.npz")
    options = {"out": tmp_path / "run", "condition": "phase", "steps": 1, "device": "cpu", "seed": 3}
    spikeloop.train(tmp_path / "recording.npz", **options)
    _, description = read_checkpoint(tmp_path / "run")
    assert description["recording"]["channels"][0]["cyclic"]
    assert (description["settings"]["family"], description["settings"]["seed"]) == ("causal_gan", 3)


@pytest.mark.parametrize(
    ("condition", "names"), [("session-time", []), (["session-time", "recorded"], ["velocity x", "velocity y"])]
)
def test_the_session_time_is_learned_alone_or_behind_recorded_conditions(tmp_path, monkeypatch, condition, names):
    train_small_models(monkeypatch)
    driven = unequal([300, 500, 400, 800])
    spikeloop.train(driven, out=tmp_path / "run", condition=condition, steps=1, device="cpu")
    trained_on = read_checkpoint(tmp_path / "run")[1]["recording"]
    channels = conditions_from(trained_on["channels"], "run")
    assert [channel.name for channel in channels] == [*names, "session time"]
    assert channels[-1] == SESSION_TIME
    evaluated_on = split_as_trained(driven, "mine", channels, 0, every=5).whole
    assert describe_recording(evaluated_on)["sha256"] == trained_on["sha256"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minutes": 0}, "--minutes, --steps: expected more than 0"),
        ({"steps": 0}, "expected more than 0"),
        ({"family": "gan"}, "no family named 'gan'; there are causal_gan"),
        ({"preset": "slow"}, "no preset named 'slow'; causal_gan has fast"),
        ({"seed": -1}, "--seed: expected a whole number"),
        ({"device": "tpu"}, "--device: expected auto, cpu or cuda, found 'tpu'"),
        ({"condition": "recorded"}, "has none recorded"),
        ({"condition": "sound"}, "--condition: expected none, phase, recorded or session-time, .* found 'sound'"),
        ({"condition": ("phase", "session-time")}, "of which recorded .* and session-time go together, found"),
        ({"condition": "session-time", "family": "k_pairwise"}, "k_pairwise answers to nothing"),
        ({"condition": "session-time", "lead_ms": 5}, "expected --condition recorded beside it, found session-time"),
        ({"condition": "phase", "family": "spike_gan"}, "spike_gan answers to nothing; choose causal_gan"),
        ({"lead_ms": 5}, "expected --condition recorded beside it"),
        ({"family": "k_pairwise", "minutes": 1}, "k_pairwise is fitted in one go"),
        ({"hold_out": 1}, "expected to hold out one part in 2 or more"),
    ],
)
def test_bad_input_is_the_command_lines_error(recording, tmp_path, options, message):
    with pytest.raises(spikeloop.BadInputError, match=message):
        spikeloop.train(recording, out=tmp_path / "out", **({"device": "cpu"} | options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["causal_gan", "k_pairwise"])
@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("recording", [*NO_TEXT, None, "", "a\0b"]),
        ("minutes", [*NO_NUMBER, float("nan"), -1]),
        ("steps", [*NO_WHOLE_NUMBER, 0]),
        ("out", [*NO_TEXT, None, "", "a\0b"]),
        ("family", [*NO_TEXT, None]),
        ("preset", [*NO_TEXT, ""]),
        ("seed", [*NO_NUMBER, None, -1, 2**64]),
        ("hold_out", [*NO_WHOLE_NUMBER, None]),
        ("condition", [*NO_TEXT, "", [], ["recorded", 3], [[]]]),
        ("lead_ms", [*NO_NUMBER, None, float("nan")]),
        ("stop_early", [0, "yes", float("nan")]),
        ("device", [*NO_TEXT, None, "x"]),
        ("on_progress", [5, "x"]),
    ],
)
def test_of_training_no_other_error_than_bad_input_leaves(recording, tmp_path, family, option, values):
    for value in values:
        options = {"recording": recording, "out": tmp_path / "out", "family": family, option: value}
        with pytest.raises(spikeloop.BadInputError):
            spikeloop.train(**options)
    assert not list(tmp_path.iterdir())


def test_a_recording_that_is_none_is_named(tmp_path):
    with pytest.raises(spikeloop.BadInputError, match="no recording named 'retna'"):
        spikeloop.train("retna", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"minutes": 1e-9}, True),
        ({"minutes": 1e-9, "family": "spike_gan"}, False),
        ({"steps": 1, "family": "spike_gan", "stop_early": True}, True),
        ({"steps": 1}, False),
    ],
)
def test_a_part_is_kept_to_stop_by_where_steps_are_not_counted_out(tmp_path, options, kept):
    long = correlated_groups(windows=140, window_bins=64, units=4, spike_probability=0.1, seed=1)
    reports = []
    spikeloop.train(long, out=tmp_path / "run", device="cpu", on_progress=reports.append, **options)
    _, description = read_checkpoint(tmp_path / "run")
    assert description["settings"]["stop_early"] == kept
    assert (description["stages"]["stopping"] is not None) == kept
    assert ("decide when to stop" in reports[1].starts[1]) == kept


def test_the_first_report_says_what_was_chosen_and_what_to_expect(recording, tmp_path):
    reports = []
    options = {"out": tmp_path / "run", "device": "cpu", "on_progress": reports.append}
    spikeloop.train(recording, steps=1, **options)
    assert (reports[0].preparing, reports[0].starts) == (PREPARING, ())
    chosen, trained_on, floor, steps = reports[1].starts
    assert chosen == "preset short, for fewer than 40,000 bins"
    assert trained_on.startswith("trains on 3,072 bins of 6 units (96 windows of 32), 768 are held out")
    assert "independent units have" in floor
    assert "about 1,000 of the first stage" in steps
    assert not any(report.starts or report.preparing for report in reports[2:])
    reports.clear()
    spikeloop.train(recording, steps=1, preset="short", **options)
    assert not any(report.starts for report in reports)  # it is continued


def test_nothing_is_printed_where_there_is_no_terminal(recording, tmp_path, capsys):
    spikeloop.train(recording, out=tmp_path / "run", family="spike_gan", steps=1, device="cpu")
    assert capsys.readouterr() == ("", "")


def test_a_trained_model_is_of_the_recording_that_was_given(recording, tmp_path):
    spikeloop.train(recording, out=tmp_path / "run", family="spike_gan", steps=1, device="cpu", hold_out=0)
    tensors, description = read_checkpoint(tmp_path / "run")
    assert description["settings"]["hold_out"] == 0
    np.testing.assert_allclose(tensors["reference.rates"], recording.counts.mean(axis=(0, 1)))
