"""A stand-in for the Hugging Face hub on this machine: those of its routes that its client calls for bundles."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["TOKEN", "Hub", "hub_server"]

TOKEN = "hf_of_the_owner"
NONE: dict[str, str] = {}


@dataclass
class Repository:
    """A model repository: what each branch holds, and each commit held."""

    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        described = json.dumps([len(self.commits), *((name, sha1(data).hexdigest()) for name, data in files.items())])
        identity = sha1(described.encode()).hexdigest()
        self.commits[identity] = files
        self.branches[branch] = identity
        return identity


@dataclass
class Hub:
    """What it holds, and how it fails.

    Attributes
    ----------
    url : str
    repositories : dict of str to Repository
        By OWNER/NAME.
    requests : list of str
        Method and path of each that came.
    large : dict of str to bytes
        What was uploaded beside commits, by its SHA-256.
    cut : str
        The end of the paths of files that break off in the middle.
    redirected : bool
        Whether files lie at another address, as large ones do on the real hub.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    cut: str = "no file"
    redirected: bool = False

    def add(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commit files; return the commit."""
        return self.repositories.setdefault(repository, Repository()).commit(branch, dict(files))


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Serve on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        self.hub.requests.append(f"{method} {path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.query = parse_qs(address.query)
        for methods, pattern, answer in ROUTES:
            if method in methods and (found := re.fullmatch(pattern, path)):
                answer(self, *found.groups())
                return
        self._say(404, {"error": f"no route for {method} {path}"})

    def _say(self, status: int, document: Any, **headers: str) -> None:
        self._send(status, json.dumps(document).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str] = NONE, whole: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if whole else content[: len(content) // 2])
        if not whole:
            self.close_connection = True

    def _is_owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _found(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit and its files; None, after an answer, where there is none or it is another's."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_owner()):
            self._say(401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            self._say(404, {"error": f"Invalid rev id: {revision}"}, X_Error_Code="RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def info(self, name: str, revision: str | None) -> None:
        if found := self._found(name, revision or "main"):
            self._say(200, _described(name, *found, self.hub.repositories[name].private))

    def models(self) -> None:
        author = self.query["author"][0]
        listed = [
            _described(name, commit := held.branches["main"], held.commits[commit], held.private)
            for name, held in self.hub.repositories.items()
            if name.startswith(f"{author}/") and (not held.private or self._is_owner())
        ]
        self._say(200, [one for one in listed if b"spikeloop" in one.pop("readme").encode()])

    def file(self, name: str, revision: str, path: str) -> None:
        if (found := self._found(name, revision)) is None:
            return
        commit, files = found
        if path not in files:
            self._say(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        about = {"X_Repo_Commit": commit, "ETag": f'"{sha1(files[path]).hexdigest()}"'}
        if self.hub.redirected:
            elsewhere = self.hub.url.replace("127.0.0.1", "localhost")  # another host, for the client
            about |= {"X_Linked_Etag": about["ETag"], "X_Linked_Size": str(len(files[path]))}
            self._send(302, b"", about | {"Location": f"{elsewhere}/elsewhere/{name}/{commit}/{path}"})
            return
        self._send(200, files[path], about, whole=not path.endswith(self.hub.cut))

    def elsewhere(self, name: str, commit: str, path: str) -> None:
        self._send(200, self.hub.repositories[name].commits[commit][path], whole=not path.endswith(self.hub.cut))

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if not self._is_owner():
            self._say(401, {"error": "Invalid username or password."})
        elif name in self.hub.repositories:
            self._say(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"})
        else:
            hidden = asked.get("private") or asked.get("visibility") == "private"
            self.hub.repositories[name] = Repository(private=bool(hidden))
            self.hub.add(name, {".gitattributes": b""})
            self._say(200, {"url": f"{self.hub.url}/{name}"})

    def branch(self, name: str, branch: str) -> None:
        held = self.hub.repositories[name].branches
        if branch in held:
            self._say(409, {"error": "Reference already exists"})
            return
        held[branch] = held["main"]
        self._say(200, {})

    def validate(self) -> None:
        self._say(200, {"errors": [], "warnings": []})

    def preupload(self, name: str, revision: str) -> None:
        paths = [file["path"] for file in json.loads(self.body)["files"]]
        modes = {path: "lfs" if path.endswith(".onnx") else "regular" for path in paths}
        described = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
        self._say(200, {"files": described})

    def batch(self, name: str) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
            for one in json.loads(self.body)["objects"]
        ]
        self._say(200, {"transfer": "basic", "objects": objects})

    def upload(self, oid: str) -> None:
        assert sha256(self.body).hexdigest() == oid
        self.hub.large[oid] = self.body
        self._say(200, {})

    def commit(self, name: str, branch: str) -> None:
        if not self._is_owner():
            self._say(403, {"error": "You have read access but not the required permissions"})
            return
        held = self.hub.repositories[name]
        files = dict(held.commits[held.branches[branch]])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        done = held.commit(branch, files)
        self._say(200, {"success": True, "commitOid": done, "commitUrl": f"{self.hub.url}/{name}/commit/{done}"})


def _described(name: str, commit: str, files: dict[str, bytes], private: bool) -> dict[str, Any]:
    siblings = [
        {"rfilename": path, "size": len(data), "blobId": sha1(data).hexdigest()} for path, data in files.items()
    ]
    about = {"_id": commit[:24], "id": name, "modelId": name, "sha": commit, "private": private, "siblings": siblings}
    return about | {"tags": [], "downloads": 0, "likes": 0, "readme": files.get("README.md", b"").decode()}


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = (
    (("GET",), rf"/api/models/{NAME}(?:/revision/(.+))?", _Handler.info),
    (("GET",), "/api/models", _Handler.models),
    (("GET", "HEAD"), rf"/{NAME}/resolve/([^/]+)/(.+)", _Handler.file),
    (("GET", "HEAD"), rf"/elsewhere/{NAME}/([^/]+)/(.+)", _Handler.elsewhere),
    (("POST",), "/api/repos/create", _Handler.create),
    (("POST",), rf"/api/models/{NAME}/branch/(.+)", _Handler.branch),
    (("POST",), "/api/validate-yaml", _Handler.validate),
    (("POST",), rf"/api/models/{NAME}/preupload/(.+)", _Handler.preupload),
    (("POST",), rf"/{NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (("PUT",), r"/large/(\w+)", _Handler.upload),
    (("POST",), rf"/api/models/{NAME}/commit/(.+)", _Handler.commit),
)
