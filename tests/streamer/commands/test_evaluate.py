"""Models and samples judged from the command line, and a baseline's whole way from recording to stream."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle, write_bundle
from spikeloop.models.families import k_pairwise
from spikeloop.models.measures.one_step import OneStepScore
from spikeloop.models.measures.table import DYNAMIC_STATISTICS, SPIKE_STATISTICS, TRACE_STATISTICS, title_of
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.streamer.stream.source import open_source
from tests.support.command_line import fails, printed_by
from tests.support.html_outline import Outline
from tests.support.tiny import tiny_stream_bundle
from tests.support.tiny_baseline import tiny_baseline

pytestmark = pytest.mark.usefixtures("brief_verdicts")

FIGURES = {
    "model", "data", "judged_on", "window_bins", "mean_ratio", "worst", "two_sample_auc", "real_two_sample_auc",
    "memorisation_auc", "exact_duplicates", "real_exact_duplicates", "statistics", "published_errors", "report",
    "seam_ratio", "seam_covariance_ratio", "responses", "continuous", "decoding", "dynamic_mean_ratio", "dynamic_worst",
    "one_step",
}  # fmt: skip
ROW = {"statistic", "error", "floor", "ceiling", "low", "high", "ratio", "excess", "verdict"}


def save(path: Path, spikes: np.ndarray, **others: object) -> Path:
    np.savez(path, spikes=spikes, **({"bin_size_s": 0.001} | others))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def spikes() -> np.ndarray:
    """Of four units, (repeats, bins, units)."""
    return correlated_groups(windows=240, window_bins=64, units=4, spike_probability=0.1, seed=1).counts


@pytest.fixture(scope="module")
def data(tmp_path_factory, spikes) -> Path:
    return save(tmp_path_factory.mktemp("data") / "recording.npz", spikes[:60])


@pytest.fixture(scope="module")
def baseline(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_baseline(path, "dichotomized_gaussian")
    return path


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    return printed_by(capsys, "evaluate", *arguments)


@pytest.fixture(scope="module")
def verdicts() -> dict[Path, dict]:
    """What `evaluate` says of a bundle with nothing else asked; tests that want the same share it."""
    return {}


@pytest.fixture
def judged(capsys, verdicts):
    def once(bundle: Path, data: Path) -> dict:
        if bundle not in verdicts:
            verdicts[bundle] = evaluated(capsys, bundle, "--data", data)
        return verdicts[bundle]

    return once


def test_a_bundle_is_judged_in_one_json_document(judged, baseline, data):
    document = judged(baseline, data)
    assert set(document) >= FIGURES
    assert (document["model"], document["data"], document["report"]) == (str(baseline), "recording", None)
    assert (document["judged_on"].split(";")[0], document["window_bins"]) == ("1 of 5 repeats", 32)
    rows = {row["statistic"]: row for row in document["statistics"]}
    assert tuple(rows) == (*SPIKE_STATISTICS, *DYNAMIC_STATISTICS)
    for row in rows.values():
        assert set(row) == ROW
        assert row["ratio"] == pytest.approx(row["error"] / row["floor"])
        if row["statistic"] in SPIKE_STATISTICS or row["low"] is not None:  # bursts are rare here
            assert row["low"] <= row["ratio"] <= row["high"]
    for prefix, group in (("", SPIKE_STATISTICS), ("dynamic_", DYNAMIC_STATISTICS)):
        ratios = [rows[key]["ratio"] for key in group]
        assert document[f"{prefix}mean_ratio"] == pytest.approx(np.mean(ratios))
        assert rows[document[f"{prefix}worst"]]["ratio"] == max(ratios)
    for auc in ("two_sample_auc", "real_two_sample_auc", "memorisation_auc"):
        assert 0 <= document[auc] <= 1
    assert all(np.isfinite(list(document["published_errors"].values())))


def test_equal_seeds_give_equal_verdicts(capsys, judged, baseline, data):
    one = judged(baseline, data)
    again, other = (evaluated(capsys, baseline, "--data", data, "--seed", seed) for seed in (0, 4))
    assert one == again
    assert one["statistics"] != other["statistics"]


def test_more_of_the_same_is_better_than_noise(capsys, spikes, data, tmp_path, random):
    noise = (random.random((60, 64, 4)) < spikes.mean()).astype(np.uint8)
    fresh, noisy = (
        evaluated(capsys, save(tmp_path / f"{name}.npz", samples), "--data", data, "--window-bins", 32)
        for name, samples in (("fresh", spikes[60:]), ("noise", noise))
    )
    assert fresh["mean_ratio"] < noisy["mean_ratio"]
    assert fresh["mean_ratio"] == pytest.approx(1, abs=0.5)


def test_samples_copied_from_training_are_found_out(capsys, spikes, data, tmp_path):
    trained_on = spikes[:60][np.arange(60) % 5 != 4]
    copied = evaluated(capsys, save(tmp_path / "copied.npz", trained_on), "--data", data, "--window-bins", 64)
    assert copied["exact_duplicates"] == 1


def test_samples_without_a_bin_size_have_the_recordings(capsys, spikes, data, tmp_path):
    np.savez(tmp_path / "samples.npz", spikes=spikes[60:, :32])
    document = evaluated(capsys, tmp_path / "samples.npz", "--data", data)
    assert (document["judged_on"], document["window_bins"]) == ("1 of 5 repeats", 32)


def test_a_continuous_recording_is_judged_by_parts_spread_over_time(capsys, spikes, tmp_path):
    data = save(tmp_path / "continuous.npz", spikes[:120].reshape(-1, 4))
    samples = save(tmp_path / "samples.npz", spikes[120:].reshape(-1, 4))
    judged_on = evaluated(capsys, samples, "--data", data)["judged_on"]
    assert judged_on == "the last 20% of each of 5 stretches of time"
    document = evaluated(capsys, samples, "--data", data, "--repeat-bins", 64, "--hold-out", 4)
    assert document["judged_on"] == "1 of 4 repeats"


def test_counts_above_1_are_judged_too(capsys, tmp_path, random):
    real, model = (random.poisson(0.8, (60, 64, 3)) for _ in range(2))
    document = evaluated(
        capsys, save(tmp_path / "model.npz", model), "--data", save(tmp_path / "real.npz", real), "--window-bins", 32
    )
    assert document["mean_ratio"] == pytest.approx(1, abs=0.5)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # see the next test
def test_silent_samples_and_single_units_are_judged_too(capsys, spikes, data, tmp_path):
    silent = save(tmp_path / "silent.npz", np.zeros_like(spikes[60:]))
    assert evaluated(capsys, silent, "--data", data, "--window-bins", 32)["mean_ratio"] > 1.5
    single = [save(tmp_path / f"{name}.npz", part[..., :1]) for name, part in (("a", spikes[60:]), ("b", spikes[:60]))]
    document = evaluated(capsys, single[0], "--data", single[1], "--window-bins", 32)
    covariance = next(row for row in document["statistics"] if row["statistic"] == "covariance")
    assert (covariance["ratio"], covariance["verdict"]) == (None, "nothing to compare")


def test_a_rate_that_some_draws_meet_exactly_gives_no_warning(capsys, spikes, tmp_path):
    single = [save(tmp_path / f"{name}.npz", part[..., :1]) for name, part in (("a", spikes[60:]), ("b", spikes[:60]))]
    document = evaluated(capsys, single[0], "--data", single[1], "--window-bins", 32)  # pytest makes warnings errors
    rates = document["statistics"][0]
    assert rates["statistic"] == "rates"
    assert rates["low"] is None or rates["low"] <= rates["ratio"] <= rates["high"]


def test_words_say_what_json_does(capsys, judged, baseline, data):
    document = judged(baseline, data)
    with pytest.raises(SystemExit):
        main(["evaluate", str(baseline), "--data", str(data)])
    printed = capsys.readouterr().out
    assert f"mean E/F {document['mean_ratio']:.2f}" in printed
    assert f"({title_of(document['worst'])})" in printed
    assert f"two-sample AUC {document['two_sample_auc']:.3f}" in printed
    assert f"memorisation AUC {document['memorisation_auc']:.3f}" in printed


def test_the_report_is_one_page_that_needs_nothing_else(capsys, baseline, data, tmp_path):
    report = tmp_path / "new" / "report.html"
    document = evaluated(capsys, baseline, "--data", data, "--report", report)
    assert document["report"] == str(report)
    page = report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == page.count("</svg>") >= 1
    links = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'\s>]*)", page) + re.findall(r"url\(([^)]*)\)", page)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"<script|<link|<iframe|@import", page)
    for name in (*SPIKE_STATISTICS, *DYNAMIC_STATISTICS):
        assert f">{title_of(name)}</td>" in page
    assert f"{document['mean_ratio']:.2f}" in page
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]


def test_names_from_files_are_escaped_in_the_report(capsys, spikes, tmp_path):
    names = ["<script>alert(1)</script>", "a&b", "$x_1$", "d"]
    data = save(tmp_path / "<b>.npz", spikes[:60], unit_names=np.array(names))
    samples = save(tmp_path / "<i>.npz", spikes[60:])
    evaluated(capsys, samples, "--data", data, "--report", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<b>|<i>", page)


def test_a_report_where_no_file_can_be_is_a_failure(capsys, baseline, data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, said = fails(capsys, "evaluate", baseline, "--data", data, "--report", tmp_path / "file" / "report.html")
    assert code == 1
    assert "could not write" in said


@pytest.fixture
def odd(tmp_path, spikes) -> Path:
    """A folder of files that don't fit the recording, each in its own way."""
    some = spikes[60:]
    save(tmp_path / "units.npz", some[..., :3])
    save(tmp_path / "bins.npz", some, bin_size_s=0.002)
    save(tmp_path / "nan.npz", np.where(some > 0, np.nan, 0.0))
    save(tmp_path / "short.npz", some[:1, :40])
    save(tmp_path / "few.npz", some[:2])
    np.savez(tmp_path / "empty.npz", other=np.zeros(3))
    (tmp_path / "damaged.npz").write_bytes(b"PK damaged")
    np.savez(tmp_path / "stateless.npz", spikes=some)
    tiny_baseline(tmp_path / "five", "k_pairwise", units=5)
    tiny_baseline(tmp_path / "slow", "k_pairwise", bin_size_s=0.02)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("units.npz", "units.npz has 3 units, recording 4"),
        ("five", "five has 5 units, recording 4"),
        ("bins.npz", "bins of 2 ms, recording of 1 ms; expected the same"),
        ("slow", "bins of 20 ms, recording of 1 ms; expected the same"),
        ("nan.npz", "found NaN for some units only"),
        ("short.npz", "expected at least"),
        ("few.npz", "expected at least"),
        ("empty.npz", "expected an array named spikes"),
        ("damaged.npz", "not a readable .npz file"),
        ("missing.npz", "no such file"),
        ("missing", "no bundle named or at"),
    ],
)
def test_models_that_do_not_fit_the_recording_are_told(capsys, data, odd, model, message):
    code, said = fails(capsys, "evaluate", odd / model, "--data", data)
    assert code == 2
    assert message in said


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        ("short.npz", "expected repeats of at least 32 bins (one window), found 8"),
        ("few.npz", "expected repeats of at least 32 bins (one window), found 12"),
        ("nan.npz", "found NaN for some units only"),
        ("missing.npz", "no such file"),
        ("stateless.npz", "no bin_size_s in the file"),
        ("retna", "no recording named"),
    ],
)
def test_recordings_that_can_not_be_judged_by_are_told(capsys, baseline, odd, recording, message):
    path = odd / recording if recording.endswith(".npz") else recording
    code, said = fails(capsys, "evaluate", baseline, "--data", path)
    assert code == 2
    assert message in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--report", "report.pdf"], "--report: expected a file ending in .html"),
        (["--hold-out", 1], "--hold-out: expected a whole number from 2"),
        (["--hold-out", 0], "--hold-out: expected a whole number from 2"),
        (["--window-bins", 1], "--window-bins: expected a whole number from 2"),
        (["--window-bins", 65], "expected repeats of at least 65 bins"),
        (["--seed", -1], "--seed: expected"),
        (["--hold-out", 30], "expected at least 5 repeats"),
    ],
)
def test_options_out_of_range_are_told(capsys, baseline, data, options, message):
    code, said = fails(capsys, "evaluate", baseline, "--data", data, *options)
    assert code == 2
    assert message in said


