"""Decoders compared offline from the command line, on recorded counts and on a bundle's."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.cross_validation import cross_validate, score_segments
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.measures.decoding_scores import Decodable, fold_mean
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.stream.source import open_source
from tests.support.command_line import fails, printed_by
from tests.support.html_outline import Outline
from tests.support.misbehaving import write_misbehaving
from tests.support.reaching import moving
from tests.support.tiny import tiny_stream_bundle

DATA = "m1-sim:30"
NAMES = ("velocity x", "velocity y")


@pytest.fixture(scope="module")
def simulated() -> Decodable:
    recording = read_recording(DATA)
    return Decodable(recording.counts[0].astype(int), recording.conditions[0].astype(np.float64))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Of as many units as the simulated cortex, that answers to velocity."""
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    channels = tuple(Condition(name, "cm/s", -60.0, 60.0) for name in NAMES)
    tiny_stream_bundle(path, 96, channels, bin_size_s=0.02)
    return path


def save(path, bins=400, names=NAMES, units=5, **others):
    random = np.random.default_rng(0)
    arrays: dict = {"spikes": random.integers(0, 3, (bins, units)), "bin_size_s": 0.02}
    if names:
        arrays |= {"conditions": random.standard_normal((bins, len(names))), "condition_names": np.array(names)}
    np.savez(path, **(arrays | others))
    return path


def test_the_figures_are_those_of_cross_validation(capsys, simulated):
    told = printed_by(capsys, "decode", DATA, "--decoder", "kalman", "wiener:3", "--folds", 4)
    assert (told["recording"], told["target"], told["units"]) == (DATA, list(NAMES), 96)
    assert (told["lag_ms"], told["folds"], told["bundle"], told["rankings"]) == (0, 4, None, [])
    assert [(row["decoder"], row["bin_ms"]) for row in told["decoders"]] == [("kalman", 20), ("wiener:3", 20)]
    for row, make in zip(told["decoders"], (KalmanDecoder, lambda: RidgeDecoder(3, WIENER_PENALTIES)), strict=True):
        assert row["generated"] is None
        found = cross_validate(make, simulated, 4)
        for measure, values in (("r_squared", found.r_squared), ("correlation", found.correlation)):
            figures, expected = row["recorded"][measure], fold_mean(values.mean(axis=1))
            assert (figures["value"], figures["low"], figures["high"]) == pytest.approx(
                (expected.value, expected.low, expected.high)
            )
            assert figures["folds"] == pytest.approx(values.mean(axis=1).tolist())
            for column, name in enumerate(NAMES):
                assert figures["columns"][name]["value"] == pytest.approx(values[:, column].mean())


def test_by_default_five_decoders_of_which_chance_comes_last(capsys, tmp_path, random):
    data = moving(random, 1500)
    path = save(tmp_path / "moving.npz", names=NAMES, spikes=data.counts, conditions=data.kinematics)
    rows = printed_by(capsys, "decode", path)["decoders"]
    scores = {row["decoder"]: row["recorded"]["r_squared"]["value"] for row in rows}
    assert list(scores) == ["kalman", "ridge", "wiener", "population_vector", "chance"]
    assert scores.pop("chance") < 0 < min(scores.values())


def test_lag_and_widths_are_of_the_recordings_bins(capsys, simulated):
    arguments = ("--decoder", "wiener:1", "--bin-ms", 20, 60, "--lag-ms", 40, "--target", "velocity y")
    told = printed_by(capsys, "decode", DATA, *arguments)
    assert (told["lag_ms"], told["target"]) == (40, ["velocity y"])
    data = Decodable(simulated.counts[:-2], simulated.kinematics[2:, 1:])
    for row, width in zip(told["decoders"], (1, 3), strict=True):
        assert row["bin_ms"] == pytest.approx(20 * width)
        expected = cross_validate(lambda: RidgeDecoder(1, WIENER_PENALTIES), data, width=width).r_squared.mean()
        assert row["recorded"]["r_squared"]["value"] == pytest.approx(expected)


def test_offline_wide_bins_are_best_but_not_too_wide(capsys):
    """Cunningham et al. 2011, J. Neurophysiol. 105:1932."""
    told = printed_by(capsys, "decode", "m1-sim:120", "--decoder", "kalman", "--bin-ms", 20, 200, 800)
    narrow, wide, too_wide = (row["recorded"]["r_squared"]["value"] for row in told["decoders"])
    assert wide > narrow + 0.15
    assert wide > too_wide + 0.15


