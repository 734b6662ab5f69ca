"""Of processes that torchrun starts to train together, the first one prints."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from spikeloop.models.errors import SpikeloopError

__all__ = ["first_prints"]

FIRST_S = 2.0  # in which the first process reports what ends all, and torchrun ends the others


@contextmanager
def first_prints() -> Iterator[None]:
    """Let the block print nothing where this is not the first process.

    An error waits a moment, so that one that all have is reported once. Then it goes on: this process has it alone.
    """
    number, total = (os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    if number == "0" or total == "1":
        yield
        return
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
    except (SpikeloopError, SystemExit):
        time.sleep(FIRST_S)
        raise
