"""`compare_decoders` as it is called from Python."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.cross_validation import cross_validate
from spikeloop.models.decoders.decoder import decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import decodable_of
from spikeloop.models.measures.falcon_scores import variance_weighted_r_squared
from spikeloop.streamer.launch.compare_decoders import compare_decoders
from tests.support.html_outline import Outline
from tests.support.shown import shown

NUMBERS = {
    "folds": "--folds",
    "lag_s": "--lag-ms",
    "seed": "--seed",
    "bin_size_s": "--bin-size-ms",
    "repeat_bins": "--repeat-bins",
}
NO_NUMBERS = ["2", math.nan, math.inf, True, np.True_, 2j, -(10**400), {}, np.array([2, 3])]


@pytest.fixture(scope="module")
def recording():
    return read_recording("m1-sim:10")


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(("option", "message"), NUMBERS.items())
def test_what_is_no_number_is_refused(recording, option, message, value):
    wrong: Any = {option: value}
    with pytest.raises(BadInputError, match=f"{message}: expected .*found"):
        compare_decoders(recording, ["chance"], **wrong)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_widths_that_are_no_numbers_are_refused(recording, value):
    widths: Any
    for widths in ([value],) if isinstance(value, np.ndarray) else ([value], value):
        with pytest.raises(BadInputError, match="--bin-ms: expected .*found"):
            compare_decoders(recording, ["chance"], decoder_bins_s=widths)


@pytest.mark.parametrize("option", ["folds", "seed", "repeat_bins"])
def test_fractions_are_refused_where_whole_numbers_are_expected(recording, option):
    wrong: Any = {option: 2.5}
    with pytest.raises(BadInputError, match=f"{NUMBERS[option]}: expected .*whole number"):
        compare_decoders(recording, ["chance"], **wrong)


def test_a_ranking_shows_itself_as_a_table_with_each_width_once(recording):
    ranking = compare_decoders(recording, ["chance"], folds=2, decoder_bins_s=np.array([0.02, 0.04, 0.02]))
    page = Outline(ranking._repr_html_())
    assert page.tags.count("tr") == 3
    assert {"chance", "bin (ms)", "20", "40"} <= set(page.texts)
    assert "decoder  bin (ms)  history (ms)  R2\nchance   20 " in shown(ranking)


def test_decoders_look_back_as_long_at_every_width_and_those_of_so_many_bins_by_bins(recording):
    decoders = ["wiener", "wiener:4", "chance"]
    ranking = compare_decoders(recording, decoders, folds=2, decoder_bins_s=[0.02, 0.06], history_s=0.12)
    rows = ranking.to_dict()["decoders"]
    assert [(row["decoder"], row["history_bins"], row["history_ms"]) for row in rows] == [
        ("wiener", 6, pytest.approx(120)), ("wiener:4", 4, pytest.approx(80)), ("chance", None, None),
        ("wiener", 2, pytest.approx(120)), ("wiener:4", 4, pytest.approx(240)), ("chance", None, None),
    ]  # fmt: skip
    data = decodable_of(recording, (0, 1))
    for row, bins, width in ((rows[0], 6, 1), (rows[3], 2, 3)):
        expected = cross_validate(partial(RidgeDecoder, bins, WIENER_PENALTIES), data, folds=2, width=width)
        assert row["recorded"]["r_squared"]["value"] == pytest.approx(expected.r_squared.mean())


def test_by_default_it_is_200_ms(recording):
    (row,) = compare_decoders(recording, ["wiener"], folds=2).to_dict()["decoders"]
    assert (row["history_bins"], row["history_ms"]) == (10, pytest.approx(200))


@pytest.mark.parametrize("history_s", [0, -1, math.nan, 30.0, None])
def test_a_history_that_can_not_be_is_refused(recording, history_s):
    with pytest.raises(BadInputError, match="--history-ms: expected"):
        compare_decoders(recording, ["wiener"], folds=2, history_s=history_s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 3}, "--target: expected an iterable of names, found 3"),
        ({"target": None}, "--target: expected an iterable of names"),
        ({"target": "velocity"}, "--target: expected an iterable of names, found 'velocity'"),
        ({"target": [3]}, "--target: .* has no 3"),
        ({"target": []}, "--target: expected of"),
        ({"folds": None}, "--folds: expected"),
        ({"lag_s": None}, "--lag-ms: expected"),
        ({"decoder_bins_s": 0.1}, "--bin-ms: expected an iterable of widths, found 0.1"),
        ({"on_progress": "x"}, "on_progress: expected a function, found 'x'"),
        ({"target": np.array(3)}, "--target: expected"),
        ({"target": np.array([3, 4])}, "--target: .* has no"),
        ({"recording": None}, "expected a recording, its name or its path, found None"),
        ({"bin_size_s": 3}, "--bin-size-ms: expected none with a recording that was read already, found 3"),
        ({"repeat_bins": 3}, "--repeat-bins: expected none"),
        ({"decoders": 0}, "--decoder int: expected the text of a decoder"),
        ({"decoders": np.array(["chance", "kalman"])}, "--decoder ndarray: expected"),
        ({"decoders": [3]}, "--decoder int: expected the text of a decoder"),
    ],
)
def test_what_can_not_be_is_refused(recording, options, message):
    with pytest.raises(BadInputError, match=message):
        compare_decoders(**{"recording": recording, "decoders": ["chance"]} | options)


@pytest.mark.parametrize("path", [None, 3, [], b"a.html", "a.pdf", "", "a\0b.html", np.array(3)], ids=repr)
def test_what_is_no_path_of_a_page_is_refused(recording, path):
    ranking = compare_decoders(recording, ["chance"], folds=2)
    with pytest.raises(BadInputError, match=r"--report: expected a file ending in \.html, found"):
        ranking.write_report(path)


def test_small_integers_of_numpy_are_those_of_python(recording):
    wrong: Any = {"lag_s": np.int8(3), "folds": np.int8(2)}
    ranking = compare_decoders(recording, ["chance"], **wrong)
    assert ranking.comparison.lag_s == 3


def test_further_sessions_are_decoded_by_what_was_fitted_on_the_recording():
    days = [read_recording(f"m1-sim:{seconds}") for seconds in (10, 20)]
    found = compare_decoders(days[0], "kalman", folds=2, held_out=[days[1], "m1-sim:15"])
    falcon = found.to_dict()["decoders"][0]["falcon"]
    decoder = KalmanDecoder()
    fitted, later = (decodable_of(day, (0, 1)) for day in days)
    decoder.fit(fitted.counts, fitted.kinematics)
    expected = variance_weighted_r_squared(later.kinematics, decode(decoder, later.counts))
    assert found.comparison.scores[0].held_out[0] == pytest.approx(expected)
    assert falcon["held_out"]["sessions"] == 2
    assert falcon["held_in"]["sessions"] == 2  # folds
    assert found.comparison.scores[0].normalized_latency > 0
    fewer = replace(days[1], counts=days[1].counts[..., :5], unit_names=days[1].unit_names[:5], spike_times=None)
    with pytest.raises(BadInputError, match=r"--held-out m1-sim.*: expected 96 units, .* found 5 and 20 ms"):
        compare_decoders(days[0], "kalman", folds=2, held_out=[fewer])
    with pytest.raises(BadInputError, match="--held-out: expected an iterable of recordings"):
        compare_decoders(days[0], "kalman", folds=2, held_out="m1-sim:10")
