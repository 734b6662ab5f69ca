"""A recording as training takes it: random pieces, or runs that are followed from their beginning to their end."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spikeloop.models.recordings.recording import Recording

__all__ = ["Followed", "TrainingData"]


class Followed(NamedTuple):
    """The next piece of each run.

    Attributes
    ----------
    counts, conditions : (runs, bins, units) and (runs, bins, channels)
    places : (runs, 2), repeat and bin where it goes on
    begins : (runs, 1), whether the run before it ended and this is the beginning of another
    """

    counts: Tensor
    conditions: Tensor
    places: Tensor
    begins: Tensor


class TrainingData:
    """Counts and conditions on the device that is trained on. No piece crosses from one repeat into the next."""

    def __init__(self, recording: Recording, device: torch.device) -> None:
        self.bins = recording.bins
        self._counts = torch.as_tensor(recording.counts, device=device)
        self._conditions = torch.as_tensor(np.ascontiguousarray(recording.conditions), device=device)
        self._periods = {index: each.period for index, each in enumerate(recording.channels) if each.cyclic}

    @property
    def dtype(self) -> torch.dtype:
        """Of the counts as recorded."""
        return self._counts.dtype

    def crops(self, windows: int, bins: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random pieces, (windows, bins, units), and what drove them; shorter ones where repeats are shorter."""
        bins = min(bins, self.bins)
        return self._piece(self._places(windows, bins, random), bins)

    def drives(self, windows: int, bins: int, lead_in_bins: int, random: torch.Generator) -> Tensor:
        """What drove random pieces and the bins before them, (windows, lead_in + bins, channels).

        Before a repeat began, it is taken to have been driven as in its first bin, but for phases, which go round.
        """
        places = self._places(windows, bins, random)
        place = places[:, 1:] + torch.arange(-lead_in_bins, bins, device=places.device)
        drives = self._conditions[places[:, :1], place.clamp(min=0)]
        for index, period in self._periods.items():
            drives[..., index] = (drives[..., index] + place.clamp(max=0)) % period
        return drives

    def begin(self, runs: int, bins: int, random: torch.Generator) -> Tensor:
        """Places to follow the recording from, (runs, 2), so that runs are spread over it."""
        return self._places(runs, bins, random)

    def follow(self, places: Tensor, bins: int, random: torch.Generator) -> Followed:
        """The next bins of each run; one that reached its repeat's end goes on in another, near the beginning."""
        device = places.device
        begins = places[:, 1:] + bins > self.bins
        latest = min(bins, self.bins - bins + 1)  # spread, so that every bin is met
        start = torch.randint(latest, (len(places), 1), generator=random, device=device)
        other = torch.cat([self._repeats(len(places), random), start], dim=1)
        places = torch.where(begins, other, places)
        counts, conditions = self._piece(places, bins)
        return Followed(counts, conditions, places + torch.tensor([0, bins], device=device), begins)

    def _piece(self, places: Tensor, bins: int) -> tuple[Tensor, Tensor]:
        place = places[:, 1:] + torch.arange(bins, device=places.device)
        return self._counts[places[:, :1], place].float(), self._conditions[places[:, :1], place]

    def _places(self, number: int, bins: int, random: torch.Generator) -> Tensor:
        start = torch.randint(self.bins - bins + 1, (number, 1), generator=random, device=random.device)
        return torch.cat([self._repeats(number, random), start], dim=1)

    def _repeats(self, number: int, random: torch.Generator) -> Tensor:
        return torch.randint(len(self._counts), (number, 1), generator=random, device=random.device)