def test_windows_longer_than_a_generators_are_refused(capsys, bundle_path, tmp_path, random):
    data = save(tmp_path / "wide.npz", random.random((20, 64, 96)) < 0.1)
    code, said = fails(capsys, "evaluate", bundle_path, "--data", data, "--window-bins", 33)
    assert code == 2
    assert "windows of 32 bins that don't go on from one to the next" in said


@pytest.mark.parametrize("family", ["dichotomized_gaussian", "k_pairwise"])
def test_a_baseline_from_recording_to_stream(start, capsys, monkeypatch, data, tmp_path, stream_name, family):
    monkeypatch.setitem(k_pairwise.PRESETS, "default", k_pairwise.KPairwiseConfig(chains=512, steps=100))
    document = printed_by(capsys, "train", "--family", family, "--data", data, "--out", tmp_path / "run")
    assert (document["family"], document["judged_on"]) == (family, "held-out repeats")
    assert {row["statistic"] for row in document["realism"]} == set(SPIKE_STATISTICS)
    document = printed_by(capsys, "export", tmp_path / "run", "--out", tmp_path / "mine.zip")
    assert document["sha256"] == load_bundle(tmp_path / "mine.zip").sha256
    stream = start("stream", tmp_path / "mine.zip", "--name", stream_name, "--duration", 1, "--json")
    printed, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0, errors
    streamed = json.loads(printed)
    assert (streamed["bundle"], streamed["sha256"], streamed["provider"]) == ("mine", document["sha256"], "NumPy")
    assert streamed["bins"] == 1000
    judged_on = evaluated(capsys, tmp_path / "mine.zip", "--data", data)["judged_on"]
    assert judged_on == "1 of 5 repeats, held out from training"


