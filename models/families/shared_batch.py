"""A batch that several processes compute together, each some of its rows.

Every process draws the random numbers of the whole batch and keeps those of its own rows; gradients are averaged over
the processes. So all together make the step that one alone would make, within rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

__all__ = ["WHOLE", "Share"]


@dataclass(frozen=True)
class Share:
    """The rows of each batch that this process computes; all of them by default.

    Attributes
    ----------
    process : int
        The number of this one, from 0.
    processes : int
        That belong to torch's default process group, where there are several. Each batch is a multiple of them.
    """

    process: int = 0
    processes: int = 1

    def rows(self, whole: Tensor) -> Tensor:
        """Return the rows of this process, of all rows of a batch."""
        number = len(whole) // self.processes
        return whole[self.process * number : (self.process + 1) * number]

    def uniform(self, shape: Sequence[int], random: torch.Generator) -> Tensor:
        """Draw uniform numbers for the whole batch, and return those of this process' rows, which have this shape."""
        return self.rows(torch.rand(self._whole(shape), generator=random, device=random.device))

    def normal(self, shape: Sequence[int], random: torch.Generator) -> Tensor:
        """Draw normal numbers for the whole batch, and return those of this process' rows, which have this shape."""
        return self.rows(torch.randn(self._whole(shape), generator=random, device=random.device))

    def weight(self, amounts: Tensor) -> Tensor:
        """Compute the weight of a mean over this process' rows, of which each holds an amount, in that of the batch.

        Parameters
        ----------
        amounts : tensor of shape (batch,)
            Of the whole batch.

        Returns
        -------
        tensor of shape ()
            1 where the amounts are alike.
        """
        return self.processes * self.rows(amounts).sum() / amounts.sum()

    def join(self, rows: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the rows of all processes, without gradients.

        Parameters
        ----------
        rows : sequence of tensors of shape (rows, size)
            Of this process; the sizes may differ.

        Returns
        -------
        sequence of tensors of shape (batch, size)
        """
        if self.processes == 1:
            return rows
        own = torch.cat(list(rows), dim=1).detach()
        whole = own.new_empty(self._whole(own.shape))
        distributed.all_gather(list(whole.chunk(self.processes)), own)
        return whole.split([part.shape[1] for part in rows], dim=1)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their mean over all processes, in one exchange."""
        if self.processes == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.processes
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def _whole(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (self.processes * shape[0], *shape[1:])


WHOLE = Share()
