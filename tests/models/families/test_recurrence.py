import pytest
import torch
from torch import nn

from spikeloop.models.families.recurrence import run_through


@pytest.fixture
def _seeded():
    torch.manual_seed(0)


def problem(windows, bins, inputs, size, dtype=torch.float64):
    unit = nn.GRU(inputs, size, batch_first=True).to(dtype)
    given = torch.randn(windows, bins, inputs, dtype=dtype, requires_grad=True)
    return unit, given, torch.randn(windows, size, dtype=dtype, requires_grad=True)


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize(("windows", "bins"), [(1, 1), (1, 9), (5, 1), (4, 12)])
def test_states_and_gradients_are_those_of_torch(windows, bins):
    unit, given, first = problem(windows, bins, 3, 6)
    expected, found = unit(given, first[None])[0], run_through(unit, given, first)
    torch.testing.assert_close(found, expected)
    slopes, learned = torch.randn_like(found), (given, first, *unit.parameters())
    both = (torch.autograd.grad((states * slopes).sum(), learned) for states in (found, expected))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.usefixtures("_seeded")
def test_gradients_are_those_of_finite_differences():
    unit, given, first = problem(2, 4, 2, 3)
    assert torch.autograd.gradcheck(lambda *of: run_through(unit, *of), (given, first))


@pytest.mark.usefixtures("_seeded")
def test_a_first_state_that_all_windows_share_is_learned():
    unit, given, _ = problem(3, 5, 2, 4)
    shared = torch.randn(4, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(run_through(unit, given, shared.expand(3, -1)).sum(), shared)
    (expected,) = torch.autograd.grad(unit(given, shared.expand(1, 3, -1).contiguous())[0].sum(), shared)
    torch.testing.assert_close(found, expected)
