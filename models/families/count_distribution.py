"""The distribution of a count n with probability proportional to exp(w[n] + n * g): its normaliser, and draws.

The sum over counts is a polynomial in x = exp(g) whose coefficients exp(w[n]) are a unit's own, and is evaluated by
Horner's rule, count by count, so that no tensor has an axis of counts and no count costs an exponential of its own. The
polynomial's derivative gives the expected count, and so the gradient. All is computed in double precision, with counts
in blocks of so few that no power of x overflows.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

__all__ = ["log_normaliser", "soft_counts"]

LARGEST_EXPONENT = 600.0  # of a power of x within a block; exp(709) overflows
NEGLIGIBLE = 1e-3  # a probability, in units of the precision of what is given
FEW = 32  # counts
ELEMENTS_AT_ONCE = 2**16  # on a CPU, so that what the levels work on stays in its cache


def log_normaliser(weights: Tensor, given: Tensor) -> Tensor:
    """Compute log(sum over n of exp(w[n] + n * g)), differentiable once.

    Parameters
    ----------
    weights : tensor of shape (units, counts)
    given : tensor of shape (..., units)

    Returns
    -------
    tensor of shape (..., units)
    """
    return _LogNormaliser.apply(weights, given)


def soft_counts(weights: Tensor, given: Tensor, uniform: Tensor) -> Tensor:
    """Draw counts with the gradient of the expected count (straight-through).

    Parameters
    ----------
    weights : tensor of shape (units, counts)
    given, uniform : tensors of shape (..., units)
        The count is the largest one below which less than `uniform` of the probability lies.

    Returns
    -------
    tensor of shape (..., units)
    """
    return _SoftCounts.apply(weights, given, uniform)


class _Block(NamedTuple):
    """Some counts of some units.

    Attributes
    ----------
    first : int
        The smallest count.
    scale : tensor of shape (units, 1)
        The largest weight.
    coefficients : tensor of shape (units, counts)
        exp(weights - scale).
    """

    first: int
    scale: Tensor
    coefficients: Tensor


class _LogNormaliser(Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, given: Tensor) -> Tensor:
        by_unit = _by_unit(given)
        log_sum, mean = torch.empty_like(by_unit), torch.empty_like(by_unit)
        ctx.parts = _parts(weights, by_unit, given.dtype)
        for units, blocks in ctx.parts:
            log_sum[units], mean[units] = _log_sum_and_mean(blocks, by_unit[units])
        ctx.save_for_backward(weights, by_unit, log_sum, mean)
        return _as_given(log_sum, given)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        weights, by_unit, log_sum, mean = ctx.saved_tensors
        slope = _by_unit(gradient)
        of_given = _as_given(slope * mean, gradient)
        if not ctx.needs_input_grad[0]:
            return None, of_given
        of_weights = torch.zeros_like(weights, dtype=torch.float64)
        for units, blocks in ctx.parts:
            x = torch.exp(by_unit[units])
            for block in blocks:
                power = _first_power(block, by_unit[units], log_sum[units]).mul_(slope[units])
                _columns(of_weights, block)[units] = _sums_of_powers(power, x, block)
        return of_weights.to(weights.dtype), of_given


class _SoftCounts(Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, given: Tensor, uniform: Tensor) -> Tensor:
        by_unit, wanted = _by_unit(given), _by_unit(uniform)
        log_sum, mean = torch.empty_like(by_unit), torch.empty_like(by_unit)
        square, counts = torch.zeros_like(by_unit), torch.zeros_like(by_unit)
        ctx.parts = _parts(weights, by_unit, given.dtype)
        for units, blocks in ctx.parts:
            log_sum[units], mean[units] = _log_sum_and_mean(blocks, by_unit[units])
            square[units], counts[units] = _mean_square_and_draw(blocks, by_unit[units], log_sum[units], wanted[units])
        ctx.save_for_backward(weights, by_unit, log_sum, mean, square)
        return _as_given(counts, given)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor, None]:
        weights, by_unit, log_sum, mean, square = ctx.saved_tensors
        slope = _by_unit(gradient)
        of_given = _as_given(slope * (square - mean.square()), gradient)
        if not ctx.needs_input_grad[0]:
            return None, of_given, None
        of_weights = torch.zeros_like(weights, dtype=torch.float64)
        for units, blocks in ctx.parts:
            x = torch.exp(by_unit[units])
            for block in blocks:  # the gradient of the mean is p(n) * (n - mean)
                power = _first_power(block, by_unit[units], log_sum[units]).mul_(slope[units])
                plain, with_mean = _sums_of_powers(torch.stack([power, power * mean[units]]), x, block)
                _columns(of_weights, block)[units] = _numbers(block) * plain - with_mean
        return of_weights.to(weights.dtype), of_given, None


def _by_unit(values: Tensor) -> Tensor:
    """Bring units to the front, (units, n), in double precision."""
    return values.reshape(-1, values.shape[-1]).T.contiguous().double()


def _as_given(by_unit: Tensor, given: Tensor) -> Tensor:
    return by_unit.to(given.dtype).T.reshape(given.shape)


def _parts(weights: Tensor, by_unit: Tensor, precision: torch.dtype) -> list[tuple[Any, list[_Block]]]:
    """Divide units into groups of about as many counts, and their counts into blocks; counts without mass are left out.

    Returns
    -------
    list of (index, list of _Block)
        What picks the group's units out of all, and the blocks of these.
    """
    weights = weights.detach().double()
    largest = by_unit.abs().max().item() if by_unit.numel() else 0.0
    length = int(min(weights.shape[1], 1 + LARGEST_EXPONENT / max(largest, 1.0)))  # of a block; all where it is NaN
    if by_unit.numel() * weights.shape[1] <= ELEMENTS_AT_ONCE * FEW:
        return [(slice(None), _blocks(weights, 0, weights.shape[1], length))]  # to leave out counts would cost more
    first, last = _counts_with_mass(weights, by_unit, math.log(NEGLIGIBLE * torch.finfo(precision).eps))
    units_at_once = max(1, ELEMENTS_AT_ONCE // by_unit.shape[1]) if by_unit.device.type == "cpu" else len(by_unit)
    groups = last.argsort().split(units_at_once)
    ranges = [(int(first[units].min()), int(last[units].max()) + 1) for units in groups]
    return [(units, _blocks(weights[units], *span, length)) for units, span in zip(groups, ranges, strict=True)]


def _blocks(weights: Tensor, low: int, high: int, length: int) -> list[_Block]:
    starts = range(low, high, length)
    return [_block(weights, start, min(start + length, high)) for start in starts]


def _block(weights: Tensor, start: int, stop: int) -> _Block:
    part = weights[:, start:stop]
    scale = part.amax(1, keepdim=True)
    return _Block(start, scale, torch.exp(part - scale))


def _counts_with_mass(weights: Tensor, by_unit: Tensor, negligible: float) -> tuple[Tensor, Tensor]:
    """Find the first and the last count of each unit, (units,), that has more than negligible probability at any g.

    A count is most likely at the g at which it is the mean. So where it is less than every mean it is likeliest at the
    smallest g, and where it is more than every mean at the largest.
    """
    counts = torch.arange(weights.shape[1], device=weights.device)
    ends = torch.stack([by_unit.amin(1), by_unit.amax(1)])[..., None]  # (2, units, 1)
    logarithm = torch.log_softmax(weights + counts * ends, dim=-1)  # (2, units, counts)
    least, most = (logarithm.exp() * counts).sum(-1, keepdim=True)
    has_mass = (logarithm > negligible).any(0) | ((counts > least) & (counts < most))
    first = has_mass.int().argmax(1)
    last = weights.shape[1] - 1 - has_mass.int().flip(1).argmax(1)
    return first, last


def _log_sum_and_mean(blocks: list[_Block], by_unit: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the logarithm of the sum over counts, and the expected count, (units, n)."""
    x = torch.exp(by_unit)
    log_sum, mean = _of_block(blocks[0], by_unit, x)
    for block in blocks[1:]:
        log_part, mean_part = _of_block(block, by_unit, x)
        together = torch.logaddexp(log_sum, log_part)
        mean += (mean_part - mean) * torch.exp(log_part - together)
        log_sum = together
    return log_sum, mean


