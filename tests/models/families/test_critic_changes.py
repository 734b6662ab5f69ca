"""How a critic answers to rearranged spikes, against the scores of whole windows."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from torch import Tensor

from spikeloop.models.families.critic import FEW, ConditionProjection, ConvolutionalCritic, CountViews, Critic
from spikeloop.models.families.critic_changes import ScoreChanges, SpikeEffects, convolution_of
from spikeloop.models.importance.patches import SPAN_BINS, cut_patches

UNITS, CHANNELS = 5, 2


def random_critic(
    bins: int, kernel: int = 5, stride: int = 2, views=True, projection=True, scale: ArrayLike = 1.0, seed=0
) -> Critic:
    torch.manual_seed(seed)
    body = ConvolutionalCritic(bins, UNITS, features=6, kernel=kernel, stride=stride)
    seen = CountViews(bins, UNITS, most_at_once=30.0, width=12) if views else None
    encoder = torch.nn.Sequential(torch.nn.Linear(CHANNELS, 4), torch.nn.Tanh())
    driven = ConditionProjection(encoder, 4, UNITS, kernel) if projection else None
    return Critic(body, seen, driven, scale).double()


def random_window(bins: int, most: int, seed: int) -> Tensor:
    random = np.random.Generator(np.random.Philox(seed))
    return torch.from_numpy(random.binomial(most, 0.3, (bins, UNITS)).astype(float))


def rearranged(window: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every unit in every span once in another order: units, first bins and changes."""
    random = np.random.Generator(np.random.Philox(seed))
    places = list(product(range(UNITS), range(len(window) - SPAN_BINS + 1)))
    change = torch.zeros(len(places), len(window), dtype=window.dtype)
    for row, (unit, first) in enumerate(places):
        span = window[first : first + SPAN_BINS, unit].numpy()
        change[row, first : first + SPAN_BINS] = torch.from_numpy(random.permutation(span) - span)
    unit, first = torch.tensor(places).T
    return unit, first, change


@torch.no_grad()
def changes(
    critic: Critic, window: Tensor, unit: Tensor, first: Tensor, change: Tensor, given: Tensor | None
) -> Tensor:
    """In float64, so that rounding hides nothing."""
    body: Any = critic.body
    cut = cut_patches(unit.numpy(), first.numpy(), change.float().numpy(), convolution_of(body))
    patches = (torch.from_numpy(part) for part in cut)
    return ScoreChanges(critic)(window, unit, first, change, *patches, given)


@torch.no_grad()
def differences(critic: Critic, window: Tensor, unit: Tensor, change: Tensor, conditions: Tensor | None) -> Tensor:
    """What whole windows say."""
    windows = window.repeat(len(unit), 1, 1)
    windows[torch.arange(len(unit)), :, unit] += change
    given = None if conditions is None else conditions[None]
    return critic(windows, None if given is None else given.repeat(len(unit), 1, 1)) - critic(window[None], given)