def test_what_can_not_be_written_is_told_before_the_work(capsys, data, tmp_path):
    (tmp_path / "taken.html").mkdir()
    code, said = fails(capsys, "evaluate", data, "--data", data, "--report", tmp_path / "taken.html")
    assert (code, "choose another" in said) == (1, True)
    code, said = fails(capsys, "evaluate", data, "--data", data, "--write-card")
    assert (code, "expected a bundle, which has a card" in said) == (2, True)


def test_a_verdict_in_the_card_is_what_models_prints(capsys, data, tmp_path):
    before = tiny_baseline(tmp_path / "mine", "k_pairwise")
    score = OneStepScore(0.25, 0.02, False, 100, 20)
    card = replace(before.card, realism={"one_step": asdict(score)})
    write_bundle(tmp_path / "mine", card, b"", b"", before.reference, before.parameters)
    document = printed_by(capsys, "evaluate", tmp_path / "mine", "--data", data, "--write-card")
    after = load_bundle(tmp_path / "mine")
    assert after.card.realism["mean_ratio"] == pytest.approx(document["mean_ratio"], abs=1e-4)
    assert after.card.files == before.card.files
    assert document["one_step"] == after.card.realism["one_step"] == asdict(score)
    with pytest.raises(SystemExit):
        main(["models", str(tmp_path / "mine")])
    printed = capsys.readouterr().out
    assert f"mean E/F {document['mean_ratio']:.2f}, worst" in printed
    assert f"forecast of the next bin {score.in_words()}" in printed
    assert f"dynamic statistics: mean E/F {document['dynamic_mean_ratio']:.2f}" in printed


