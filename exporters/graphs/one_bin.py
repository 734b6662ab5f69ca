"""One bin of a causal generator in few operators, each of which costs ONNX Runtime more than its arithmetic.

The counts are those of `Generator.forward`, but for rounding. Gates have matrices of their own, so that no product is
cut apart; of the modes' factors the row of the mode that was drawn is picked; what does not depend on the state, and
is rounded alike in any chunk, is computed for all bins at once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from spikeloop.models.families.causal_generator import SMALLEST_UNIFORM, Generator, State

__all__ = ["NOISE", "BinNoise", "OneBin"]

NOISE = ("gumbel", "of_units")  # what `BinNoise` makes of uniform numbers


class BinNoise(nn.Module):
    """From uniform numbers to what bins need of them; of all bins at once, as no bin's depends on another.

    Parameters
    ----------
    generator : Generator
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.sizes = [generator.modes, generator.units]

    def forward(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Make Gumbel noise of the modes and uniform numbers of the units of (bins, batch, modes + units)."""
        of_modes, of_units = uniform.clamp(SMALLEST_UNIFORM, 1 - SMALLEST_UNIFORM).split(self.sizes, dim=-1)
        gumbel = -torch.log(-torch.log(of_modes.double()))  # rounded alike wherever in a chunk a bin lies
        return gumbel.float(), of_units


class OneBin(nn.Module):
    """A bin for ONNX: flat inputs in the order of `names`, without those of size 0.

    Parameters
    ----------
    generator : Generator
    names : tuple of str
        Of the inputs that there are, of `condition`, `normal`, those of `NOISE` and the fields of `State`.
    """

    def __init__(self, generator: Generator, names: tuple[str, ...]) -> None:
        super().__init__()
        self.generator: Any = generator
        self.names = names
        self.recurrence = _Recurrence(generator.recurrence)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Compute the bin's counts, and the state after it."""
        by_name, generator = dict(zip(self.names, given, strict=True)), self.generator
        gumbel, of_units = (by_name[name] for name in NOISE)
        nothing = of_units[:, :0]
        slow = generator.next_slow(by_name["slow"], by_name["normal"]) if "slow" in by_name else nothing
        drive = generator.drive(by_name.get("condition", nothing), slow)
        seen = generator.input_projection(generator.emission.seen(by_name["previous"]))
        hidden = self.recurrence([seen, *drive], by_name["hidden"])
        mode = (generator.mode_logits(hidden) + gumbel).argmax(1, keepdim=True)
        factors = _row(generator.factor_head(hidden).unflatten(1, (generator.modes, -1)), mode)
        if generator.direct_factors is not None:
            factors = factors + generator.direct_factors(_joined(drive))
        effects = generator.effects(drive, by_name.get("history", nothing))
        counts = generator.emission.draw(generator.emission_head(factors) + effects, by_name["previous"], of_units)
        after = {"hidden": hidden, "previous": counts.clone(), "slow": slow}
        if generator.own_history is not None:
            after["history"] = generator.own_history.after(by_name["history"], counts)
        return counts, *(after[name] for name in State._fields if name in by_name)


class _Recurrence(nn.Module):
    """A step of a gated recurrent unit, with a matrix for each gate."""

    def __init__(self, unit: nn.GRU) -> None:
        super().__init__()
        given_weight, hidden_weight, given_bias, hidden_bias = unit.all_weights[0]
        both = [torch.cat(parts, 1) for parts in zip(given_weight.chunk(3), hidden_weight.chunk(3), strict=True)]
        reset, update, _ = zip(both, (given_bias + hidden_bias).chunk(3), strict=True)
        self.reset, self.update = _linear(*reset), _linear(*update)
        self.fresh = _linear(given_weight.chunk(3)[2], given_bias.chunk(3)[2])
        self.kept = _linear(hidden_weight.chunk(3)[2], hidden_bias.chunk(3)[2])

    def forward(self, given: list[Tensor], hidden: Tensor) -> Tensor:
        both = torch.cat([*given, hidden], 1)
        reset, update = torch.sigmoid(self.reset(both)), torch.sigmoid(self.update(both))
        proposed = torch.tanh(self.fresh(_joined(given)) + reset * self.kept(hidden))
        return proposed + update * (hidden - proposed)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


def _row(rows: Tensor, place: Tensor) -> Tensor:
    """Pick of each batch entry's rows, (batch, rows, size), the one at its place, (batch, 1)."""
    if torch.compiler.is_exporting():
        shape = (rows.shape[0], rows.shape[2])
        return torch.onnx.ops.symbolic(
            "GatherND", (rows, place), attrs={"batch_dims": 1}, dtype=rows.dtype, shape=shape
        )
    return rows[torch.arange(len(rows)), place[:, 0]]