@given(
    kernel=st.sampled_from([1, 3, 5, 7, 9]),
    stride=st.sampled_from([1, 2, 3]),
    blocks=st.integers(1, 9),
    views=st.booleans(),
    projection=st.booleans(),
    scaled=st.booleans(),
    most=st.sampled_from([1, 4, 30]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_changes_are_differences_of_whole_windows(kernel, stride, blocks, views, projection, scaled, most, seed):
    least = -(-SPAN_BINS // stride**2)
    bins = stride**2 * (least + blocks - 1)
    scale = np.linspace(0.5, 6, UNITS) if scaled else 1.0
    critic = random_critic(bins, kernel, stride, views, projection, scale, seed)
    window = random_window(bins, most, seed)
    conditions = torch.randn(bins, CHANNELS, dtype=window.dtype) if projection else None
    unit, first, change = rearranged(window, seed)
    found = changes(critic, window, unit, first, change, conditions)
    torch.testing.assert_close(found, differences(critic, window, unit, change, conditions), rtol=1e-9, atol=1e-9)


def test_a_change_may_stand_anywhere_in_its_span():
    """Which span a change is said to lie in is the same, as long as it holds it."""
    critic, window = random_critic(32), random_window(32, 1, 0)
    conditions = torch.zeros(32, CHANNELS, dtype=window.dtype)
    window[12, 3], window[13, 3] = 1, 0
    change = torch.zeros(6, 32, dtype=window.dtype)
    change[:, 12], change[:, 13] = -1, 1
    found = changes(critic, window, torch.full((6,), 3), torch.arange(6, 12), change, conditions)
    assert abs(found[0]) > 1e-4
    torch.testing.assert_close(found, found[:1].expand(6))


def test_nothing_moved_changes_nothing():
    critic, window = random_critic(16), random_window(16, 3, 1)
    nothing = torch.zeros(4, 16, dtype=window.dtype)
    conditions = torch.ones(16, CHANNELS, dtype=window.dtype)
    found = changes(critic, window, torch.arange(4), torch.arange(4), nothing, conditions)
    torch.testing.assert_close(found, torch.zeros_like(found))


@torch.no_grad()
def without_switches(critic: Critic) -> Critic:
    """What lies beyond the first convolution made linear, and what a unit's total does made nothing."""
    body: Any = critic.body
    body.second.bias += 100
    if critic.views is not None:
        views: Any = critic.views
        of_totals = UNITS * (1 + FEW)
        views.units[0].bias += 100
        views.time_course[0].bias += 100
        for layer in (views.units[0], views.units_directly):
            layer.weight[:, :of_totals] = 0
    return critic


@torch.no_grad()
def finite_differences(critic: Critic, windows: Tensor, conditions: Tensor | None) -> Tensor:
    found = torch.empty_like(windows)
    for place in product(*map(range, windows.shape[1:])):
        sign = torch.where(windows[:, *place] > 0, -1.0, 1.0)
        changed = windows.clone()
        changed[:, *place] += sign
        found[:, *place] = sign * (critic(changed, conditions) - critic(windows, conditions))
    return found


@torch.no_grad()
def single_effects(critic: Critic, windows: Tensor, conditions: Tensor | None) -> Tensor:
    """What one count more, or the one that is there, adds: of its own, in pairs, and to the population's count."""
    spikes, slopes, scores = SpikeEffects(critic)(windows, conditions)
    signs = torch.where(windows > 0, -1, 1)
    bins, effects = windows.shape[1], spikes.clone()
    for lag in range(1, slopes.shape[1] + 1):
        paired = torch.zeros_like(windows)
        paired[:, : bins - lag] += windows[:, lag:]
        paired[:, lag:] += windows[:, : bins - lag]
        effects += slopes[:, lag - 1 : lag] * paired
    population, most = windows.sum(2, keepdim=True).long(), scores.shape[1] - 1
    table = scores[0]
    return effects + signs * (table[(population + signs).clamp(0, most)] - table[population.clamp(0, most)])


@pytest.mark.parametrize("views", [True, False])
@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "bins"), [(5, 2, 12), (1, 1, 8), (3, 3, 18), (7, 2, 8), (3, 1, 9)])
@pytest.mark.parametrize("most", [1, 4])
def test_effects_are_finite_differences_where_nothing_switches_behind_the_first_layer(
    views, projection, kernel, stride, bins, most
):
    scale = np.linspace(0.5, 3, UNITS)
    critic = without_switches(random_critic(bins, kernel, stride, views, projection, scale))
    windows = torch.stack([random_window(bins, most, seed) for seed in range(2)])
    conditions = torch.randn(2, bins, CHANNELS, dtype=windows.dtype) if projection else None
    found = single_effects(critic, windows, conditions)
    torch.testing.assert_close(found, finite_differences(critic, windows, conditions), rtol=1e-6, atol=1e-6)


def test_effects_of_a_whole_critic_go_with_finite_differences():
    """Where layers behind the first switch they are near, not equal."""
    critic = random_critic(32, views=False)
    windows = torch.stack([random_window(32, 1, seed) for seed in range(4)])
    conditions = torch.randn(4, 32, CHANNELS, dtype=windows.dtype)
    found = single_effects(critic, windows, conditions)
    expected = finite_differences(critic, windows, conditions)
    assert np.corrcoef(found.flatten(), expected.flatten())[0, 1] > 0.97
    assert not torch.allclose(found, expected, atol=1e-4)
