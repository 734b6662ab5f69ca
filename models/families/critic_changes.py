"""How a critic's score changes when a unit's spikes are rearranged: exactly, and approximately.

Importance maps (Molano-Mazon et al. 2018, section 3.3) are made of both. Both compute only what can change: a
rearrangement of one unit within a few bins reaches only a few positions of the first convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.families.critic import HISTOGRAM_BINS, LEAK, ConvolutionalCritic, CountViews, Critic, weight_of

__all__ = ["SPAN_BINS", "ScoreChanges", "SpikeEffects"]

SPAN_BINS = 8  # bins within which a rearrangement may move spikes; the published window


class ScoreChanges(nn.Module):
    """Compute by how much rearrangements of single units change the score.

    Parameters
    ----------
    critic : Critic
        With a convolutional body.
    span_bins : int, bins
        Within which a rearrangement moves spikes.
    """

    def __init__(self, critic: Critic, span_bins: int = SPAN_BINS) -> None:
        super().__init__()
        assert isinstance(critic.body, ConvolutionalCritic)
        self.critic = critic
        self.convolutions = _ConvolutionChanges(critic.body, span_bins)
        self.views = _ViewChanges(critic.views) if critic.views is not None else None

    def forward(
        self, window: Tensor, unit: Tensor, first: Tensor, change: Tensor, conditions: Tensor | None = None
    ) -> Tensor:
        """Compute the score of each rearranged window less that of the window itself.

        Parameters
        ----------
        window : tensor of shape (bins, units)
        unit : tensor of shape (changes,), int64
        first : tensor of shape (changes,), int64
            The first bin of the span that holds the change, at most bins - span.
        change : tensor of shape (changes, bins)
            What is added to the unit's counts: sums to 0, and is 0 outside the span.
        conditions : tensor of shape (bins, channels), optional

        Returns
        -------
        tensor of shape (changes,)
        """
        scale = self.critic.scale.expand(window.shape[1])
        scaled = change / scale.index_select(0, unit)[:, None]
        changed = self.convolutions(window / scale, unit, first, scaled)
        if self.views is not None:
            changed = changed + self.views(window, unit, change)
        if self.critic.projection is not None and conditions is not None:
            slopes = self.critic.projection.slopes(conditions[None])[0]
            changed = changed + (slopes.T.index_select(0, unit) * scaled).sum(1)
        return changed


class _ConvolutionChanges(nn.Module):
    """The same for the convolutional body alone.

    Positions are counted from the first that any span reaches, which may lie before the window; `before` and
    `before_second` are how far. Groups of positions begin at multiples of the stride, so that which tap of the second
    convolution meets which position is the same for all.
    """

    def __init__(self, body: ConvolutionalCritic, span_bins: int) -> None:
        super().__init__()
        self.body = body
        self.kernel, self.stride = body.first.kernel_size[0], body.first.stride[0]
        kernel, stride = self.kernel, self.stride
        self.padding = int(body.first.padding[0])
        self.offset = self.padding - kernel + stride
        groups_before = max(0, -(self.offset // stride**2))
        self.offset += groups_before * stride**2
        self.before = groups_before * stride
        last = [(bin_ + span_bins - 1 + self.padding) // stride for bin_ in range(stride**2)]
        begin = [((bin_ + self.offset) // stride**2 - groups_before) * stride for bin_ in range(stride**2)]
        self.positions = max(end - start + 1 for end, start in zip(last, begin, strict=True))
        reached = [
            (position + self.padding - tap) // stride
            for position in range(self.positions)
            for tap in range(kernel)
            if (position + self.padding - tap) % stride == 0
        ]
        self.earliest = min(reached)
        self.before_second = groups_before - self.earliest
        self.second_positions = max(reached) - self.earliest + 1

    def forward(self, window: Tensor, unit: Tensor, first: Tensor, change: Tensor) -> Tensor:
        body, stride = self.body, self.stride
        drive = body.first(window.T[None])  # (1, features, positions)
        drive_second = body.second(F.leaky_relu(drive, LEAK))
        group = (first + self.offset) // stride**2  # (changes,)
        place = group[:, None] * stride + torch.arange(self.positions)
        inside = (place >= self.before) & (place < self.before + drive.shape[2])
        before = _at(F.pad(drive, (self.before, self.positions))[0].T, place)
        after = before + self._first_changes(unit, group, change)
        hidden = _leaky_change(before, after) * inside[:, :, None]
        place = group[:, None] + torch.arange(self.second_positions)
        margins = (self.before_second, self.second_positions)
        before = F.pad(drive_second, margins)[0].T  # (positions, features)
        weight = F.pad(body.score.weight.view(-1, drive_second.shape[2]), margins).T
        unchanged = (F.leaky_relu(before, LEAK) * weight).sum(1)
        after = _at(before, place) + self._second_changes(hidden)
        changed = (F.leaky_relu(after, LEAK) * _at(weight, place)).sum((1, 2))
        return changed - _at(unchanged, place).sum(1)

    def _first_changes(self, unit: Tensor, group: Tensor, change: Tensor) -> Tensor:
        """Compute the changes of the first convolution, (changes, positions, features)."""
        field = torch.arange(self.positions)[:, None] * self.stride + torch.arange(self.kernel)
        margin = (self.before * self.stride + self.padding, self.positions * self.stride + self.kernel)
        padded = F.pad(change, margin)
        fields = padded.gather(1, group[:, None] * self.stride**2 + field.flatten())
        weight = self.body.first.weight.permute(1, 2, 0)  # (units, kernel, features)
        return fields.unflatten(1, field.shape) @ weight.index_select(0, unit)

    def _second_changes(self, hidden: Tensor) -> Tensor:
        """Compute the changes of the second convolution, (changes, positions, features), as matrix products."""
        total = torch.zeros(())
        for phase in range(self.stride):
            taps = [tap for tap in range(self.kernel) if (phase + self.padding - tap) % self.stride == 0]
            if not taps:  # of a kernel shorter than the stride
                continue
            weight = torch.cat([self.body.second.weight[:, :, tap].T for tap in taps], 1)
            rows = hidden[:, phase :: self.stride]
            parts = (rows @ weight).chunk(len(taps), 2)
            for tap, part in zip(taps, parts, strict=True):
                shift = (phase + self.padding - tap) // self.stride - self.earliest
                total = total + F.pad(part, (0, 0, shift, self.second_positions - shift - rows.shape[1]))
        return total


class _ViewChanges(nn.Module):
    """The same for the sums over whole windows. A unit's count stays as it is, so that only three parts change."""

    def __init__(self, views: CountViews) -> None:
        super().__init__()
        self.views = views
        largest = (
            int(views.histogram_step * (HISTOGRAM_BINS + HISTOGRAM_BINS // 4)) + 2
        )  # population count, beyond which nothing counts
        self.populations = torch.arange(largest + 1, dtype=torch.float32)

    def forward(self, window: Tensor, unit: Tensor, change: Tensor) -> Tensor:
        views, units = self.views, window.shape[1]
        train, population = window.T.index_select(0, unit), window.sum(1)
        new = train + change
        products = [(new[:, lag:] * new[:, :-lag] - train[:, lag:] * train[:, :-lag]).sum(1) for lag in views.lags]
        changes = torch.stack(products, 1)[:, None]  # (changes, 1, lags)
        of_lags = slice(-len(views.lags) * units, None)
        weight = weight_of(views.units, 0)[:, of_lags].T.unflatten(0, (-1, units)).transpose(0, 1)
        before = views.units[0](views.features(window[None]))
        after = before + (changes @ weight.index_select(0, unit))[:, 0]
        changed = _leaky_change(before, after) @ weight_of(views.units, 2)[0]
        directly = views.units_directly.weight[0, of_lags].view(-1, units).T
        changed = changed + (changes[:, 0] * directly.index_select(0, unit)).sum(1)
        before = views.time_course[0](population[None])
        after = before + change @ weight_of(views.time_course, 0).T
        changed = changed + _leaky_change(before, after) @ weight_of(views.time_course, 2)[0]
        return changed + (self._histogram_score(population + change) - self._histogram_score(population[None])).sum(1)

    def _histogram_score(self, population: Tensor) -> Tensor:
        """Look up what a bin of so many spikes adds to the score, in a table of whole numbers."""
        table = self.views.histogram_score(self.populations[None])[0]
        return _at(table, population.round().long().clamp(0, len(self.populations) - 1))


class SpikeEffects(nn.Module):
    """Estimate what one spike more adds to a critic's score in each bin of each unit; where there is one, what it adds.

    Linear but where a linear estimate is poor: see `effects` of the critic's parts.

    Parameters
    ----------
    critic : Critic
        With a convolutional body.
    """

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        assert isinstance(critic.body, ConvolutionalCritic)
        self.critic = critic

    def forward(self, windows: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Estimate the effects in windows, both of shape (windows, bins, units); without what a unit's total does."""
        critic, body = self.critic, self.critic.body
        assert isinstance(body, ConvolutionalCritic)
        signs = torch.where(windows > 0, -1.0, 1.0)
        effects = body.effects(windows / critic.scale, signs, 1 / critic.scale.expand(windows.shape[2]))
        if critic.projection is not None and conditions is not None:
            effects = effects + critic.projection.slopes(conditions) / critic.scale
        return effects if critic.views is None else effects + critic.views.effects(windows, signs)


def _at(rows: Tensor, place: Tensor) -> Tensor:
    """Select rows at places of any shape; ONNX Runtime is quicker with flat ones."""
    return rows.index_select(0, place.flatten()).unflatten(0, place.shape)


def _leaky_change(before: Tensor, after: Tensor) -> Tensor:
    return F.leaky_relu(after, LEAK) - F.leaky_relu(before, LEAK)