# Conditional bundles are judged by what they themselves answered with another seed: they are perfect.

BIN_S, LEAD = 0.05, 4
MOVEMENT = (Condition("position", "cm", -3, 3), Condition("velocity", "cm/s", -3, 3))


def movement(bins: int) -> np.ndarray:
    """Smooth noise, (bins, 2)."""
    random = np.random.Generator(np.random.Philox(11))
    values = np.zeros((bins, 2), np.float32)
    for bin_, step in enumerate(random.standard_normal((bins - 1, 2)), 1):
        values[bin_] = 0.9 * values[bin_ - 1] + 0.6 * step
    return values


def save_driven(path: Path, spikes: np.ndarray, conditions: np.ndarray, names: tuple[str, ...]) -> Path:
    return save(path, spikes, bin_size_s=BIN_S, conditions=conditions, condition_names=np.array(names))


@pytest.fixture(scope="module")
def moved(tmp_path_factory) -> tuple[Path, Path]:
    """A bundle that answers to the movement some bins ahead, and a recording of 400 s."""
    folder = tmp_path_factory.mktemp("moved")
    bundle = tiny_stream_bundle(folder / "mine", 12, MOVEMENT, "counts", bin_size_s=BIN_S)
    card = replace(bundle.card, latency_bins=LEAD)
    write_bundle(folder / "mine", card, bundle.generator, b"", bundle.reference, bundle.parameters)
    values = movement(8000 + LEAD)
    spikes = open_source(bundle, 99, "cpu").next(8000, values[LEAD:])
    return folder / "mine", save_driven(folder / "real.npz", spikes, values[:-LEAD], ("position", "velocity"))


