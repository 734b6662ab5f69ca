"""`spikeloop.evaluate` as a person in a notebook calls it; the command line's own tests hold what it finds."""

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.streamer.launch.evaluate import evaluate
from tests.support.bad_values import NO_NUMBER, NO_TEXT, NO_WHOLE_NUMBER
from tests.support.html_outline import Outline, outline
from tests.support.shown import shown
from tests.support.tiny_baseline import tiny_baseline

pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def recording():
    return correlated_groups(windows=60, window_bins=64, units=4, spike_probability=0.1, seed=1)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_baseline(path, "dichotomized_gaussian")
    return path


@pytest.fixture(scope="module")
def heard():
    return []


@pytest.fixture(scope="module")
def report(path, recording, heard):
    return evaluate(path, recording, seed=3, on_progress=lambda doing, share: heard.append((doing, share)))


def test_a_path_and_a_loaded_bundle_give_the_same(path, recording, report):
    again = evaluate(load_bundle(path), recording, seed=3).to_dict()
    assert again.pop("model") == "tiny"
    document = report.to_dict()
    assert document.pop("model") == str(path)
    assert again == document


def test_a_report_shows_its_verdicts(report):
    document = report.to_dict()
    assert [row["statistic"] for row in document["statistics"]] == [row.statistic for row in report.similarity]
    assert report.mean_ratio == document["mean_ratio"] > 0
    page = Outline(report._repr_html_())
    assert page.tags.count("table") == 1
    assert "Fano factor" in page.texts
    assert "Fano factor" in shown(report)


def test_progress_goes_from_sampling_to_the_end(report, heard):
    assert heard[0] == ("sampling", 0.0)
    shares = [share for doing, share in heard if doing == "evaluating"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_samples_are_a_recording(recording):
    samples = correlated_groups(windows=60, window_bins=64, units=4, spike_probability=0.1, seed=2)
    judged = evaluate(samples, recording, hold_out=4)
    assert judged.judged_on == "1 of 4 repeats"
    assert judged.windows.sampled.shape[1] == 64
    assert judged.subject.seam_ratio is None


def test_a_page_is_written_where_it_is_asked_for(report, tmp_path):
    report.write_report(tmp_path / "new" / "page.html")
    assert "dichotomized" not in outline(tmp_path / "new" / "page.html").tags
    assert {"how far each statistic is off", "Recording and model"} <= set(
        outline(tmp_path / "new" / "page.html").panels
    )
    with pytest.raises(BadInputError, match=r"\.html, found"):
        report.write_report(tmp_path / "page.pdf")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"hold_out": 1}, "--hold-out: expected a whole number from 2"),
        ({"hold_out": 2.5}, "--hold-out: expected a whole number from 2"),
        ({"seed": -1}, "--seed: expected a whole number"),
        ({"device": "tpu"}, "--device: expected auto, cpu or cuda"),
        ({"window_bins": "32"}, "--window-bins: expected a whole number"),
        ({"window_bins": 1}, "--window-bins: expected a whole number from 2"),
        ({"model": "nobody"}, "nobody"),
        ({"model": "nobody", "recording": "nothing"}, "nobody"),  # before a recording is downloaded
        ({"recording": "nothing"}, "no recording named 'nothing'"),
    ],
)
def test_bad_input_raises_what_the_command_line_prints(path, recording, asked, message):
    given = {"model": path, "recording": recording} | asked
    with pytest.raises(BadInputError, match=message):
        evaluate(**given)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("model", [*NO_TEXT, None, "", "a\0b"]),
        ("recording", [*NO_TEXT, None, "", "a\0b"]),
        ("hold_out", [*NO_WHOLE_NUMBER, None]),
        ("window_bins", NO_WHOLE_NUMBER),
        ("seed", [*NO_NUMBER, None, -1, 2**64]),
        ("device", [*NO_TEXT, None]),
        ("bin_size_s", NO_NUMBER),
        ("on_progress", [5, None, "x"]),
    ],
)
def test_of_an_evaluation_no_other_error_than_bad_input_leaves(path, recording, option, values):
    for value in values:
        with pytest.raises(BadInputError):
            evaluate(**({"model": path, "recording": recording} | {option: value}))


def test_small_numpy_integers_are_whole_numbers(path, recording, report):
    options = {"hold_out": np.int8(5), "window_bins": np.int8(32), "seed": np.int8(3)}
    assert evaluate(path, recording, **options).to_dict() == report.to_dict()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("page", [None, 3, "", "page", "a\0.html"])
def test_a_page_is_written_to_no_other_path(report, page):
    with pytest.raises(BadInputError, match="--report: expected"):
        report.write_report(page)


def test_a_recording_of_other_units_is_refused(path):
    other = correlated_groups(windows=20, window_bins=64, units=6, seed=1)
    with pytest.raises(BadInputError, match="has 4 units, .* 6"):
        evaluate(path, other)


def test_without_the_classifier_it_says_what_to_install_before_the_work(path, recording, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(FailureError, match=r"pip install .*scikit-learn>="):
        evaluate(path, recording, on_progress=lambda *_: pytest.fail("it began"))


def test_cards_and_documents_hold_no_nan(recording):
    silent = np.zeros_like(recording.counts)
    report = evaluate(type(recording)(silent, recording.bin_size_s, recording.unit_names), recording)
    assert all(value == value for row in report.to_dict()["statistics"] for value in row.values())
