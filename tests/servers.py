"""Small servers on this machine that answer as the real ones do, and misbehave on demand."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

CONTENT = bytes(range(256)) * 4_000


@dataclass
class Asked:
    """One request: the method, the path with its query, the headers (names in lower case), the body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """What a server says; a body may be announced longer than it is, broken off, or slow."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced: int | None = None
    cut: bool = False
    wait_s: float = 0.0


class Server(ThreadingHTTPServer):
    """Answers by `answer`, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that ended tells nobody
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def gets(self, part: str = "") -> list[Asked]:
        """Return the GET requests whose path holds a part."""
        return [asked for asked in self.asked if asked.method == "GET" and part in asked.path]


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and body, sent apart, wait 40 ms for each other

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, headers, body)
        self.server.asked.append(asked)
        answer = self.server.answer(asked)
        self.send_response(answer.status)
        length = len(answer.body) if answer.announced is None else answer.announced
        for name, value in {"Content-Length": str(length), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if asked.method == "HEAD":
            return
        time.sleep(answer.wait_s)
        with suppress(ConnectionError):  # the client did not wait
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        if answer.cut or length != len(answer.body):
            self.close_connection = True
            self.connection.close()

    do_HEAD = do_POST = do_PUT = do_GET


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Serve in a thread until the block ends."""
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def part_of(content: bytes, asked: Asked, etag: str) -> Answer:
    """Return the answer for a file, or for the range of it that was asked for."""
    wanted = asked.headers.get("range", "")
    headers = {"ETag": etag, "Accept-Ranges": "bytes"}
    if not wanted or asked.headers.get("if-range", etag) != etag:
        return Answer(headers=headers, body=content)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last or len(content)) + 1, len(content))
    if start >= len(content):
        return Answer(416, {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return Answer(206, headers, content[start:stop])


class Faulty(Server):
    """A file at /data/file.bin. `cuts` answers break off half-way after `whole` good ones; `errors` come first."""

    def __init__(self) -> None:
        super().__init__()
        self.content, self.etag = CONTENT, '"one"'
        self.whole = self.cuts = self.stalls = 0
        self.errors: list[Answer] = []
        self.redirect: str | None = None
        self.knows_ranges = True
        self.announced: int | None = None
        self.announced_etag: str | None = None

    @property
    def url(self) -> str:
        return f"{self.root}/data/file.bin"

    @property
    def ranges(self) -> list[str | None]:
        """Return the ranges that were asked for."""
        return [asked.headers.get("range") for asked in self.gets("file.bin")]

    def answer(self, asked: Asked) -> Answer:
        if self.redirect:
            return Answer(302, {"Location": self.redirect})
        if asked.path != "/data/file.bin":
            return Answer(404)
        if self.errors:
            return self.errors.pop(0)
        if not self.knows_ranges:
            asked = Asked(asked.method, asked.path, {})
        answer = part_of(self.content, asked, self.etag)
        if asked.method == "HEAD":
            answer.announced = self.announced
            answer.headers = {**answer.headers, "ETag": self.announced_etag or self.etag}
        if asked.method == "GET" and self.whole:
            self.whole -= 1
        elif asked.method == "GET" and self.stalls:
            self.stalls -= 1
            answer.wait_s = 0.5
        elif asked.method == "GET" and self.cuts:
            self.cuts -= 1
            answer.cut = True
        return answer


class Hub(Server):
    """A Hugging Face Hub with one dataset, OWNER/NAME, whose branches stand at commits that hold files."""

    def __init__(self, files: Mapping[str, bytes], *, token: str | None = None) -> None:
        super().__init__()
        self.token = token
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}
        self.commit(files)

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Let a branch stand at a new commit, and return it."""
        name = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[name] = dict(files)
        self.branches[branch] = name
        return name

    def answer(self, asked: Asked) -> Answer:
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(401, {"X-Error-Message": "Invalid credentials"})
        path = urlsplit(asked.path).path
        for prefix, reply in (("/api/datasets/owner/name", self._about), ("/datasets/owner/name/resolve/", self._file)):
            if path.startswith(prefix):
                return reply(asked, path.removeprefix(prefix))
        return Answer(404, {"X-Error-Code": "RepoNotFound"})

    def _commit_of(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)

    def _about(self, asked: Asked, rest: str) -> Answer:
        kind, _, revision = rest.strip("/").partition("/")
        commit = self._commit_of(unquote(revision.partition("/")[0]) or "main")
        if commit is None:
            return Answer(404, {"X-Error-Code": "RevisionNotFound"})
        if kind == "tree":
            files = [{"type": "file", "path": p, "size": len(c), "oid": "0"} for p, c in self.commits[commit].items()]
            return _json(files)
        return _json({"id": "owner/name", "sha": commit, "siblings": []})

    def _file(self, asked: Asked, rest: str) -> Answer:
        revision, name = map(unquote, rest.split("/", 1))
        commit = self._commit_of(revision)
        if commit is None:
            return Answer(404, {"X-Error-Code": "RevisionNotFound"})
        if name not in self.commits[commit]:
            return Answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        answer = part_of(self.commits[commit][name], asked, '"blob"')
        answer.headers = {**answer.headers, "X-Repo-Commit": commit}
        return answer


class Kaggle(Server):
    """Kaggle with one dataset, owner/name; its file comes from a storage server, as it is or zipped."""

    def __init__(self, storage: Faulty, *, version: int = 3, authorisation: str | None = None) -> None:
        super().__init__()
        self.storage, self.version, self.authorisation = storage, version, authorisation

    def answer(self, asked: Asked) -> Answer:
        if self.authorisation and asked.headers.get("authorization") != self.authorisation:
            return Answer(403)
        place = urlsplit(asked.path)
        if place.path == "/api/v1/datasets/view/owner/name":
            return _json({"currentVersionNumber": self.version})
        query = parse_qs(place.query)
        if place.path == "/api/v1/datasets/download/owner/name" and query.get("file_name") == ["folder/rows.csv"]:
            return Answer(302, {"Location": self.storage.url})
        return Answer(404)


class Gcs(Server):
    """Google's storage with one object, gs://bucket/folder/rows.csv, as an emulator serves it."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content, self.generation = content, "17"

    def answer(self, asked: Asked) -> Answer:
        place = urlsplit(asked.path)
        query = parse_qs(place.query)
        if unquote(place.path).endswith("/b/bucket/o/folder/rows.csv"):
            if query.get("alt") == ["media"]:
                return part_of(self.content, asked, '"gcs"')
            return _json(
                {
                    "kind": "storage#object",
                    "name": "folder/rows.csv",
                    "bucket": "bucket",
                    "size": str(len(self.content)),
                    "generation": self.generation,
                    "etag": f"etag-{self.generation}",
                    "updated": "2026-11-01T00:00:00.000Z",
                    "timeCreated": "2026-11-01T00:00:00.000Z",
                }
            )
        if place.path.endswith("/o"):
            return _json({"kind": "storage#objects", "items": []})
        return Answer(404, body=b'{"error": {"code": 404, "message": "Not Found"}}')


def _json(value: object) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())