@pytest.fixture(scope="module")
def stimulated(tmp_path_factory) -> tuple[Path, Path]:
    """A bundle that answers to a phase of 64 bins, and a recording of 60 repeats."""
    folder = tmp_path_factory.mktemp("stimulated")
    bundle = tiny_stream_bundle(folder / "mine", 4, (phase_condition(64),), slow=2, bin_size_s=BIN_S)
    phase = np.tile(np.arange(64, dtype=np.float32), 60)[:, np.newaxis]
    spikes = open_source(bundle, 99, "cpu").next(64 * 60, phase).reshape(60, 64, 4)
    return folder / "mine", save(folder / "real.npz", spikes, bin_size_s=BIN_S)


def test_a_bundle_that_answers_to_movement_is_judged_by_its_answers(judged, moved):
    document = judged(*moved)
    assert document["judged_on"] == "the last 20% under its conditions"
    assert document["mean_ratio"] == pytest.approx(1, abs=0.3)
    assert (document["responses"], document["seam_ratio"], document["seam_covariance_ratio"]) == (None, None, None)
    channels = [(row["decoder"], row["channel"]) for row in document["decoding"]]
    assert channels == [(each, name) for each in ("ridge", "Kalman") for name in ("position", "velocity")]
    for row in document["decoding"]:
        assert row["ratio"] == pytest.approx(row["synthetic"] / row["real"])
    assert [row["ratio"] for row in document["decoding"][:2]] == pytest.approx([1, 1], abs=0.15)  # 0.8, 0.5 unled
    continuous = {row["statistic"]: row for row in document["continuous"]["statistics"]}
    assert set(continuous["population_count_divergence"]) == ROW
    assert continuous["correlation"]["ratio"] == pytest.approx(1, abs=0.4)
    assert document["continuous"]["population_variance_ratio"] == pytest.approx(1, abs=0.1)


def test_a_bundle_that_answers_to_a_stimulus_is_judged_by_its_answers(judged, stimulated):
    document = judged(*stimulated)
    assert document["judged_on"] == "1 of 5 repeats under its conditions"
    assert (document["continuous"], document["decoding"]) == (None, None)
    responses = document["responses"]
    assert responses["repeats"] == 12
    assert responses["psth_correlation"] == pytest.approx(responses["psth_reachable"], abs=0.05)
    assert set(responses["noise_correlation"]) == ROW
    assert responses["noise_correlation"]["ratio"] == pytest.approx(1, abs=0.4)