def test_decoders_on_a_bundles_counts_stand_beside_those_on_recorded_ones(capsys, tiny, simulated):
    told = printed_by(capsys, "decode", DATA, "--bundle", tiny, "--decoder", "kalman", "wiener:1", "chance")
    assert told["judged_on"].startswith("the last 20%, which may be in the training of")
    stream, velocity = open_source(load_bundle(str(tiny)), 0, "cpu"), simulated.kinematics
    counts = stream.next(len(velocity), velocity.astype(np.float32)).astype(int)
    for place, make in enumerate((KalmanDecoder, lambda: RidgeDecoder(1, WIENER_PENALTIES))):
        for kind, seen in (("recorded", simulated.counts), ("generated", counts)):
            training, test = Decodable(seen[:1200], velocity[:1200]), Decodable(seen[1200:], velocity[1200:])
            expected = score_segments(make, training, test).r_squared.mean()
            assert told["decoders"][place][kind]["r_squared"]["value"] == pytest.approx(expected)
    recorded, generated = (
        [row[kind]["r_squared"]["value"] for row in told["decoders"]] for kind in ("recorded", "generated")
    )
    correlation = scipy.stats.pearsonr(*map(scipy.stats.rankdata, (recorded, generated)))[0]
    assert told["rankings"] == [
        {"bin_ms": 20, "rank_correlation": pytest.approx(correlation), "decoders": 3,
         "largest_difference": pytest.approx(np.abs(np.subtract(recorded, generated)).max())}
    ]  # fmt: skip


def test_the_shipped_bundle_ranks_decoders_as_the_part_of_the_recording_that_it_never_saw(
    capsys, data_folder, monkeypatch
):
    monkeypatch.setenv("SPIKELOOP_DATA", str(data_folder))
    decoders = ("--decoder", "kalman", "ridge:1", "wiener:3", "population_vector", "chance")
    told = printed_by(capsys, "decode", "m1_jango", "--bundle", "m1_jango", *decoders)
    assert "the last 20%, held out from the training of m1_jango" in told["judged_on"]
    assert told["rankings"][0]["rank_correlation"] > 0.85
    for row in told["decoders"][:4]:
        recorded, generated = (row[kind]["r_squared"]["value"] for kind in ("recorded", "generated"))
        assert generated == pytest.approx(recorded, abs=0.1)


def test_the_same_seed_gives_the_same_document(capsys):
    arguments = ("decode", "m1-sim:60", "--bundle", "m1-sim", "--decoder", "kalman", "wiener:1", "chance")
    one, again, other = (printed_by(capsys, *arguments, "--seed", seed) for seed in (3, 3, 4))
    assert one == again
    assert one["decoders"] != other["decoders"]
    assert one["decoders"][0]["recorded"] == other["decoders"][0]["recorded"]


PANELS = [
    "R² by width of bins, recorded counts", "bins of 20 ms", "bins of 40 ms", "ranks at 20 ms", "ranks at 40 ms",
    "kalman", "wiener:1", "chance", "bins of 20 ms", "bins of 40 ms",
]  # fmt: skip


