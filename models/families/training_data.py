"""A recording prepared for training: random segments, or runs that follow it from beginning to end."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import random_places

__all__ = ["Crops", "Followed", "TrainingData"]


class Crops(NamedTuple):
    """Random segments.

    Attributes
    ----------
    counts : tensor of shape (windows, bins, units)
    conditions : tensor of shape (windows, bins, channels)
    lengths : tensor of shape (windows,), int64, or None
        Recorded bins of each segment, behind which all is 0; None where all bins were recorded.
    """

    counts: Tensor
    conditions: Tensor
    lengths: Tensor | None


class Followed(NamedTuple):
    """The next segment of each run.

    Attributes
    ----------
    counts : tensor of shape (runs, bins, units)
    conditions : tensor of shape (runs, bins, channels)
    places : tensor of shape (runs, 2), int64
        Repeat and bin where the next segment begins.
    begins : tensor of shape (runs, 1), bool
        Whether the run before has ended and another begins here.
    """

    counts: Tensor
    conditions: Tensor
    places: Tensor
    begins: Tensor


class TrainingData:
    """Counts and conditions on the training device. No segment crosses from one repeat into the next.

    Of repeats of unequal length a segment lies in one that is long enough, and every bin of these is used about equally
    often.
    """

    def __init__(self, recording: Recording, device: torch.device) -> None:
        self.bins = recording.bins
        self._lengths = None if recording.lengths is None else torch.tensor(recording.lengths, device=device)
        counts, conditions = recording.counts, recording.conditions
        if recording.lengths is not None:
            counts, conditions = (np.where(recording.recorded[..., None], part, 0) for part in (counts, conditions))
            counts, conditions = counts.astype(recording.counts.dtype), conditions.astype(np.float32)
        self._counts = torch.as_tensor(counts, device=device)
        self._conditions = torch.as_tensor(np.ascontiguousarray(conditions), device=device)
        self._periods = {index: channel.period for index, channel in enumerate(recording.channels) if channel.cyclic}

    @property
    def dtype(self) -> torch.dtype:
        """Type of the counts as recorded."""
        return self._counts.dtype

    @property
    def shortest(self) -> int:
        """Bins of the shortest repeat."""
        return self.bins if self._lengths is None else int(self._lengths.min())

    def crops(self, windows: int, bins: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw random segments, (windows, bins, units), and what drove them; shorter ones where repeats are shorter."""
        bins = min(bins, self.bins)
        return self._segment(self._places(windows, bins, random), bins)

    def longest_crops(self, windows: int, bins: int, random: torch.Generator) -> Crops:
        """Draw random segments of up to so many bins: of a shorter repeat, all of it."""
        bins = min(bins, self.bins)
        if self._lengths is None:
            return Crops(*self.crops(windows, bins, random), None)
        places = self._places(windows, bins, random, whole=True)
        lengths = self._lengths[places[:, 0]].clamp(max=bins)
        counts, conditions = self._segment(places, bins)
        recorded = (torch.arange(bins, device=places.device) < lengths[:, None]).unsqueeze(-1)
        return Crops(counts * recorded, conditions * recorded, lengths)

    def drives(self, windows: int, bins: int, lead_in_bins: int, random: torch.Generator) -> Tensor:
        """Draw what drove random segments and the bins before them, (windows, lead_in + bins, channels).

        Before a repeat begins, its first bin's conditions are used; phases continue backwards.
        """
        places = self._places(windows, bins, random)
        place = (places[:, 1:] + torch.arange(-lead_in_bins, bins, device=places.device)).clamp(max=self.bins - 1)
        drives = self._conditions[places[:, :1], place.clamp(min=0)]
        for index, period in self._periods.items():
            drives[..., index] = (drives[..., index] + place.clamp(max=0)) % period
        return drives

    def longest_run_bins(self, most: int, window_bins: int) -> int:
        """Bins of the runs that windows are drawn from: a whole repeat, up to so many.

        Where conditions drive repeats of unequal length it is a window, so that short repeats drive some too.
        """
        return min(self.bins, most) if self._lengths is None or not self._conditions.shape[2] else window_bins

    def begin(self, runs: int, bins: int, random: torch.Generator) -> Tensor:
        """Draw places to follow the recording from, (runs, 2), spread over it."""
        return self._places(runs, bins, random)

    def follow(self, places: Tensor, bins: int, random: torch.Generator) -> Followed:
        """Return the next bins of each run; a run that has reached the end of its repeat continues in another.

        There a third of the runs begin with the first bin, a third so that they end with the last one, and a third at
        any bin in between, so that every bin is used, the ends of a repeat about as often as its middle.
        """
        device = places.device
        number = len(places)
        if self._lengths is None:
            begins, left_over = places[:, 1:] + bins > self.bins, self.bins % bins
            which = torch.randint(3, (number, 1), generator=random, device=device)
            anywhere = torch.randint(min(bins, self.bins - bins + 1), (number, 1), generator=random, device=device)
            repeats = self._repeats(number, random)
        else:
            begins = places[:, 1:] + bins > self._lengths[places[:, :1]]
            repeats = self._drawn(_visits(self._lengths, bins), number, random)
            lengths = self._lengths[repeats]
            which = torch.randint(3, (number, 1), generator=random, device=device)
            share = torch.rand((number, 1), generator=random, device=device)
            left_over, anywhere = lengths % bins, (share * (lengths - bins + 1).clamp(max=bins)).long()
        start = torch.where(which == 0, 0, torch.where(which == 1, left_over, anywhere))
        other = torch.cat([repeats, start], dim=1)
        places = torch.where(begins, other, places)
        counts, conditions = self._segment(places, bins)
        return Followed(counts, conditions, places + torch.tensor([0, bins], device=device), begins)

    def _segment(self, places: Tensor, bins: int) -> tuple[Tensor, Tensor]:
        place = (places[:, 1:] + torch.arange(bins, device=places.device)).clamp(max=self.bins - 1)
        return self._counts[places[:, :1], place].float(), self._conditions[places[:, :1], place]

    def _places(self, number: int, bins: int, random: torch.Generator, whole: bool = False) -> Tensor:
        """Draw repeats and first bins; `whole` also of repeats shorter than that, from their first bin on."""
        seed = int(torch.randint(2**62, (1,), generator=random, device=random.device))
        numbers = random_stream(seed, Purpose.TRAINING_CROPS)
        if self._lengths is None:
            start, repeats = random_places(number, self.bins, bins, numbers), self._repeats(number, random)
        else:
            long = self._lengths >= bins
            weights = self._lengths.clamp(min=bins) if whole else self._lengths * (long if long.any() else 1)
            repeats = self._drawn(weights.double(), number, random)
            start = random_places(number, self._lengths[repeats[:, 0]].clamp(min=bins).cpu().numpy(), bins, numbers)
        start = torch.from_numpy(start[:, np.newaxis]).to(random.device)
        return torch.cat([repeats, start], dim=1)

    def _drawn(self, weights: Tensor, number: int, random: torch.Generator) -> Tensor:
        """Draw repeats with probabilities in proportion to weights, (number, 1)."""
        ends = weights.cumsum(0)
        drawn = torch.rand((number, 1), generator=random, device=random.device, dtype=torch.float64) * ends[-1]
        return torch.searchsorted(ends, drawn, right=True).clamp(max=len(weights) - 1)

    def _repeats(self, number: int, random: torch.Generator) -> Tensor:
        return torch.randint(len(self._counts), (number, 1), generator=random, device=random.device)


def _visits(lengths: Tensor, bins: int) -> Tensor:
    """How often a run should begin in each repeat: its bins over those that a run uses, 0 of repeats too short."""
    fitting, left_over = lengths // bins, lengths % bins
    missed = torch.where(fitting > 1, (bins - 1 - left_over) / bins, 0) / 3  # by a run that begins after the left over
    return torch.where(fitting > 0, lengths / ((fitting - missed).clamp(min=0.5) * bins), 0).double()
