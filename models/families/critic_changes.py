"""How a critic's score changes when a unit's spikes are rearranged: exactly, and approximately.

Importance maps (Molano-Mazon et al. 2018, section 3.3) are made of both. Both compute only what can change: a
rearrangement of one unit within a few bins reaches only a few positions of the first convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.families.critic import HISTOGRAM_BINS, LEAK, ConvolutionalCritic, CountViews, Critic, weight_of
from spikeloop.models.importance.patches import SPAN_BINS, Convolution

__all__ = ["ScoreChanges", "SpikeEffects", "convolution_of"]


class ScoreChanges(nn.Module):
    """Compute by how much rearrangements of single units change the score.

    Parameters
    ----------
    critic : Critic
        With a convolutional body.
    """

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        assert isinstance(critic.body, ConvolutionalCritic)
        self.critic = critic
        self.convolutions = _ConvolutionChanges(critic.body)
        self.views = _ViewChanges(critic.views) if critic.views is not None else None

    def forward(
        self,
        window: Tensor,
        unit: Tensor,
        first: Tensor,
        change: Tensor,
        patch_unit: Tensor,
        patch_position: Tensor,
        patch: Tensor,
        place: Tensor,
        conditions: Tensor | None = None,
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
        patch_unit, patch_position : tensors of shape (stride, patches), int64
        patch : tensor of shape (stride, patches, kernel)
        place : tensor of shape (positions, changes), int64
            The changes as patches; see `models.importance.patches`.
        conditions : tensor of shape (bins, channels), optional

        Returns
        -------
        tensor of shape (changes,)
        """
        scale = self.critic.scale.expand(window.shape[1])
        scaled = patch / _at(scale, patch_unit)[..., None]
        changed = self.convolutions(window / scale, first, patch_unit, patch_position, scaled, place)
        if self.views is not None:
            changed = changed + self.views(window, unit, first, change)
        if self.critic.projection is not None and conditions is not None:
            slopes = self.critic.projection.slopes(conditions[None])[0] / scale
            changed = changed + (slopes.T.index_select(0, unit) * change).sum(1)
        return changed


