from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from spikeloop.models.families.emission import RAREST, Bernoulli, Counts, Fluorescence, emission_of
from spikeloop.models.families.population import population_of_description

DRAWS = 40_000
UNLIKELY = 1e-4  # p-values at fixed seeds, so that no run differs from the next


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


def emission(distribution, units=3, largest=4) -> Any:
    description = {"name": "a", "unit_names": ["a"] * units, "distribution": distribution, "largest": largest}
    return emission_of(population_of_description(description))


def log_probability(emits, values, given, before=0.0):
    """Of single units, (n, 1), given (outputs,) alike."""
    then = torch.full_like(values, before)
    return emits.log_probability(values, then, given.expand(len(values), 1, -1))[:, 0].double()


def draws(emits, given, random, before=0.0):
    uniform = torch.rand(DRAWS, 1, generator=random).clamp(1e-7, 1 - 1e-7)
    return emits.draw(given.expand(DRAWS, -1), torch.full((DRAWS, 1), before), uniform)[:, 0]


def test_a_population_has_the_kind_that_it_needs():
    for distribution, kind in (("bernoulli", Bernoulli), ("counts", Counts), ("fluorescence", Fluorescence)):
        emits = emission(distribution)
        assert type(emits) is kind
        assert emits.start().shape == (emits.outputs * 3,)


@pytest.mark.parametrize("log_odds", [-6.0, -0.5, 3.0])
def test_a_spike_or_none_is_certain_and_as_likely_as_its_log_odds(random_numbers, log_odds):
    emits, given = emission("bernoulli", 1), torch.tensor([log_odds])
    both = log_probability(emits, torch.tensor([[0.0], [1.0]]), given).exp()
    assert both.sum().item() == pytest.approx(1, abs=1e-6)
    assert both[1].item() == pytest.approx(1 / (1 + np.exp(-log_odds)), rel=1e-5)
    spikes = int(draws(emits, given, random_numbers).sum())
    assert scipy.stats.binomtest(spikes, DRAWS, both[1].item()).pvalue > UNLIKELY


