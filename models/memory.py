"""How much memory reading a recording may take: worked out part by part, and checked before each part is loaded.

The limit is that of the call (`max_memory`), or of the environment variable SPIKELOOP_MAX_MEMORY, which the option
--max-memory sets, so that processes which a command starts have it, too; or else a share of the memory that is free.
"""

import logging
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_whole, shown

__all__ = ["MAX_MEMORY", "MemoryUse", "memory_for", "memory_left", "parse_size", "require_memory", "size_in_words"]

MAX_MEMORY = "SPIKELOOP_MAX_MEMORY"  # the environment variable
OPTION = "--max-memory (max_memory)"
FREE_SHARE = 0.8  # of the memory that is free; the rest is for what can't be worked out, and for others
LEAST = 2**20  # bytes that a limit may be
LETTERS = "KMGT"  # powers of 1024
LARGE = 2**28  # bytes from which on the need is stated before anything is loaded
CONTAINER = Path("/sys/fs/cgroup")  # where Linux states what a container may take

logger = logging.getLogger(__name__)


@dataclass
class MemoryUse:
    """What reading one recording takes of memory.

    Attributes
    ----------
    name : str
        Of the recording.
    limit : int, bytes
    state : callable, str to None
        Called with a sentence before much is loaded.
    parts : dict of str to int, bytes
        What each part takes, once it is loaded and converted.
    """

    name: str
    limit: int
    state: Callable[[str], None] = logger.info
    parts: dict[str, int] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())

    def add(self, part: str, needed: int) -> None:
        """Count a part that is about to be loaded; BadInputError where it and all before are beyond the limit."""
        before = self.needed
        self.parts[part] = max(needed, self.parts.get(part, 0))
        if self.needed > self.limit:
            more = math.ceil(self.needed / 2**30)
            raise BadInputError(
                f"{self.name}: reading it takes about {size_in_words(self.needed)} of memory ({part:.80}), expected at"
                f" most {size_in_words(self.limit)}; read a part of it (--units, --trials, --start, --stop), or raise"
                f" the limit: --max-memory {more}G (max_memory in Python)"
            )
        if self.needed >= LARGE > before:
            self.state(f"{self.name}: reading it takes about {size_in_words(self.needed)} of memory")


PRESENT: ContextVar[MemoryUse | None] = ContextVar("memory of the recording that is being read", default=None)


@contextmanager
def memory_for(
    name: object, max_memory: int | str | None = None, state: Callable[[str], None] = logger.info
) -> Iterator[MemoryUse]:
    """Limit what is read inside the block; inside another such block, that one's limit and sum hold on.

    Parameters
    ----------
    name : str or path
        Of the recording, for messages.
    max_memory : int or str, bytes, optional
        The limit, such as "8G"; by default that of the environment, or 80 % of the memory that is free.
    state : callable, str to None
        Called with a sentence before much is loaded.

    Raises
    ------
    BadInputError
        If the limit is no size; inside the block, where a recording would need more.
    """
    if (outer := PRESENT.get()) is not None and max_memory is None:
        yield outer
        return
    use = MemoryUse(str(name), _limit(max_memory), state)
    token = PRESENT.set(use)
    try:
        yield use
    finally:
        PRESENT.reset(token)


def require_memory(part: str, needed: float) -> None:
    """Make sure that a part of a recording fits into memory, before it is loaded.

    Parameters
    ----------
    part : str
        Its name. What is named twice counts once, with what it takes at most.
    needed : float, bytes

    Raises
    ------
    BadInputError
        If it doesn't, together with all other parts of the recording that is being read.
    """
    use = PRESENT.get() or MemoryUse("recording", _limit(None))
    use.add(part, math.ceil(needed))


def memory_left() -> int:
    """Return how many more bytes the recording that is being read may take."""
    use = PRESENT.get()
    return _limit(None) if use is None else max(0, use.limit - use.needed)


def parse_size(value: Any, name: str = OPTION) -> int:
    """Read a number of bytes: 8000000000, or a text such as "8G", where K, M, G and T are powers of 1024.

    Raises
    ------
    BadInputError
        For anything else, and for less than 1M.
    """
    asked = re.fullmatch(rf"(\d{{1,15}}(?:\.\d{{1,6}})?) ?([{LETTERS}]?)(?:iB)?", str(value).strip(), re.I | re.ASCII)
    if not (isinstance(value, str) or is_whole(value)) or asked is None:
        raise BadInputError(f"{name}: expected a size such as 8G or 500M, found {shown(value)}")
    size = int(float(asked[1]) * 1024 ** (1 + LETTERS.index(asked[2].upper()) if asked[2] else 0))
    if size < LEAST:
        raise BadInputError(f"{name}: expected 1M or more, found {shown(value)}")
    return size


def size_in_words(size: float) -> str:
    """Write a number of bytes for people: "12.3 GiB"."""
    power = min(len(LETTERS), int(math.log(max(size, 1), 1024)))
    return f"{size / 1024**power:.3g} {f'{LETTERS[power - 1]}iB' if power else 'bytes'}"


def _limit(max_memory: int | str | None) -> int:
    if max_memory is not None:
        return parse_size(max_memory)
    stated = os.environ.get(MAX_MEMORY)
    return parse_size(stated, MAX_MEMORY) if stated else max(LEAST, int(FREE_SHARE * _free_memory()))


def _free_memory() -> int:
    """Return how many bytes the machine, or the container that this runs in, can still give."""
    import psutil

    free = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit, taken = (int((CONTAINER / f"memory.{which}").read_text()) for which in ("max", "current"))
        free = min(free, max(0, limit - taken))
    return free
