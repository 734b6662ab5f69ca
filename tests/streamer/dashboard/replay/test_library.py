"""Which files visitors may play: no others than those that are meant for it."""

import asyncio
import http.client
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import spikeloop
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.replay import library
from spikeloop.streamer.dashboard.replay.library import Library
from spikeloop.streamer.dashboard.web import Dashboard
from tests.support.web_pages import received

pytestmark = pytest.mark.realtime  # it opens network sockets


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "own.npz"
    spikeloop.write_recording(spikeloop.Recording.from_counts(np.ones((50, 3), int), 0.02), path)
    return path


@pytest.fixture(scope="module")
def served(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "saved.npz").write_bytes(path.read_bytes())
    (folder / "secret.txt").write_text("secret")
    with spikeloop.web(replay=path, port=0, save_to=folder) as served:
        yield served


def asked(served: Dashboard, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    host = served.url.removeprefix("http://").strip("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


async def first(served: Dashboard, query: str = "") -> dict:
    """The state of a replay, as its page gets it first."""
    async with connect(served.url.replace("http", "ws") + f"stream{query}", compression=None) as page:
        while (message := received(await page.recv())).kind != Kind.REPLAY:
            pass
        return message.document


async def test_the_file_that_was_named_plays_without_being_asked_for(served):
    state = await first(served)
    assert (state["file"], state["lasts_s"]) == ("own.npz", 1.0)
    assert (await first(served, "?replay=saved.npz"))["file"] == "saved.npz"


@pytest.mark.parametrize("name", ["secret.txt", "../own.npz", "/etc/passwd", "%2e%2e%2fown.npz", "absent.npz", ""])
async def test_no_other_file_can_be_played_or_fetched(served, name):
    if name:
        assert "there is no session or recording" in (await first(served, f"?replay={name}"))["failure"]
    assert asked(served, f"/sessions/{name}")[0] == 404


def test_saved_sessions_are_listed_and_fetched(served, path):
    listed = json.loads(asked(served, "/replays")[1])
    assert [file["name"] for file in listed] == ["own.npz", "saved.npz"]
    assert asked(served, "/sessions/saved.npz") == (200, path.read_bytes())


async def test_a_file_that_a_visitor_brings_plays_under_a_plain_name(served, path):
    status, answer = asked(served, "/replays/..%20my%20%3Cfile%3E.npz", "PUT", path.read_bytes())
    name = json.loads(answer)["name"]
    assert (status, name) == (200, "my-file-.npz")
    assert (await first(served, f"?replay={name}"))["lasts_s"] == 1.0


async def test_a_name_that_is_taken_gets_a_number(served, path):
    content = path.read_bytes()
    answers = [asked(served, f"/replays/{name}.npz", "PUT", content)[1] for name in ("own", "saved", "new", "new")]
    names = [json.loads(answer)["name"] for answer in answers]
    assert names == ["own-2.npz", "saved-2.npz", "new.npz", "new-2.npz"]
    assert (await first(served, "?replay=new-2.npz"))["file"] == "new-2.npz"


async def parts(*contents: bytes | Exception):
    """An upload in parts; an error breaks it off."""
    for content in contents:
        if isinstance(content, Exception):
            raise content
        yield content


@pytest.fixture
def own_library(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    library = Library(tmp_path / "absent")
    yield library
    library.close()


def kept(tmp_path: Path) -> list[str]:
    return sorted(found.name for found in tmp_path.rglob("*.npz"))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ConnectionError("gone"), BadInputError),
        (RuntimeError("gone"), RuntimeError),
        (OSError(28, "disk full"), BadInputError),
    ],
)
async def test_nothing_is_left_of_a_file_that_does_not_come_whole(own_library, tmp_path, path, error, raised):
    with pytest.raises(raised, match="gone|disk full|can't be kept"):
        await own_library.bring("half.npz", parts(path.read_bytes()[:100], error))
    assert kept(tmp_path) == []


async def test_of_too_many_files_the_oldest_go(own_library, tmp_path, path, monkeypatch):
    monkeypatch.setattr(library, "MOST_BROUGHT", 3)
    for number in range(5):
        await own_library.bring(f"{number}.npz", parts(path.read_bytes()))
    assert kept(tmp_path) == ["2.npz", "3.npz", "4.npz"]
    monkeypatch.setattr(library, "MOST_BROUGHT_BYTES", 2 * path.stat().st_size)
    await own_library.bring("5.npz", parts(path.read_bytes()))
    assert kept(tmp_path) == ["4.npz", "5.npz"]
    assert [file["name"] for file in own_library.listed()] == ["4.npz", "5.npz"]


