"""Processes that train one model together, as torchrun starts them; one alone where nothing started several.

Each has the whole model, and learns from its share of every batch. What only one can decide, such as the time, the
first process decides for all; they meet on the CPU for it (gloo), while gradients meet where they are (nccl on GPUs).
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from spikeloop.models.errors import BadInputError, FailureError

if TYPE_CHECKING:
    import torch

__all__ = ["ALONE", "Processes", "joined", "training_device"]

FOUND = TypeVar("FOUND")
LONGEST_WAIT = timedelta(days=1)  # for the first process, which may judge for long; one that ended is noticed at once


@dataclass(frozen=True)
class Processes:
    """The place of this process among those that train together.

    Attributes
    ----------
    number, total : int
        Of this process, from 0, and of all.
    number_here, total_here : int
        The same on this machine.
    """

    number: int = 0
    total: int = 1
    number_here: int = 0
    total_here: int = 1

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> "Processes":
        """Read what torchrun says of this process.

        Raises
        ------
        BadInputError
            If part of it is missing.
        """
        if environment.get("WORLD_SIZE", "1") == "1":
            return ALONE
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        try:
            return cls(*(int(environment[name]) for name in names))
        except (KeyError, ValueError) as error:
            raise BadInputError(
                f"WORLD_SIZE is {environment['WORLD_SIZE']!r:.20}: expected whole numbers in {', '.join(names)}, as"
                f" torchrun sets them, found otherwise ({error}); start with torchrun, or unset WORLD_SIZE"
            ) from error

    @property
    def first(self) -> bool:
        """Whether this process prints, judges and saves."""
        return self.number == 0

    def of_first(self, find: Callable[[], FOUND]) -> FOUND:
        """Return to all what the first process finds, which alone looks for it."""
        if self.total == 1:
            return find()
        from torch import distributed

        found = [find() if self.first else None]
        distributed.broadcast_object_list(found, device=_cpu())
        return found[0]  # pyright: ignore[reportReturnType]

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        if self.total == 1:
            return here
        import torch
        from torch import distributed

        number = torch.tensor(int(here))
        distributed.all_reduce(number)
        return bool(number)


ALONE = Processes()


@contextmanager
def joined(processes: Processes, device: "torch.device") -> Iterator[None]:
    """Connect the processes inside the block.

    Raises
    ------
    FailureError
        If one of them ended.
    """
    if processes.total == 1:
        yield
        return
    from torch import distributed

    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise FailureError(
            f"process {processes.number + 1} of {processes.total} lost another one; what ended first says why; the same"
            " command continues from the last checkpoint"
        ) from error
    distributed.destroy_process_group()  # after an error, the others notice that this process ended


def training_device(name: str, processes: Processes = ALONE) -> "torch.device":
    """Choose what to train on; of several processes on a machine, each has a GPU of its own.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"
    processes : Processes

    Returns
    -------
    torch.device

    Raises
    ------
    BadInputError
        If there is no such device, or there are fewer GPUs than processes.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise BadInputError(f"--device: expected auto, cpu or cuda, found {name!r:.60}")
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadInputError("no CUDA device that torch can use; choose --device cpu or auto")
    if processes.total == 1:
        return torch.device("cuda")
    if processes.total_here > torch.cuda.device_count():
        raise BadInputError(
            f"expected at most {torch.cuda.device_count()} processes on this machine, one for each GPU, found"
            f" {processes.total_here}; lower --nproc-per-node, or choose --device cpu"
        )
    torch.cuda.set_device(processes.number_here)
    return torch.device("cuda", processes.number_here)


def _cpu() -> "torch.device":
    import torch

    return torch.device("cpu")