@pytest.mark.parametrize("log_rate", [-4.0, 0.0, 1.0, 6.0])
def test_counts_start_as_poisson_cut_off_at_the_largest(log_rate):
    emits, numbers = emission("counts", 1), np.arange(5)
    found = log_probability(emits, torch.arange(5.0)[:, None], torch.tensor([log_rate])).detach()
    poisson = scipy.stats.poisson.pmf(numbers, np.exp(log_rate))
    np.testing.assert_allclose(found.exp(), poisson / poisson.sum(), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("given", [-1.0, 0.5, 2.0])
def test_counts_of_any_weights_are_drawn_as_often_as_their_probability_says(random_numbers, given):
    emits, given = emission("counts", 1), torch.tensor([given])
    with torch.no_grad():
        emits.weights.copy_(torch.tensor([[0.3, -1.0, 0.5, -0.2, -2.0]]))  # neither Poisson nor unimodal
        probability = log_probability(emits, torch.arange(5.0)[:, None], given).exp().numpy()
        assert probability.sum() == pytest.approx(1, abs=1e-5)
        found = np.bincount(draws(emits, given, random_numbers).int().numpy(), minlength=5)
    assert scipy.stats.chisquare(found, DRAWS * probability / probability.sum()).pvalue > UNLIKELY


def test_every_unit_has_weights_of_its_own():
    emits = emission("counts", 2)
    with torch.no_grad():
        emits.weights[1, 3] += 5.0
    numbers, given = torch.arange(5.0), torch.zeros(1, 1, 2)
    one, other = (
        torch.stack([emits.log_probability(torch.stack(pair)[None], torch.zeros(1, 2), given) for pair in pairs])
        for pairs in ([(n, torch.tensor(0.0)) for n in numbers], [(torch.tensor(0.0), n) for n in numbers])
    )
    assert one.argmax() != 3
    assert other.argmax() == 3


QUIET, BUSY = (-3.0, -1.0, -1.0), (0.5, 0.7, -2.0)  # log odds, logarithmic size and its spread, of a transient


@pytest.mark.parametrize(("given", "before", "base"), [(QUIET, 0.0, 0.0), (BUSY, 6.0, 0.1), (BUSY, 0.0, -0.7)])
def test_fluorescence_has_a_density_and_a_share_at_zero_that_sum_to_one_and_draws_that_follow(
    random_numbers, given, before, base
):
    emits, given = imaged([3.0], [0.6], [base]), torch.tensor(given)
    grid = np.concatenate([np.linspace(1e-5, 12, 100_000), np.geomspace(12, 1e5, 20_000)[1:]])
    with torch.no_grad():
        density = log_probability(emits, torch.tensor(grid)[:, None].float(), given, before).exp().numpy()
        nothing = log_probability(emits, torch.zeros(1, 1), given, before).exp().item()
        drawn = draws(emits, given, random_numbers, before).numpy()
    below = nothing + scipy.integrate.cumulative_trapezoid(density, grid, initial=0)
    assert below[-1] == pytest.approx(1, abs=1e-3)
    assert drawn.min() >= 0
    assert scipy.stats.binomtest(int((drawn == 0).sum()), DRAWS, min(1, nothing)).pvalue > UNLIKELY
    share = (np.interp(drawn[drawn > 0], grid, below) - nothing) / (below[-1] - nothing)
    assert scipy.stats.kstest(share, "uniform").pvalue > UNLIKELY


def test_what_is_left_of_fluorescence_is_each_units_own_share():
    """Where there is no transient and hardly any noise, a bin is the share of the bin before."""
    emits = imaged([1.0, 5.0], [0.25, 0.9], [0.0, 0.0])
    with torch.no_grad():
        still = torch.tensor([[-12.0, -12.0, 0.0, 0.0, -4.0, -4.0]])
        after = emits.draw(still, torch.tensor([[8.0, 20.0]]), torch.full((1, 2), 0.5))
    torch.testing.assert_close(after, torch.tensor([[2.0, 18.0]]), rtol=1e-4, atol=1e-4)


def imaged(scale, left, base):
    """Of units with such deviations, shares that are left of a bin, and resting levels."""
    emits = emission("fluorescence", len(scale))
    emits.scale.copy_(torch.tensor(scale))
    with torch.no_grad():
        emits.left.copy_(torch.logit(torch.tensor(left)))
        emits.base.copy_(torch.tensor(base))
    return emits


@pytest.mark.parametrize("distribution", ["bernoulli", "counts"])
def test_soft_draws_are_the_draws_with_the_gradient_of_the_mean(random_numbers, distribution):
    emits = emission(distribution)
    given = torch.randn(500, 3, generator=random_numbers).requires_grad_()
    uniform, before = torch.rand(500, 3, generator=random_numbers), torch.zeros(500, 3)
    soft = emits.draw_softly(given, before, uniform)
    torch.testing.assert_close(soft, emits.draw(given, before, uniform), atol=2e-6, rtol=0)
    (found,) = torch.autograd.grad(soft.sum(), given, retain_graph=True)
    numbers = torch.arange(2.0 if distribution == "bernoulli" else 5.0)
    (expected,) = torch.autograd.grad(mean_of(emits, given, numbers).sum(), given)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def mean_of(emits, given, numbers):
    """By the probability of each count of one unit, the others at 0, normalised over it."""
    means = []
    for unit in range(given.shape[1]):
        values = torch.zeros(len(numbers), 1, given.shape[1])
        values[:, 0, unit] = numbers
        scores = torch.stack([emits.log_probability(each.expand_as(given), given, given[:, None]) for each in values])
        means.append((torch.softmax(scores[..., 0], 0) * numbers[:, None]).sum(0))
    return torch.stack(means, 1)


def test_soft_fluorescence_is_the_draw_with_gradients_through_the_trace_and_the_odds_of_a_transient(random_numbers):
    emits = imaged([3.0], [0.6], [0.1])
    given = torch.tensor(BUSY).repeat(200, 1).requires_grad_()
    before = torch.full((200, 1), 2.0, requires_grad=True)
    uniform = torch.rand(200, 1, generator=random_numbers)
    soft = emits.draw_softly(given, before, uniform)
    torch.testing.assert_close(soft, emits.draw(given, before, uniform))
    slopes, through = torch.autograd.grad(soft.sum(), (given, before))
    torch.testing.assert_close(through, torch.full((200, 1), 0.6))
    noise = torch.logit(torch.rand(100_000, generator=random_numbers))
    mean_size, odds = torch.exp(given[0, 1] + torch.exp(given[0, 2]) * noise).mean(), torch.sigmoid(given[0, 0])
    torch.testing.assert_close(slopes[:, 0].mean(), 3 * mean_size * odds * (1 - odds), rtol=0.05, atol=0)
    is_transient = uniform[:, 0] < torch.sigmoid(given[:, 0])
    assert slopes[is_transient, 1].min() > 0 == slopes[~is_transient, 1].abs().max()


def test_units_start_at_their_own_means():
    emits = emission("bernoulli")
    emits.means.copy_(torch.tensor([0.2, 0.0, 0.9]))
    torch.testing.assert_close(torch.sigmoid(emits.start()), torch.tensor([0.2, RAREST, 0.9]))
    emits = emission("counts", largest=30)
    emits.means.copy_(torch.tensor([0.2, 0.0, 4.0]))
    with torch.no_grad():
        started = mean_of(emits, emits.start()[None], torch.arange(31.0))[0]
    torch.testing.assert_close(started, torch.tensor([0.2, RAREST, 4.0]), rtol=1e-3, atol=0)


def test_the_network_reads_counts_and_fluorescence_on_a_gentler_scale():
    values = torch.tensor([[0.0, 1.0, 7.0]])
    torch.testing.assert_close(emission("bernoulli").seen(values), values)
    torch.testing.assert_close(emission("counts").seen(values), torch.log(1 + values))
    emits = emission("fluorescence")
    emits.scale.copy_(torch.tensor([1.0, 2.0, 7.0]))
    torch.testing.assert_close(emits.seen(values), torch.tensor([[0.0, 0.5, 1.0]]))
