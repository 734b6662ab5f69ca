"""Critics of bundles that ship, on ONNX Runtime."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.importance.maps import SPAN_BINS, exact_importance, gradient_importance
from spikeloop.models.importance.summary import agreement
from spikeloop.streamer.inference.critic_engine import Critic
from tests.support.tiny_baseline import tiny_baseline

BINS = 32


@pytest.fixture(scope="module")
def retina_bundle() -> Bundle:
    return load_bundle("retina")


@pytest.fixture(scope="module")
def driven_bundle() -> Bundle:
    """Counts above 1, and conditions."""
    return load_bundle("m1_jango")


def windows_of(bundle: Bundle, windows: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """Random windows, (windows, bins, units), and conditions for them where the critic wants any."""
    card = bundle.card
    most = 1 if card.count_distribution == "bernoulli" else 6
    counts = random.binomial(most, 0.15, (windows, BINS, len(card.unit_names))).astype(np.float32)
    conditions = random.standard_normal((windows, BINS, len(card.conditions))).astype(np.float32)
    return counts, conditions if card.conditions else None


def rearrangements(window: np.ndarray, changes: int, random: np.random.Generator):
    unit = random.integers(window.shape[1], size=changes)
    first = np.arange(changes) % (len(window) - SPAN_BINS + 1)
    change = np.zeros((changes, len(window)), np.float32)
    for row in range(changes):
        span = window[first[row] : first[row] + SPAN_BINS, unit[row]]
        change[row, first[row] : first[row] + SPAN_BINS] = random.permutation(span) - span
    return unit, first, change


@pytest.mark.parametrize("which", ["retina_bundle", "driven_bundle"])
def test_changes_by_what_they_reach_are_those_of_whole_windows(request, random, which):
    bundle = request.getfixturevalue(which)
    whole = Critic(replace(bundle, critic_changes=b""), "cpu")
    local = Critic(bundle, "cpu")
    assert (local.local, whole.local) == (True, False)
    windows, conditions = windows_of(bundle, 1, random)
    given = None if conditions is None else conditions[0]
    unit, first, change = rearrangements(windows[0], 300, random)
    found, expected = (each.changes(windows[0], unit, first, change, given) for each in (local, whole))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("which", ["retina_bundle", "driven_bundle"])
def test_maps_of_effects_go_with_those_of_scores(request, random, which):
    bundle = request.getfixturevalue(which)
    critic = Critic(bundle, "cpu")
    windows, conditions = windows_of(bundle, 2, random)
    windows[:, :, 12:] = 0
    counts = windows.astype(np.uint8)
    exact = exact_importance(counts, critic, random, conditions=conditions).maps
    assert agreement(gradient_importance(counts, critic, random, conditions), exact, counts).rank_correlation > 0.9


@pytest.mark.parametrize("kernel", ["0", "9" * 30, "five"])
def test_a_graph_of_changes_that_says_nonsense_of_its_patches_is_refused(retina_bundle, kernel):
    graph = onnx.load_from_string(retina_bundle.critic_changes)
    onnx.helper.set_model_props(graph, {"kernel": kernel, "stride": "2", "padding": "2"})
    with pytest.raises(BadInputError, match="critic_changes.onnx says .* which is no convolution"):
        Critic(replace(retina_bundle, critic_changes=graph.SerializeToString()), "cpu")


def test_scores_do_not_depend_on_how_many_windows_there_are(retina_bundle, random):
    critic = Critic(retina_bundle, "cpu")
    windows, _ = windows_of(retina_bundle, 300, random)
    one_by_one = [critic.score(windows[[index]])[0] for index in (0, 255, 256, 299)]
    np.testing.assert_allclose(critic.score(windows)[[0, 255, 256, 299]], one_by_one, rtol=1e-4, atol=1e-4)
    assert critic.score(windows[:0]).shape == (0,)


def test_without_the_graph_of_changes_importance_is_the_same(retina_bundle, random):
    windows, _ = windows_of(retina_bundle, 1, random)
    windows[:, :, 3:] = 0
    with_it, without = (
        exact_importance(windows.astype(np.uint8), Critic(bundle, "cpu"), random)
        for bundle in (retina_bundle, replace(retina_bundle, critic_changes=b""))
    )
    assert with_it.changes == without.changes
    np.testing.assert_allclose(with_it.maps, without.maps, rtol=1e-3, atol=1e-3)


def test_without_the_graph_of_effects_the_user_hears_what_to_do(retina_bundle, random):
    windows, _ = windows_of(retina_bundle, 1, random)
    with pytest.raises(BadInputError, match="no critic_effects.onnx.*use the method exact"):
        Critic(replace(retina_bundle, critic_effects=b""), "cpu").effects(windows)


def test_a_family_without_a_critic_is_told(tmp_path):
    with pytest.raises(BadInputError, match="dichotomized_gaussian has no critic"):
        Critic(tiny_baseline(tmp_path / "tiny", "dichotomized_gaussian"))


def test_a_critic_that_wants_conditions_is_never_given_rest_instead(driven_bundle, random):
    critic = Critic(driven_bundle, "cpu")
    windows, conditions = windows_of(driven_bundle, 2, random)
    assert conditions is not None
    with pytest.raises(BadInputError, match=r"expected conditions \(2, 32, 4\), found none"):
        critic.score(windows)
    with pytest.raises(BadInputError, match=r"expected conditions \(2, 32, 4\), found \(2, 32, 3\)"):
        critic.effects(windows, conditions[..., :3])
    with pytest.raises(BadInputError, match=r"expected conditions \(32, 4\), found none"):
        critic.changes(windows[0], *rearrangements(windows[0], 2, random))
    assert not np.allclose(critic.score(windows, conditions), critic.score(windows, -conditions))


def test_windows_of_another_shape_are_told(retina_bundle):
    with pytest.raises(BadInputError, match="can't score these windows"):
        Critic(retina_bundle, "cpu").score(np.zeros((1, BINS, 7), np.float32))


@pytest.mark.parametrize("file", ["critic", "critic_changes", "critic_effects"])
def test_files_that_are_not_of_this_critic_are_refused(retina_bundle, driven_bundle, file):
    other = replace(retina_bundle, **{file: getattr(driven_bundle, file)})
    with pytest.raises(BadInputError, match=rf"{file}.onnx (inputs .* don't belong together|is no model)"):
        Critic(other, "cpu")
    with pytest.raises(BadInputError, match=f"{file}.onnx is no model"):
        Critic(replace(retina_bundle, **{file: b"nothing"}), "cpu")


def test_a_card_of_other_windows_is_refused(retina_bundle):
    with pytest.raises(BadInputError, match="don't belong together"):
        Critic(replace(retina_bundle, card=replace(retina_bundle.card, window_bins=64)), "cpu")
