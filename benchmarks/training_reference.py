"""The parts of a training step as they were first written: plain, differentiated by torch, and slower.

`python -m benchmarks training` times them beside those in use, which compute the same.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor, nn

from spikeloop.models.families import causal_gan, causal_generator
from spikeloop.models.families.emission import Counts
from spikeloop.models.families.shared_batch import WHOLE, Share

__all__ = ["as_first_written", "critic_loss", "draw_softly", "log_probability", "run_through"]


def run_through(unit: nn.GRU, given: Tensor, first: Tensor) -> Tensor:
    """Run a recurrent unit through windows as torch does."""
    return unit(given, first.unsqueeze(0).contiguous())[0]


def log_probability(counts: Counts, values: Tensor, before: Tensor, given: Tensor) -> Tensor:  # noqa: ARG001
    """Compute the log probability of counts with a tensor of modes x units x levels."""
    of_counts = counts.weights.expand(*values.shape, -1).gather(-1, values.long().unsqueeze(-1)).squeeze(-1)
    normaliser = torch.logsumexp(counts.weights + counts.number * given.unsqueeze(-1), dim=-1).sum(-1)
    return of_counts.sum(-1, keepdim=True) + torch.einsum("...u,...mu->...m", values, given) - normaliser


def draw_softly(counts: Counts, given: Tensor, before: Tensor, uniform: Tensor) -> Tensor:  # noqa: ARG001
    """Draw counts with a tensor of units x levels."""
    probability = torch.softmax(counts.weights + counts.number * given.unsqueeze(-1), dim=-1)
    expected = (probability * counts.number).sum(-1)
    drawn = (uniform.unsqueeze(-1) > probability.cumsum(-1)[..., :-1]).to(probability.dtype).sum(-1)
    return drawn.detach() + (expected - expected.detach())


def critic_loss(
    critic: nn.Module,
    real: Tensor,
    fake: Tensor,
    penalty: float,
    random: torch.Generator,
    conditions: Tensor | None = None,
    share: Share = WHOLE,
) -> Tensor:
    """Compute the critic's loss with one pass for real, fake and what lies between."""
    mix = share.uniform((len(real), 1, 1), random)
    between = torch.lerp(real, fake, mix).requires_grad_()
    scores = critic(torch.cat([real, fake, between]), None if conditions is None else conditions.repeat(3, 1, 1))
    score_real, score_fake, score_between = scores.split(len(real))
    (gradient,) = torch.autograd.grad(score_between.sum(), between, create_graph=True)
    slopes = gradient.flatten(1).norm(dim=1)
    return score_fake.mean() - score_real.mean() + penalty * (slopes - 1).square().mean()


@contextmanager
def as_first_written() -> Iterator[None]:
    """Let models learn by these parts."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(causal_generator, "run_through", run_through))
        stack.enter_context(patch.object(Counts, "log_probability", log_probability))
        stack.enter_context(patch.object(Counts, "draw_softly", draw_softly))
        stack.enter_context(patch.object(causal_gan, "critic_loss", critic_loss))
        yield
