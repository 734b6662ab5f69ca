"""The web application: the page's files, and its WebSocket."""

import asyncio
import hashlib
import mimetypes
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.dashboard.door import Door
from spikeloop.streamer.dashboard.frames import Kind, document_body, parse_request
from spikeloop.streamer.dashboard.hub import Room, Viewer
from spikeloop.streamer.dashboard.replay.library import Library

__all__ = ["application", "assets"]

MOST_VIEWERS = 256
STUCK_S = 30.0  # in which a page takes nothing before it is shown out
REQUESTS_A_S, BURST = 200.0, 400.0  # from one page
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
TRY_LATER, POLICY_VIOLATION, UNSUPPORTED = 1013, 1008, 1003


def application(room: Room | None, library: Library, token: str | None = None) -> ASGIApp:
    """Make the application.

    Parameters
    ----------
    room : Room or None
        Of the stream; None where there are only files to play.
    library : Library
        Files that can be played.
    token : str or None
        What visitors must show.
    """
    pages = 0

    async def look_on(websocket: WebSocket) -> None:
        nonlocal pages
        if pages >= MOST_VIEWERS:
            await _turn_away(websocket, f"{MOST_VIEWERS} pages look on already")
            return
        pages += 1
        try:
            name = websocket.query_params.get("replay")
            if name is None and room is not None:
                await _look_on(websocket, room)
                return
            if library.full:
                await _turn_away(websocket, "as many files play as may at once")
                return
            session = websocket.query_params.get("session", "")
            async with library.room(library.first if name is None else name, session) as replay:
                await _look_on(websocket, replay)
        finally:
            pages -= 1

    async def listed(_: HttpRequest) -> Response:
        return JSONResponse(library.listed())

    async def bring(request: HttpRequest) -> Response:
        try:
            name = await library.bring(request.path_params["name"], request.stream())
        except BadInputError as error:
            return JSONResponse({"reason": str(error)})
        return JSONResponse({"name": name})

    async def saved(request: HttpRequest) -> Response:
        path = library.saved(request.path_params["name"])
        if path is None:
            return PlainTextResponse("there is no such session", 404)
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)

    app = Starlette(
        routes=[
            WebSocketRoute("/stream", look_on),
            Route("/replays", listed),
            Route("/replays/{name}", bring, methods=["PUT"]),
            Route("/sessions/{name}", saved),
            Route("/{path:path}", _asset),
        ]
    )
    return Door(app, token)


async def _turn_away(websocket: WebSocket, reason: str) -> None:
    await websocket.accept()  # or else no browser would see the code
    await websocket.close(TRY_LATER, reason)


async def _look_on(websocket: WebSocket, room: Room) -> None:
    """Serve a page until it leaves."""
    await websocket.accept()
    viewer = room.hub.enter()
    try:
        await _serve(websocket, viewer, room)
    finally:
        room.hub.leave(viewer)
        room.on_leave(viewer.number)


async def _serve(websocket: WebSocket, viewer: Viewer, room: Room) -> None:
    """Send and receive until either ends."""
    work = [
        asyncio.create_task(_send(websocket, viewer)),
        asyncio.create_task(_receive(websocket, viewer, room)),
    ]
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    with suppress(RuntimeError, OSError, WebSocketDisconnect, TimeoutError):
        async with asyncio.timeout(1):
            await websocket.close(POLICY_VIOLATION)


async def _send(websocket: WebSocket, viewer: Viewer) -> None:
    while True:
        content = await viewer.next()
        async with asyncio.timeout(STUCK_S):
            await websocket.send_bytes(content)


async def _receive(websocket: WebSocket, viewer: Viewer, room: Room) -> None:
    allowed, at_s, flooded = BURST, time.monotonic(), False
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        now_s = time.monotonic()
        allowed, at_s = min(BURST, allowed + REQUESTS_A_S * (now_s - at_s)), now_s
        content = message.get("bytes")
        if content is None:
            await websocket.close(UNSUPPORTED)
            return
        before, flooded = flooded, allowed < 1
        if flooded and before:
            continue
        allowed -= 1
        try:
            if flooded:
                raise BadInputError(f"expected at most {REQUESTS_A_S:g} requests a second; the others are ignored")
            room.on_request(parse_request(content), viewer.number)
        except BadInputError as error:
            room.hub.publish(Kind.REFUSED, document_body({"reason": str(error)}), viewer.number)


@cache
def assets() -> Mapping[str, tuple[bytes, str, str]]:
    """Read the page's files, once: by path, each file's content, media type and tag."""
    return dict(_found(files("spikeloop.streamer.dashboard") / "static", ""))


def _found(folder: Traversable, path: str) -> "list[tuple[str, tuple[bytes, str, str]]]":
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _found(entry, f"{path}{entry.name}/")
            continue
        content, suffix = entry.read_bytes(), "." + entry.name.rpartition(".")[2]
        kind = TYPES.get(suffix) or mimetypes.guess_type(entry.name)[0] or "text/plain"
        found.append((f"{path}{entry.name}", (content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')))
    return found


async def _asset(request: HttpRequest) -> Response:
    found = assets().get(request.path_params["path"] or "index.html")
    if found is None:
        return PlainTextResponse("there is no such page", 404)
    content, kind, tag = found
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    return Response(content, media_type=kind, headers={"etag": tag})
