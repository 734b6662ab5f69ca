"""A local server of files that sends parts of them, as archives do, with the archive's interface; or one that fails."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["FileServer", "file_server"]


@dataclass
class FileServer:
    """What it serves, and what it has sent.

    Attributes
    ----------
    url : str
    files : dict of str to bytes
        By their paths on the server.
    answers : dict of str to any
        JSON by path.
    sent : int
        Bytes of files.
    ranges : bool
        Whether it sends parts of files.
    broken_after : int or None
        Requests for files after which it breaks off in the middle of each.
    halfway : callable
        Called in the middle of each file.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    sent: int = 0
    ranges: bool = True
    broken_after: int | None = None
    requests: int = 0
    halfway: Callable[[], object] = lambda: None

    def add(self, path: Path, name: str) -> str:
        """Serve a file; return its address."""
        self.files[f"/{name}"] = path.read_bytes()
        return f"{self.url}/{name}"

    def add_dandiset(self, number: str, assets: dict[str, Path], version: str | None = None) -> str:
        """Stand in for the archive's interface, with one dandiset; return the interface's address."""
        base = f"/api/dandisets/{number}/"
        self.answers[base] = {"most_recent_published_version": {"version": version} if version else None}
        found = []
        for index, (name, path) in enumerate(assets.items()):
            self.add(path, f"blobs/{index}")
            self.answers[f"/api/assets/asset-{index}/download/"] = f"{self.url}/blobs/{index}"
            found.append({"asset_id": f"asset-{index}", "path": name})
        self.answers[f"{base}versions/{version or 'draft'}/assets/"] = found
        return f"{self.url}/api"


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Serve on a free port of this machine."""
    state = FileServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path in state.answers:
                _answer(self, state.answers[address.path], parse_qs(address.query))
            elif address.path in state.files:
                _send(self, state, state.files[address.path])
            else:
                self.send_error(404)

    return Handler


def _answer(handler: BaseHTTPRequestHandler, answer: Any, query: dict[str, list[str]]) -> None:
    if isinstance(answer, str):  # where to go
        handler.send_response(302)
        handler.send_header("Location", answer)
        handler.end_headers()
        return
    if isinstance(answer, list):
        beginning = query.get("path", [""])[0]
        answer = {"results": [entry for entry in answer if entry["path"].startswith(beginning)]}
    body = json.dumps(answer).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _send(handler: BaseHTTPRequestHandler, state: FileServer, data: bytes) -> None:
    state.requests += 1
    part = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
    if part is None or not state.ranges:
        handler.send_response(200)
        body = data
    else:
        first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
        body = data[first : last + 1]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if state.broken_after is not None and state.requests > state.broken_after:
        body = body[: len(body) // 2]
        handler.close_connection = True
    state.sent += len(body)
    handler.wfile.write(body[: len(data) // 2])
    state.halfway()
    handler.wfile.write(body[len(data) // 2 :])