class _ConvolutionChanges(nn.Module):
    """The same for the convolutional body alone.

    The positions of a change begin at a multiple of the stride, so that which tap of the second convolution meets which
    position is the same for all.
    """

    def __init__(self, body: ConvolutionalCritic) -> None:
        super().__init__()
        self.body, self.convolution = body, convolution_of(body)
        kernel, stride, padding = self.convolution.kernel, self.convolution.stride, self.convolution.padding
        self.meets = [  # position of a change, tap of the second convolution, and the position of that
            (position, tap, (position + padding - tap) // stride)
            for position in range(self.convolution.span_positions)
            for tap in range(kernel)
            if (position + padding - tap) % stride == 0
        ]
        self.earliest = min(second for *_, second in self.meets)
        self.second_positions = max(second for *_, second in self.meets) - self.earliest + 1
        self.before_second = -(int(self.convolution.first_position(0)) // stride + self.earliest)

    def forward(
        self, window: Tensor, first: Tensor, unit: Tensor, position: Tensor, patch: Tensor, place: Tensor
    ) -> Tensor:
        body, stride = self.body, self.convolution.stride
        drive = body.first(window.T[None])  # (1, features, positions)
        drive_second = body.second(F.leaky_relu(drive, LEAK))
        weight = body.first.weight.permute(1, 2, 0).index_select(0, unit.flatten())  # (patches, kernel, features)
        driven = (patch.flatten(0, 1)[:, None] @ weight)[:, 0].unflatten(0, unit.shape)
        before = _at(drive[0].T, position)
        moved = self._second_changes(_leaky_change(before, before + driven), place)
        margins = (self.before_second, self.second_positions)
        before = _blocks(F.pad(drive_second, margins)[0].T, self.second_positions)
        weight = _blocks(F.pad(body.score.weight.view(-1, drive_second.shape[2]), margins).T, self.second_positions)
        unchanged = (F.leaky_relu(before, LEAK) * weight).sum(1)
        begin = self.convolution.first_position(first) // stride + self.earliest + self.before_second  # (changes,)
        after = F.leaky_relu(before.index_select(0, begin) + moved, LEAK)
        return (after * weight.index_select(0, begin)).sum(1) - unchanged.index_select(0, begin)

    def _second_changes(self, hidden: Tensor, place: Tensor) -> Tensor:
        """Compute the changes of the second convolution, (changes, positions * features), from those of patches.

        A patch is multiplied with the weights once, however many changes have it.
        """
        sums: dict[int, Tensor] = {}
        of_tap: dict[int, Tensor] = {}
        for position, tap, second in self.meets:
            if tap not in of_tap:
                of_tap[tap] = hidden[position % self.convolution.stride] @ self.body.second.weight[:, :, tap].T
            part = of_tap[tap].index_select(0, place[position])
            sums[second] = sums[second] + part if second in sums else part
        none = torch.zeros_like(sums[self.earliest])
        return torch.cat([sums.get(self.earliest + second, none) for second in range(self.second_positions)], 1)


class _ViewChanges(nn.Module):
    """The same for the sums over whole windows. A unit's count stays as it is, so that only three parts change."""

    def __init__(self, views: CountViews) -> None:
        super().__init__()
        self.views = views
        self.lags = len(views.lags)
        self.near = torch.arange(SPAN_BINS + 2 * self.lags)  # bins of a span, and as many around it as lags reach
        self.populations = _populations(views)

    def forward(self, window: Tensor, unit: Tensor, first: Tensor, change: Tensor) -> Tensor:
        views, (bins, units) = self.views, window.shape
        population = window.sum(1)
        near = first[:, None] + self.near
        trains = F.pad(window.T, (self.lags, self.lags)).flatten()
        train = _at(trains, near + unit[:, None] * (bins + 2 * self.lags))
        moved = F.pad(change, (self.lags, self.lags)).gather(1, near)
        new = train + moved
        products = [(new[:, lag:] * new[:, :-lag] - train[:, lag:] * train[:, :-lag]).sum(1) for lag in views.lags]
        changes = torch.stack(products, 1)[:, None]  # (changes, 1, lags)
        of_lags = slice(-self.lags * units, None)
        weight = weight_of(views.units, 0)[:, of_lags].T.unflatten(0, (-1, units)).transpose(0, 1)
        before = views.units[0](views.features(window[None]))
        after = before + (changes @ weight.index_select(0, unit))[:, 0]
        changed = (_leaky_change(before, after) * weight_of(views.units, 2)[0]).sum(1)
        directly = views.units_directly.weight[0, of_lags].view(-1, units).T
        changed = changed + (changes[:, 0] * directly.index_select(0, unit)).sum(1)
        before = views.time_course[0](population[None])
        after = before + change @ weight_of(views.time_course, 0).T
        changed = changed + (_leaky_change(before, after) * weight_of(views.time_course, 2)[0]).sum(1)
        before, moved = _at(population, near[:, :SPAN_BINS]), moved[:, self.lags : self.lags + SPAN_BINS]
        return changed + (self._population_score(before + moved) - self._population_score(before)).sum(1)

    def _population_score(self, population: Tensor) -> Tensor:
        scores = self.views.histogram_score(self.populations[None])[0]
        return _at(scores, population.round().long().clamp(0, len(scores) - 1))


class SpikeEffects(nn.Module):
    """Take a critic's score apart, so that what many spikes do together follows from few numbers.

    Exact through the first layer but for spikes of one unit a few bins apart, and linear beyond it.

    Parameters
    ----------
    critic : Critic
        With a convolutional body.
    """

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        assert isinstance(critic.body, ConvolutionalCritic)
        self.critic = critic
        self.populations = _populations(critic.views) if critic.views is not None else torch.zeros(1)

    def forward(self, windows: Tensor, conditions: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Estimate effects in windows, of shape (windows, bins, units); without what a unit's total does.

        Returns
        -------
        tensor of shape (windows, bins, units)
            What one count more, or the one that is there, adds; without what the other two hold.
        tensor of shape (windows, lags, units)
            What the product of a unit's counts 1, 2, ... bins apart adds.
        tensor of shape (windows, counts)
            What a bin of 0, 1, ... spikes of all units adds; the last also of more.
        """
        critic, body = self.critic, self.critic.body
        assert isinstance(body, ConvolutionalCritic)
        signs = torch.where(windows > 0, -1.0, 1.0)
        effects = body.effects(windows / critic.scale, signs, 1 / critic.scale.expand(windows.shape[2]))
        if critic.projection is not None and conditions is not None:
            effects = effects + critic.projection.slopes(conditions) / critic.scale
        if critic.views is None:
            return effects, 0 * windows[:, :1], 0 * windows[:, 0, :1]
        effects = effects + critic.views.time_course_slopes(windows)[:, :, None]
        scores = critic.views.histogram_score(self.populations[None])
        return effects, critic.views.pair_slopes(windows), scores + 0 * windows[:, 0, :1]


def _populations(views: CountViews) -> Tensor:
    """Return population counts from 0 to one that is beyond the histogram, (counts,)."""
    beyond = int(views.histogram_step * (HISTOGRAM_BINS + HISTOGRAM_BINS // 4)) + 2
    return torch.arange(beyond + 1, dtype=views.population_histogram.weight.dtype)


def convolution_of(body: ConvolutionalCritic) -> Convolution:
    """Describe the first convolution; the second is like it."""
    return Convolution(body.first.kernel_size[0], body.first.stride[0], int(body.first.padding[0]))


def _blocks(rows: Tensor, length: int) -> Tensor:
    """Join each row and those after it, (rows, features), to blocks of so many; (blocks, length * features)."""
    number = rows.shape[0] - length + 1
    return torch.cat([rows[start : start + number] for start in range(length)], 1)


def _at(rows: Tensor, place: Tensor) -> Tensor:
    """Select rows at places of any shape; ONNX Runtime is quicker with flat ones."""
    return rows.index_select(0, place.flatten()).unflatten(0, place.shape)


def _leaky_change(before: Tensor, after: Tensor) -> Tensor:
    return F.leaky_relu(after, LEAK) - F.leaky_relu(before, LEAK)