MOVED = {"tuning: correlation of counts and condition", "decoding held-out data, by what the decoder learned from"}
STIMULATED = {"noise correlations", "mean rate of all units (PSTH)"}


def test_answers_are_told_in_words_in_the_report_and_in_the_card(capsys, judged, moved, stimulated, tmp_path):
    for (bundle, data), pictures, words in (
        (moved, MOVED, ("population count KL", "ridge", "velocity", "variance of the population count")),
        (stimulated, STIMULATED, ("PSTH correlation", "noise correlation")),
    ):
        report, mine = tmp_path / "report.html", tmp_path / f"{data.parent.name}.zip"
        found = load_bundle(bundle)
        write_bundle(mine, found.card, found.generator, b"", found.reference, found.parameters)
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(mine), "--data", str(data), "--report", str(report), "--write-card"])
        assert stopped.value.code == 0
        printed, page = capsys.readouterr().out, report.read_text(encoding="utf-8")
        assert all(word in printed for word in words)
        assert pictures <= set(Outline(page).panels)
        assert words[0] in page
        document = judged(bundle, data)
        realism = load_bundle(mine).card.realism
        assert {key: realism.get(key) for key in ("responses", "continuous", "decoding")} == {
            key: document[key] for key in ("responses", "continuous", "decoding")
        }


def test_recordings_without_what_a_bundle_answers_to_are_told(capsys, moved, stimulated, tmp_path):
    bundle, data = moved
    with np.load(data) as arrays:
        spikes, conditions = arrays["spikes"], arrays["conditions"]
    turned = save_driven(tmp_path / "turned.npz", spikes, conditions, ("velocity", "position"))
    bare = save(tmp_path / "bare.npz", spikes, bin_size_s=BIN_S)
    longer = save(tmp_path / "longer.npz", spikes[:6400, :4].reshape(64, 100, 4), bin_size_s=BIN_S)
    for model, recording, message in (
        (bundle, turned, "answers to position, velocity; turned has velocity, position; expected the same"),
        (bundle, bare, "answers to position, velocity; bare has no conditions"),
        (stimulated[0], longer, "answers to a stimulus of 64 bins, longer has repeats of 100; expected as many"),
    ):
        code, said = fails(capsys, "evaluate", model, "--data", recording)
        assert (code, message in " ".join(said.split())) == (2, True), said


def test_an_unconditional_stream_is_judged_at_any_length_whatever_drove_the_recording(capsys, moved, tmp_path):
    tiny_stream_bundle(tmp_path / "mine", 12, (), "counts", bin_size_s=BIN_S)
    document = evaluated(capsys, tmp_path / "mine", "--data", moved[1], "--window-bins", 37)
    assert (document["window_bins"], document["judged_on"]) == (37, "the last 20%")
    assert len(document["seam_covariance_ratio"]) == 5
    assert {document[key] for key in ("responses", "continuous", "decoding")} == {None}


def test_fluorescence_is_judged_by_what_needs_no_spikes(capsys, data, tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "mine", 4, (), "fluorescence", bin_size_s=BIN_S)
    traces = open_source(bundle, 99, "cpu").next(60 * 64).reshape(60, 64, 4)
    np.savez(tmp_path / "traces.npz", fluorescence=traces, bin_size_s=BIN_S)
    report = tmp_path / "report.html"
    document = evaluated(capsys, tmp_path / "mine", "--data", tmp_path / "traces.npz", "--report", report)
    found = [row["statistic"] for row in document["statistics"]]
    assert found == [*TRACE_STATISTICS, "cross_correlograms", "participation_ratio"]
    assert 0.5 < document["mean_ratio"] < 2  # a floor of twelve repeats is one draw
    assert document["published_errors"] is None
    assert "statistics that need spikes" in report.read_text(encoding="utf-8")
    code, said = fails(capsys, "evaluate", tmp_path / "mine", "--data", data)
    assert (code, "gives fluorescence, recording is spikes" in said) == (2, True)
