from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from copydesk.data.fetch import ALLOW_PRIVATE_HOSTS, fetch, is_reachable
from copydesk.errors import SourceError

CONTENT = bytes(range(256)) * 4_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Faulty(ThreadingHTTPServer):
    """A file server with faults: `cuts` answers stop half-way after `whole` good ones; the first `errors` are 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts = self.whole = 0
        self.errors = 0
        self.content = CONTENT
        self.etag = '"one"'
        self.redirect: str | None = None
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path != "/data/file.bin" or self.server.errors:
            self.server.errors = max(self.server.errors - 1, 0)
            self.send_response(404 if self.path != "/data/file.bin" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, wanted = self.server.content, self.headers.get("Range")
        start, stop = 0, len(content)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or stop) + 1, stop)
        if body:
            self.server.ranges.append(wanted)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", self.server.etag)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        if body and self.server.whole:
            self.server.whole -= 1
            self.wfile.write(content[start:stop])
        elif body and self.server.cuts:
            self.server.cuts -= 1
            self.wfile.write(content[start : start + (stop - start) // 2])
            self.close_connection = True
            self.connection.close()
        elif body:
            self.wfile.write(content[start:stop])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    monkeypatch.setenv(ALLOW_PRIVATE_HOSTS, "1")
    with Faulty() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def _get(server: Faulty, cache: Path, sha256: str | None = SHA256) -> Path:
    return fetch(server.url, sha256=sha256, cache=cache, sleep=lambda _: None)


def test_a_file_arrives_whole_and_is_kept(server: Faulty, tmp_path: Path) -> None:
    path = _get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    asked = len(server.ranges)
    assert _get(server, tmp_path) == path
    assert len(server.ranges) == asked


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Faulty, tmp_path: Path) -> None:
    server.cuts = 2
    assert _get(server, tmp_path).read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").partition("-")[0]) for wanted in server.ranges if wanted]
    assert starts == sorted(starts)
    assert starts[-1] > 0


def test_a_partial_file_of_an_earlier_run_is_continued(server: Faulty, tmp_path: Path) -> None:
    server.whole, server.cuts = 2, 1_000
    with pytest.raises(SourceError, match="cannot be fetched"):
        _get(server, tmp_path)
    left = [file for file in (tmp_path / "downloads").iterdir() if file.suffix == ".part"]
    assert len(left) == 1
    done = left[0].stat().st_size
    assert 0 < done < len(CONTENT)
    server.cuts, server.ranges = 0, []
    assert _get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[0] is not None and server.ranges[0].startswith(f"bytes={done}-")


def test_of_several_that_want_a_file_at_once_one_downloads_it(server: Faulty, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        files = [future.result() for future in [pool.submit(_get, server, tmp_path) for _ in range(4)]]
    assert {file.read_bytes() for file in files} == {CONTENT}
    assert len([asked for asked in server.ranges if asked]) == len({asked for asked in server.ranges if asked})


def test_server_errors_are_tried_again(server: Faulty, tmp_path: Path) -> None:
    server.errors = 2
    assert _get(server, tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server: Faulty, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"has SHA-256 {SHA256}, but the recipe pins {'0' * 64}"):
        _get(server, tmp_path, "0" * 64)
    assert {file.suffix for file in (tmp_path / "downloads").iterdir()} == {".lock"}


def test_a_damaged_file_in_the_cache_is_fetched_anew(server: Faulty, tmp_path: Path) -> None:
    _get(server, tmp_path).write_bytes(b"damaged")
    assert _get(server, tmp_path).read_bytes() == CONTENT


def test_a_changed_remote_file_without_a_pin_is_fetched_anew(server: Faulty, tmp_path: Path) -> None:
    _get(server, tmp_path, None)
    server.content, server.etag = b"new content", '"two"'
    assert _get(server, tmp_path, None).read_bytes() == b"new content"


def test_a_missing_file_is_said_to_be_missing(server: Faulty, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        fetch(server.url.replace("file.bin", "other.bin"), cache=tmp_path, sleep=lambda _: None)


def test_private_addresses_are_refused(server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(SourceError, match="is private or local"):
            fetch(f"http://{host}:{server.server_address[1]}/data/file.bin", cache=tmp_path, sleep=lambda _: None)
    assert server.ranges == []


def test_a_redirect_to_a_private_address_is_refused(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copydesk.data.fetch as module

    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    server.redirect = "http://169.254.169.254/latest/meta-data"
    honest = module._require_public

    def all_but_this_server(host: str) -> None:  # stands in for a public server that redirects
        if host != "127.0.0.1":
            honest(host)

    monkeypatch.setattr(module, "_require_public", all_but_this_server)
    with pytest.raises(SourceError, match="169.254.169.254 is private or local"):
        fetch(server.url, cache=tmp_path, sleep=lambda _: None)


def test_other_fsspec_addresses_work(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://folder/a.csv", "wb") as file:
        file.write(b"text,label\n")
    assert fetch("memory://folder/a.csv", cache=tmp_path).read_bytes() == b"text,label\n"


def test_an_unknown_kind_of_address_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        fetch("nonsense://x/y", cache=tmp_path)


def test_reachability_is_a_quick_question(server: Faulty, tmp_path: Path) -> None:
    assert is_reachable(server.url)
    assert not is_reachable("http://127.0.0.1:1/x", timeout_s=1)
    assert not is_reachable(str(tmp_path / "missing"))
    assert is_reachable(str(tmp_path))
