import numpy as np
import pytest

from spikeloop.exporters.export import export_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.families import dichotomized_gaussian, k_pairwise
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.registry import BASELINES, load_baseline
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.measures.similarity import statistics_of
from spikeloop.models.measures.table import SPIKE_STATISTICS
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.recordings.windows import cut_windows, hold_out
from spikeloop.models.training.checkpoint import CHECKPOINT, read_checkpoint, sole_writer, write_checkpoint
from spikeloop.models.training.fit_baseline import WINDOW_BINS, fit
from tests.support.tiny_baseline import tiny_model


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    short = k_pairwise.KPairwiseConfig(chains=1024, steps=200)
    monkeypatch.setitem(k_pairwise.PRESETS, "default", short)
    few = dichotomized_gaussian.DichotomizedGaussianConfig(repairs=20)
    monkeypatch.setitem(dichotomized_gaussian.PRESETS, "default", few)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return correlated_groups(windows=80, window_bins=64, units=6, spike_probability=0.1, seed=1)


@pytest.mark.parametrize("family", BASELINES)
def test_a_fit_becomes_a_bundle_that_holds_its_parameters_and_no_network(family, recording, tmp_path):
    similarity = fit(recording, family, tmp_path / "run")
    bundle = export_bundle(tmp_path / "run", tmp_path / "mine.zip")
    card = bundle.card
    assert (card.name, card.family, card.kind) == ("mine", family, "stream")
    assert (card.window_bins, card.latent_size, card.bin_size_s) == (WINDOW_BINS, 0, 0.001)
    assert card.unit_names == recording.unit_names
    assert (bundle.generator, bundle.critic) == (b"", b"")
    assert set(card.files) == {"parameters.npz", "reference.npz"}
    training, _ = hold_out(recording, 5)
    expected = load_baseline(family).fit(training, load_baseline(family).presets["default"], lambda share: None)
    assert bundle.parameters.keys() == expected.arrays().keys()
    for name, value in expected.arrays().items():
        np.testing.assert_array_equal(bundle.parameters[name], value)
    reference = statistics_of(cut_windows(training, WINDOW_BINS))
    for name, value in reference.items():
        np.testing.assert_allclose(bundle.reference[name], value)
    assert {each.statistic: each.error for each in similarity} == {
        name: figures["error"] for name, figures in card.realism["statistics"].items()
    }


@pytest.mark.parametrize("family", BASELINES)
def test_its_similarity_is_that_of_a_model_that_learned_something(family, recording, tmp_path):
    similarity = {each.statistic: each for each in fit(recording, family, tmp_path)}
    assert tuple(similarity) == tuple(SPIKE_STATISTICS)
    assert similarity["covariance"].error < 0.7 * similarity["covariance"].ceiling


@pytest.mark.parametrize("family", BASELINES)
def test_a_baseline_with_a_likelihood_is_scored_by_it(family, tmp_path):
    recording = correlated_groups(windows=80, window_bins=64, units=6, spike_probability=0.1, correlation=0.6, seed=1)
    fit(recording, family, tmp_path)
    score = parse_one_step(read_checkpoint(tmp_path)[1]["realism"])
    if family == "dichotomized_gaussian":
        assert score is None
        return
    assert score is not None
    assert not score.is_bound
    assert score.bins == 80 // 5 * 64
    assert score.bits_per_spike > score.independent_bits_per_spike + 0.5  # units of a group fire together


def test_the_checkpoint_says_what_was_fitted_to_what(recording, tmp_path):
    told = []
    fit(recording, "dichotomized_gaussian", tmp_path, "stationary", hold_out=0, seed=3, on_progress=told.append)
    _, description = read_checkpoint(tmp_path)
    settings = description["settings"]
    assert (settings["family"], settings["preset"]) == ("dichotomized_gaussian", "stationary")
    assert (settings["hold_out"], settings["seed"], settings["config"]["lags"]) == (0, 3, 20)
    assert description["realism"]["judged_on"] == "training data"
    assert (description["recording"]["repeats"], description["recording"]["bins"]) == (80, 64)
    assert told[-1] == pytest.approx(1)


def test_a_fit_again_replaces_the_first_and_never_another_run(recording, tmp_path):
    fit(recording, "dichotomized_gaussian", tmp_path)
    fit(recording, "dichotomized_gaussian", tmp_path, "stationary")
    assert read_checkpoint(tmp_path)[1]["settings"]["preset"] == "stationary"
    with pytest.raises(BadInputError, match="holds another run .dichotomized_gaussian of .*; choose another --out"):
        fit(recording, "k_pairwise", tmp_path)
    with pytest.raises(BadInputError, match="holds another run"):
        fit(Recording(recording.counts[1:], 0.001, recording.unit_names), "dichotomized_gaussian", tmp_path)
    assert read_checkpoint(tmp_path)[1]["settings"]["preset"] == "stationary"


def test_unknown_presets_and_unsuitable_recordings_are_told_before_anything_is_written(recording, tmp_path):
    with pytest.raises(BadInputError, match="no preset named 'fast'; dichotomized_gaussian has default, stationary"):
        fit(recording, "dichotomized_gaussian", tmp_path / "run", "fast")
    short = Recording(recording.counts[:, :31], 0.001, recording.unit_names)
    with pytest.raises(BadInputError, match="at least 32 bins"):
        fit(short, "k_pairwise", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    twice = Recording(2 * recording.counts, 0.001, recording.unit_names)
    with pytest.raises(BadInputError, match="at most one spike in a bin"):
        fit(twice, "k_pairwise", tmp_path / "run")
    assert not (tmp_path / "run" / CHECKPOINT).exists()


def test_a_folder_that_another_writes_to_is_left_alone(recording, tmp_path):
    with sole_writer(tmp_path), pytest.raises(BadInputError, match="another training writes to"):
        fit(recording, "dichotomized_gaussian", tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_checkpoint_without_its_parameters_is_not_exported(recording, tmp_path):
    fit(recording, "k_pairwise", tmp_path)
    tensors, description = read_checkpoint(tmp_path)
    write_checkpoint(tmp_path, {k: v for k, v in tensors.items() if k != "parameters.fields"}, description)
    with pytest.raises(BadInputError, match="expected the arrays of a k-pairwise model"):
        export_bundle(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", BASELINES)
def test_any_number_of_bins_is_drawn_and_equal_seeds_are_equal(family):
    model = tiny_model(family)
    runs = 2 * model.run_bins
    whole = draw_bins(model, runs + 1, 6)
    for bins in (1, model.run_bins - 1, model.run_bins, model.run_bins + 1, runs + 1):
        drawn = draw_bins(model, bins, 6)
        assert drawn.shape == (bins, 4)
        assert drawn.dtype == np.uint8
        np.testing.assert_array_equal(drawn, whole[:bins])
    assert not np.array_equal(draw_bins(model, runs, 7), whole[:runs])
