"""The files that visitors may play: those that were named at the start, the saved sessions, and those they bring."""

import asyncio
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import chain, count
from pathlib import Path

from spikeloop.exporters.documents import printable
from spikeloop.exporters.formats.registry import format_of
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.streamer.closedloop.results.saved import SUFFIXES
from spikeloop.streamer.dashboard.frames import Kind, Request, document_body
from spikeloop.streamer.dashboard.hub import Hub, Room
from spikeloop.streamer.dashboard.replay.file import ReplayFile, read_replay
from spikeloop.streamer.dashboard.replay.player import ReplayPlayer

__all__ = ["Library"]

LARGEST_BYTES = 2**30  # of a file that a visitor brings
MOST_BROUGHT, MOST_BROUGHT_BYTES = 20, 2**32  # of which the oldest go
MOST_LISTED = 100
LONGEST_NAME = 100
KEPT_FILES = 2  # in memory
MOST_REPLAYS = 16  # at once, each with its counts in memory


class Library:
    """Files by the names that pages know them by.

    Parameters
    ----------
    folder : Path
        Of saved sessions; may be absent.
    named : sequence of str or Path
        Files, or names of recordings, that were named at the start.

    Attributes
    ----------
    pages : int
        That were opened to play a file.
    """

    def __init__(self, folder: Path, named: Sequence[str | Path] = ()) -> None:
        self._named = {Path(file).name: file for file in named}
        self._folder, self.pages, self._playing = folder, 0, 0
        self._brought: dict[str, Path] = {}
        self._coming_bytes = 0  # of files that are being brought
        self._reading = asyncio.Lock()
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._read = lru_cache(KEPT_FILES)(read_replay)

    @property
    def first(self) -> str:
        """The name of the first file that was named at the start; empty where none was."""
        return next(iter(self._named), "")

    @property
    def full(self) -> bool:
        """Whether as many files play as may at once."""
        return self._playing >= MOST_REPLAYS

    def close(self) -> None:
        """Delete what visitors brought."""
        if self._place is not None:
            self._place.cleanup()

    def listed(self) -> list[dict[str, str]]:
        """Return what can be played, the newest session first: its name, and where it is from."""
        sessions = sorted(self._sessions(), key=lambda path: -path.stat().st_mtime)[:MOST_LISTED]
        return [
            *({"name": name, "from": "named at the start"} for name in self._named),
            *({"name": name, "from": "opened in the page"} for name in self._brought),
            *({"name": path.name, "from": printable(str(path.parent))} for path in sessions),
        ]

    def saved(self, name: str) -> Path | None:
        """Return the file of a saved session; None where there is none of that name."""
        return next((path for path in self._sessions() if path.name == name), None)

    def _sessions(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.suffix in SUFFIXES and path.is_file()]
        except OSError:  # there is no such folder
            return []

    def _find(self, name: str) -> str | Path:
        found = self._named.get(name) or self._brought.get(name) or self.saved(name)
        if found is None:
            raise BadInputError(f"there is no session or recording named {name!r:.80} here")
        return found

    async def bring(self, name: str, content: AsyncIterator[bytes]) -> str:
        """Keep a file that a visitor brings, if it can be played; returns its name, with a number where that was taken.

        It is kept until the server ends, or more than 20 files or 4 GiB have come since.

        Raises
        ------
        BadInputError
            If it is too large, as are all that come at once, of no format that is read, damaged, or the disk refuses.
        """
        safe = re.sub(r"[^\w.-]+", "-", Path(name).name, flags=re.ASCII).lstrip(".-")[-LONGEST_NAME:] or "file"
        try:
            path = await self._written(safe, content)
            name = self._free(safe)
            self._brought[name] = path.rename(path.with_name(name))
        except OSError as error:
            raise BadInputError(
                f"{safe}: can't be kept ({error.strerror or error}); start spikeloop web --replay with its path"
            ) from error
        await self._check(name)
        self._make_room()
        return name

    async def _check(self, name: str) -> None:
        """Read a file that was brought, one at a time; forget it where that fails."""
        try:
            async with self._reading:
                await asyncio.to_thread(self._file, name)
        except BaseException:
            self._forget(name)
            raise

    async def _written(self, name: str, content: AsyncIterator[bytes]) -> Path:
        """Write a file to a folder of its own; nothing is left of one that is refused, or does not come whole."""
        if self._place is None:
            self._place = tempfile.TemporaryDirectory(prefix="spikeloop-web-")
        folder = Path(self._place.name) / secrets.token_hex(8)
        folder.mkdir()
        path, size = folder / name, 0
        try:
            with path.open("wb") as file:
                async for part in content:
                    size += len(part)
                    self._coming_bytes += len(part)
                    if size > LARGEST_BYTES:
                        raise BadInputError(
                            f"{name}: expected at most 1 GiB, found more; start spikeloop web --replay with its path"
                        )
                    self._make_room()
                    if self._coming_bytes > MOST_BROUGHT_BYTES:
                        raise BadInputError(f"{name}: too many files come at once; open it when the others are there")
                    file.write(part)
            if format_of(path) is None:
                raise BadInputError(f"{name}: expected a recording or a saved session, found a file of no known format")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._coming_bytes -= size
        return path

    def _free(self, name: str) -> str:
        """Return a name that no other file has, with a number where this one is taken."""
        stem, dot, suffix = name.partition(".")
        numbered = (f"{stem}-{number}{dot}{suffix}" for number in count(2))
        names = chain([name], numbered)
        return next(one for one in names if not (one in self._named or one in self._brought or self.saved(one)))

    def _make_room(self) -> None:
        """Delete the oldest of too many files; those that still come count by what has come of them."""
        sizes = {name: path.stat().st_size for name, path in self._brought.items()}
        while len(sizes) > MOST_BROUGHT or (sizes and sum(sizes.values()) + self._coming_bytes > MOST_BROUGHT_BYTES):
            oldest = next(iter(sizes))
            del sizes[oldest]
            self._forget(oldest)

    def _forget(self, name: str) -> None:
        if name in self._brought:
            shutil.rmtree(self._brought.pop(name).parent, ignore_errors=True)

    @asynccontextmanager
    async def room(self, name: str, session: str = "") -> AsyncIterator[Room]:
        """Open a room of its own for a page, in which a file is played; one that can't be read is said so there."""
        self.pages += 1
        self._playing += 1
        hub = Hub()
        hub.open(asyncio.get_running_loop())
        try:
            async with self._opened(name, session, hub) as on_request:
                yield Room(hub, on_request)
        finally:
            self._playing -= 1

    @asynccontextmanager
    async def _opened(self, name: str, session: str, hub: Hub) -> AsyncIterator[Callable[[Request, int], None]]:
        """Play a file to a hub; returns what answers the requests of its page."""
        try:
            player = await asyncio.to_thread(self._player, name, session, hub)
        except SpikeloopError as error:
            hub.keep(Kind.REPLAY, document_body({"failure": printable(str(error))}))
            yield _nothing
            return
        with player:
            yield player.ask

    def _player(self, name: str, session: str, hub: Hub) -> ReplayPlayer:
        """Read a file, and get it ready to be played; both take a while of long ones."""
        return ReplayPlayer(self._file(name, session), hub)

    def _file(self, name: str, session: str = "") -> ReplayFile:
        """Read a file; what is wrong with one that was brought is said of its name, not of where it is kept."""
        path = self._find(name)
        try:
            return self._read(path, session)
        except BadInputError as error:
            raise BadInputError(str(error).replace(str(path), name)) from error


def _nothing(request: Request, number: int) -> None:  # noqa: ARG001
    raise BadInputError("this file can't be played")
