from contextlib import nullcontext
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.models.families import count_distribution
from spikeloop.models.families.count_distribution import log_normaliser, soft_counts

problems = given(
    seed=st.integers(0, 2**32 - 1),
    largest=st.integers(1, 255),
    spread=st.sampled_from([0.1, 3.0, 50.0, 400.0]),
    reach=st.floats(0.0, 30.0),
    in_groups=st.booleans(),
)
often = settings(max_examples=60)


def problem(seed, largest, spread, reach, dtype=torch.float64):
    """Weights of that spread, parameters from -reach to reach, and uniform numbers."""
    random = torch.Generator().manual_seed(seed)
    weights = spread * torch.randn(5, largest + 1, generator=random, dtype=dtype)
    parameters = reach * (2 * torch.rand(7, 2, 5, generator=random, dtype=dtype) - 1)
    uniform = torch.rand(parameters.shape, generator=random, dtype=dtype)
    return weights.requires_grad_(), parameters.requires_grad_(), uniform


def scores(weights, parameters):
    return weights + torch.arange(weights.shape[1]) * parameters.unsqueeze(-1)


def mean_and_draw(weights, parameters, uniform):
    """By the softmax over counts."""
    probability = torch.softmax(scores(weights, parameters), -1)
    mean = (probability * torch.arange(weights.shape[1])).sum(-1)
    return mean, (uniform.unsqueeze(-1) > probability.cumsum(-1)[..., :-1]).sum(-1)


def gradients(result, slopes, *of):
    return torch.autograd.grad((result * slopes).sum(), of)


def divided(in_groups):
    """Small problems are one part; divide these as large ones are."""
    return patch.multiple(count_distribution, ELEMENTS_AT_ONCE=20, FEW=0) if in_groups else nullcontext()


@problems
@often
def test_the_normaliser_is_the_logarithm_of_the_sum_with_its_gradients(seed, largest, spread, reach, in_groups):
    weights, parameters, slopes = problem(seed, largest, spread, reach)
    expected = torch.logsumexp(scores(weights, parameters), -1)
    with divided(in_groups):
        found = log_normaliser(weights, parameters)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
    both = (gradients(each, slopes, weights, parameters) for each in (found, expected))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@problems
@often
def test_draws_are_those_of_the_softmax_with_the_gradients_of_the_mean(seed, largest, spread, reach, in_groups):
    weights, parameters, uniform = problem(seed, largest, spread, reach)
    mean, expected = mean_and_draw(weights, parameters, uniform)
    with divided(in_groups):
        found = soft_counts(weights, parameters, uniform)
    assert torch.equal(found, expected.double())
    both = (gradients(each, uniform, weights, parameters) for each in (found, mean))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-7 * largest)


@pytest.mark.parametrize("reach", [0.5, 200.0])
def test_gradients_are_those_of_finite_differences(reach):
    """At 200 no power of two counts fits into a block."""
    weights, parameters, _ = problem(0, 6, 1.0, reach)
    assert torch.autograd.gradcheck(log_normaliser, (weights, parameters))


def test_single_precision_is_kept_and_loses_nothing_of_it():
    weights, parameters, slopes = problem(1, 40, 3.0, 5.0, torch.float32)
    found, expected = log_normaliser(weights, parameters), torch.logsumexp(scores(weights, parameters), -1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    both = (gradients(each, slopes, weights, parameters) for each in (found, expected))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_counts_without_mass_are_left_out():
    """A Poisson unit of 1 spike a bin and one of 100: 255 counts and more, of which each needs few."""
    weights = -torch.lgamma(torch.arange(256.0) + 1).repeat(2, 1).double()
    by_unit = torch.log(torch.tensor([[0.9, 1.1], [90.0, 110.0]]).double())
    first, last = count_distribution._counts_with_mass(weights, by_unit, negligible=-23.0)
    assert first.tolist()[0] == 0
    assert last.tolist()[0] < 20
    assert 30 < first.tolist()[1] < 50
    assert 170 < last.tolist()[1] < 200


def test_nothing_learned_is_asked_for_nothing():
    """The gradient of fixed weights is not computed."""
    weights, parameters, uniform = problem(2, 5, 1.0, 1.0)
    for result in (log_normaliser(weights.detach(), parameters), soft_counts(weights.detach(), parameters, uniform)):
        result.sum().backward()
    assert weights.grad is None
    assert parameters.grad is not None


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(wrong):
    """So that a training that diverges is noticed."""
    weights, parameters, uniform = (each.detach() for each in problem(3, 5, 1.0, 1.0))
    parameters[0, 0, 0] = wrong
    for in_groups in (False, True):
        with divided(in_groups):
            assert not torch.isfinite(log_normaliser(weights, parameters)[0, 0, 0])
            soft_counts(weights, parameters, uniform)  # ends without an error