def test_a_file_of_another_page_or_of_no_format_is_refused(served, path):
    status, _ = asked(served, "/replays/x.npz", "PUT", path.read_bytes(), Origin="http://elsewhere.example")
    assert status == 403
    assert "no known format" in json.loads(asked(served, "/replays/x.jpeg", "PUT", b"nothing")[1])["reason"]


async def admitted(address: str) -> ClientConnection:
    """A page, as soon as others have left."""
    while True:
        page = await connect(address, compression=None)
        with suppress(ConnectionClosed):
            await page.recv()
            return page


async def test_so_many_files_play_at_once_and_the_next_page_is_told_to_try_later(served, monkeypatch):
    monkeypatch.setattr(library, "MOST_REPLAYS", 1)
    address = served.url.replace("http", "ws") + "stream"
    page = await admitted(address)
    other = await connect(address, compression=None)
    await other.wait_closed()
    assert other.close_code == 1013
    await page.close()
    await (await admitted(address)).close()


def test_a_damaged_file_is_refused_by_its_name_and_not_kept(served):
    before = asked(served, "/replays")[1]
    reason = json.loads(asked(served, "/replays/damaged.npz", "PUT", b"PK\x03\x04nothing")[1])["reason"]
    assert reason.startswith("damaged.npz: not a readable .npz file")
    assert asked(served, "/replays")[1] == before


async def test_a_file_that_is_damaged_later_is_said_in_its_page(own_library, tmp_path, path):
    name = await own_library.bring("own.npz", parts(path.read_bytes()))
    next(tmp_path.rglob(name)).write_bytes(b"PK\x03\x04nothing")
    async with own_library.room(name, "another session") as room:  # not the one that was read when it came
        assert received(await room.hub.enter().next()).document == {"failure": ANY}


async def test_a_recording_that_needs_options_is_to_be_converted_first(tmp_path):
    np.savez(tmp_path / "bare.npz", spikes=np.ones((50, 3), np.uint8))
    with pytest.raises(BadInputError, match="--bin-size-ms.*spikeloop convert, which has them"):
        spikeloop.web(replay=tmp_path / "bare.npz", port=0)


class Upload:
    """A file that comes part by part, as the test says."""

    def __init__(self, library: Library, name: str) -> None:
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.kept = asyncio.create_task(library.bring(name, self._content()))

    async def send(self, part: bytes) -> None:
        """Hand over a part, empty for the end, and wait until it is dealt with."""
        self._parts.put_nowait(part)
        await asyncio.wait([asyncio.create_task(self._parts.join()), self.kept], return_when=asyncio.FIRST_COMPLETED)

    async def _content(self):
        while part := await self._parts.get():
            yield part
            self._parts.task_done()
        self._parts.task_done()


async def test_files_that_come_at_once_count_together(own_library, tmp_path, path, monkeypatch):
    content = path.read_bytes()
    half = len(content) // 2
    await own_library.bring("old.npz", parts(content))
    monkeypatch.setattr(library, "MOST_BROUGHT_BYTES", 2 * len(content) - 1)
    uploads = [Upload(own_library, f"{number}.npz") for number in range(3)]
    await uploads[0].send(content[:half])
    assert "old.npz" in kept(tmp_path)
    await uploads[1].send(content[half:])
    assert "old.npz" not in kept(tmp_path)
    await uploads[2].send(content)
    with pytest.raises(BadInputError, match=r"2\.npz: too many files come at once"):
        await uploads[2].kept
    for part in (content[half:], b""):
        await uploads[0].send(part)
    assert await uploads[0].kept == "0.npz"
    uploads[1].kept.cancel()
    await asyncio.wait([uploads[1].kept])
    assert kept(tmp_path) == ["0.npz"]
    assert await own_library.bring("later.npz", parts(content)) == "later.npz"


def test_what_can_not_be_replayed_is_said_at_once():
    with pytest.raises(BadInputError, match="no recording named 'absent'"):
        spikeloop.web(replay="absent", port=0)


def test_who_waits_for_a_page_that_has_ended_waits_no_longer(path, tmp_path):
    with spikeloop.web(replay=path, port=0, save_to=tmp_path) as page:
        pass
    assert page.wait() is False