def test_tables_for_people_and_a_page(capsys, tmp_path):
    from spikeloop.__main__ import main

    page = tmp_path / "report.html"
    arguments = ["--decoder", "kalman", "wiener:1", "chance", "--bundle", "m1-sim", "--bin-ms", "20", "40"]
    with pytest.raises(SystemExit) as stopped:
        main(["decode", "m1-sim:60", *arguments, "--report", str(page)])
    assert stopped.value.code == 0
    printed, written = capsys.readouterr().out, page.read_text()
    assert printed.count("rank correlation") == 2
    assert str(page) in printed
    assert written.startswith("<!doctype html>")
    page = Outline(written)
    shown = [re.sub(r": correlation.*|, bins of.*", "", panel) for panel in page.panels]
    assert sorted(shown) == sorted(PANELS)
    assert page.tags.count("table") == 6  # of each width recorded, generated and FALCON's
    assert (
        "spikeloop decode m1-sim:60 --decoder kalman wiener:1 chance --bin-ms 20.0 40.0 --bundle m1-sim --seed 0"
        in (page.texts)
    )
    for text in (printed, written):
        assert all(told in text for told in ("kalman", "wiener:1", "chance", "velocity x", "m1-sim:60", "the last 20%"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["retina"], "no kinematics"),
        (["m1-sim:30", "--target", "position"], "has no 'position'; expected of velocity x, velocity y"),
        (["m1-sim:30", "--target"], "--target: expected of velocity x, velocity y"),
        (["m1-sim:30", "--decoder", "kalmann"], "found 'kalmann'"),
        (["m1-sim:30", "--decoder", "ridge:0"], "a history of 1 to 1000 bins"),
        (["m1-sim:30", "--decoder", "oracle"], "needs a session"),
        (["m1-sim:30", "--decoder", "lsl:mine"], "needs a session"),
        (["m1-sim:30", "--folds", "1"], "--folds: expected a whole number of 2 or more"),
        (["m1-sim:30", "--folds", "400"], "at least 20 bins in each of 400 folds"),
        (["m1-sim:30", "--lag-ms", "30"], "--lag-ms: expected zero or more whole bins"),
        (["m1-sim:30", "--lag-ms", "-20"], "--lag-ms: expected zero or more whole bins"),
        (["m1-sim:30", "--lag-ms", "40000"], "a lead of 0 to 1499 bins"),
        (["m1-sim:30", "--bin-ms", "0"], "--bin-ms: expected 1 or more whole bins"),
        (["m1-sim:30", "--bin-ms", "nan"], "--bin-ms: expected 1 or more whole bins"),
        (["m1-sim:30", "--bin-ms", "2000"], "at least 20 bins in each of 5 folds"),
        (["m1-sim:30", "--seed", "-1"], "--seed"),
        (["m1-sim:30", "--report", "page.txt"], "ending in .html"),
        (["m1-sim:30", "--bundle", "m1-sim", "--decoder", "kalman", "chance"], "expected 3 or more to rank"),
        (["m1-sim:30", "--bundle", "retina"], "retina has 50 units"),
        (["m1-sim:30", "--bundle", "m1_jango"], "bins of 50 ms"),
        (["m1-sim:30", "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused(capsys, arguments, expected):
    code, told = fails(capsys, "decode", *arguments)
    assert code == 2
    assert expected in told


def test_files_that_lack_what_decoding_needs_are_refused(capsys, tmp_path, tiny):
    none = save(tmp_path / "none.npz", names=())
    other = save(tmp_path / "other.npz", names=("force",))
    reversed_ = save(tmp_path / "reversed.npz", names=NAMES[::-1], units=96)
    for arguments, expected in (
        ([none], "no kinematics"),
        ([other], "has no 'velocity'; expected of force"),
        ([other, "--target", "force", "--decoder", "population_vector"], "expected a velocity of shape"),
        ([reversed_, "--bundle", tiny], "expected the same in the same order"),
    ):
        code, told = fails(capsys, "decode", *arguments)
        assert code == 2
        assert expected in told


def test_a_bundle_that_answers_to_no_kinematics_is_refused(capsys, tmp_path):
    from spikeloop.models.recordings.condition import phase_condition
    from spikeloop.models.recordings.session_time import SESSION_TIME

    data = save(tmp_path / "data.npz", units=4)
    for channels, told_of in (((), "nothing"), ((phase_condition(100),), "phase"), ((SESSION_TIME,), "session time")):
        bundle = tmp_path / told_of
        tiny_stream_bundle(bundle, 4, channels, bin_size_s=0.02)
        code, told = fails(capsys, "decode", data, "--bundle", bundle)
        assert code == 2
        assert f"which answers to {told_of}" in told


def test_fluorescence_is_refused(capsys, tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "imaged.npz"
    np.savez(
        path, fluorescence=random.random((300, 4)), bin_size_s=0.1, conditions=random.random((300, 2)),
        condition_names=np.array(NAMES),
    )  # fmt: skip
    code, told = fails(capsys, "decode", path)
    assert (code, "needs spike counts" in told) == (2, True)


def test_results_are_printed_though_nobody_reads_the_progress():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "spikeloop", "decode", "m1-sim:10", "--decoder", "chance", "--json"]
    terminal = os.environ | {"FORCE_COLOR": "1"}  # so that the progress bar is drawn
    try:
        outcome = subprocess.run(command, stdout=-1, stderr=write, text=True, env=terminal, check=False)
    finally:
        os.close(write)
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["recording"] == "m1-sim:10"


def test_a_report_that_cannot_be_written_is_told_before_the_work(capsys, tmp_path):
    (tmp_path / "file").touch()
    code, told = fails(capsys, "decode", "no such recording", "--report", tmp_path / "file" / "page.html")
    assert code == 1
    assert "could not write" in told


def test_a_decoder_that_misbehaves_is_named_and_the_others_are_as_without_it(capsys, tmp_path):
    texts, page = write_misbehaving(tmp_path), tmp_path / "a.html"
    path = save(tmp_path / "data.npz", bins=800)
    alone = printed_by(capsys, "decode", path, "--decoder", "kalman")
    with pytest.raises(SystemExit) as stopped:
        words = ["decode", path, "--decoder", texts["Exit"], "kalman", texts["Still"], "--json", "--report", page]
        main([*map(str, words)])
    printed = capsys.readouterr()
    found, reason = json.loads(printed.out), f"--decoder {texts['Exit']}: ended its process in step, with exit code 3"
    assert stopped.value.code == 1
    assert printed.err.splitlines()[-1] == f"spikeloop: decoders failed: {reason}; the results are those of the others"
    assert found["failures"] == {texts["Exit"]: reason}
    assert [row["decoder"] for row in found["decoders"]] == ["kalman", texts["Still"]]
    assert found["decoders"][0] == alone["decoders"][0]
    assert f"{texts['Exit']} failed" in (text := Outline(page.read_text()).text)
    assert "ended its process in step" in text


def test_where_no_decoder_is_left_the_reasons_are_said(capsys, tmp_path):
    texts = write_misbehaving(tmp_path)
    code, said = fails(
        capsys, "decode", save(tmp_path / "data.npz", bins=800), "--decoder", texts["Raise"], "--in-process"
    )
    assert code == 1
    assert "failed: ValueError: enough, in misbehave" in said