def _of_block(block: _Block, by_unit: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate a block's polynomial and its derivative by Horner's rule."""
    columns = block.coefficients.unsqueeze(-1)  # (units, counts, 1)
    total, slope = columns[:, -1].expand_as(x).clone(), torch.zeros_like(x)
    for index in reversed(range(columns.shape[1] - 1)):
        torch.addcmul(total, slope, x, out=slope)
        torch.addcmul(columns[:, index], total, x, out=total)
    mean = slope.mul_(x).div_(total).add_(block.first)
    return total.log_().add_(block.scale).add_(by_unit, alpha=block.first), mean


def _first_power(block: _Block, by_unit: Tensor, log_sum: Tensor) -> Tensor:
    """Compute by what a block's coefficients are multiplied, the first of them, to become probabilities."""
    return torch.exp((block.first * by_unit).sub_(log_sum).add_(block.scale))


def _sums_of_powers(power: Tensor, x: Tensor, block: _Block) -> Tensor:
    """Sum a block's terms over all but units, (..., units, n) to (..., units, counts)."""
    sums = [power.sum(-1)]
    sums += [power.mul_(x).sum(-1) for _ in range(block.coefficients.shape[1] - 1)]
    return torch.stack(sums, -1).mul_(block.coefficients)


def _mean_square_and_draw(
    blocks: list[_Block], by_unit: Tensor, log_sum: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the mean of squared counts, and the count at which the probability reaches `uniform`, (units, n)."""
    x, left, sign = torch.exp(by_unit), uniform.clone(), torch.empty_like(by_unit)
    square, signs = torch.zeros_like(x), torch.zeros_like(x)
    for block in blocks:
        power = _first_power(block, by_unit, log_sum)
        columns = block.coefficients.unsqueeze(-1)  # (units, counts, 1)
        squares = _numbers(block).square()[:, None] * columns
        for coefficient, squared in zip(columns.unbind(1), squares.unbind(1), strict=True):
            square.addcmul_(power, squared)
            left.addcmul_(power, coefficient, value=-1)
            signs += torch.sign(left, out=sign)  # quicker than a comparison
            power.mul_(x)
    first, most = blocks[0].first, blocks[-1].first + blocks[-1].coefficients.shape[1] - 1
    positive = signs.add_(most + 1 - first).mul_(0.5).floor_()
    return square, positive.add_(first).clamp_(max=most)  # all are positive where rounding leaves something of the last


def _numbers(block: _Block) -> Tensor:
    start, device = block.first, block.scale.device
    return torch.arange(start, start + block.coefficients.shape[1], dtype=torch.float64, device=device)


def _columns(of_weights: Tensor, block: _Block) -> Tensor:
    return of_weights[:, block.first : block.first + block.coefficients.shape[1]]
