"""Clients that mean harm, or know no better, against a real server: it stays up, says what is wrong, answers others."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from copydesk.client import Client
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows
from server_process import ServerProcess, server_process
from test_hostile_texts import HOSTILE

pytestmark = pytest.mark.e2e

PLAIN = [text for text, _ in toy_rows(12)]
MOST_CHARS = 20_000
GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def linear(toy_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}})
        return train_bundle(recipe, data=toy_csv, out=tmp_path_factory.mktemp("bundles") / "linear").path


@pytest.fixture(scope="module")
def server(linear: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(linear, tmp_path_factory.mktemp("server")) as found:
        yield found
        assert "Traceback" not in found.log.read_text()


def post(server: ServerProcess, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    headers = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return httpx.post(f"{server.url}/v1/classify", content=content, headers=headers, timeout=60)


def assert_answers_others(server: ServerProcess) -> None:
    with Client(server.url) as client:
        assert [one.label for one in client.classify(["goal match league", "bank loan shares"])] == ["sport", "money"]


@contextmanager
def meanwhile_answering(server: ServerProcess) -> Iterator[list[float]]:
    """Ask every 50 ms while the block runs; yield the seconds that each answer took. None may fail."""
    seconds: list[float] = []
    faults: list[BaseException] = []
    over = threading.Event()

    def ask() -> None:
        with Client(server.url) as client:
            while not seconds or not over.wait(0.05):
                started = time.perf_counter()
                try:
                    client.classify("goal match")
                except Exception as fault:
                    faults.append(fault)
                seconds.append(time.perf_counter() - started)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join(90)
    assert not faults


NOT_PROMISED = (
    "positive_data_acceptance",  # columns that the model does not have make a valid body
    "use_after_free",  # a job that was cancelled is still known
    "allow_header_conformance",  # Starlette names the methods of the first route that a path leads to
)


def test_schemathesis_finds_no_answer_that_the_openapi_does_not_promise(server: ServerProcess, tmp_path: Path) -> None:
    """Nor a 5xx, but for the 504 that is promised to who waits 5e-324 seconds."""
    (tmp_path / "schemathesis.toml").write_text(
        '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "4xx", 504]\n'
    )
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    options = ["--checks", "all", "--exclude-checks", ",".join(NOT_PROMISED), "--continue-on-failure"]
    budget = ["--max-examples", "40", "--max-time", "60", "--seed", "1", "--no-color", "--warnings", "off"]
    done = subprocess.run(
        [*command, f"{server.url}/openapi.json", *options, *budget], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]
    assert_answers_others(server)


@pytest.mark.parametrize("kind", ["linear", "fp32", "int8"])
def test_hostile_texts_get_the_answers_they_get_in_python(
    kind: str, linear: Path, encoder_bundles: dict[str, Path], tmp_path: Path
) -> None:
    bundle = encoder_bundles.get(kind, linear)
    taken = {name: text for name, text in HOSTILE.items() if text.strip() and len(text) <= MOST_CHARS}
    here = Classifier.load(bundle).predict([*PLAIN, *taken.values()])
    with server_process(bundle, tmp_path) as server, Client(server.url) as client:
        there = client.classify([*PLAIN, *taken.values()])
        for name, text in HOSTILE.items() - taken.items():
            found = post(server, json.dumps({"texts": [PLAIN[0], text]}).encode())
            assert found.status_code == 422, name
            assert [fault["loc"] for fault in found.json()["detail"]] == [["body", "texts", 1]]
    assert [one.label for one in there] == [one.label for one in here]
    assert [one.score for one in there] == pytest.approx([one.score for one in here], abs=2e-3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"\x00",
        b"null",
        b"[]",
        b'"text"',
        b'{"text"',
        b'{"text": "a"} {"text": "b"}',
        b'{"text": "a", "text": 1}',
        b'{"text": NaN}',
        b'{"text": 1e999}',
        b'{"text": "\\ud83d"}',
        b'{"text": "\xed\xa0\x80"}',
        b'{"texts": ["a", null]}',
        b'{"texts": {"0": "a"}}',
        b'{"__proto__": {}, "text": "a"}',
        json.dumps({"texts": ["a"] * 100_000}).encode(),
        json.dumps({"texts": [{f"column {place}": "a" for place in range(50_000)}]}).encode(),
        b'{"texts": ' + b"[" * 1_000_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'{"text": ' * 500_000 + b"1" + b"}" * 500_000,
        b'{"text": {"a": ' * 200_000,
        b'{"text": ' + b"9" * 5_000_000 + b"}",
        b'{"texts": [' + b"1," * 1_000_000 + b"1]}",
        b'{"texts": [' + b"[]," * 700_000 + b"1]}",
        b"{" + b",".join(b'"%x": 1' % place for place in range(200_000)) + b"}",
    ],
    ids=lambda body: f"{body[:24]!r} {len(body)}",
)
def test_a_body_that_is_not_what_is_expected_is_refused_at_once(server: ServerProcess, body: bytes) -> None:
    with meanwhile_answering(server):
        found = post(server, body)
    assert found.status_code == 422 and len(found.content) < 10_000, found.text[:1_000]
    assert all({"loc", "msg", "type"} <= set(fault) for fault in found.json()["detail"])


def test_a_gigabyte_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    before = server.memory_mb()
    for path in ("classify", "feedback", "jobs"):
        head = f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        declared = server.exchange(f"{head}Content-Length: {GIGABYTE}\r\n\r\n".encode() + b'{"text": "')
        assert declared[:12] == b"HTTP/1.1 413", (path, declared[:200])
        sent, found = _streamed(server, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        assert found[:12] in (b"HTTP/1.1 413", b""), (path, found[:200])  # what is still on its way may cut the refusal
        assert sent < GIGABYTE / 4, (path, sent)
    assert server.memory_mb() < before + 100
    assert_answers_others(server)


def _streamed(server: ServerProcess, head: bytes) -> tuple[int, bytes]:
    """Send a gigabyte in chunks until the server will not have more; return how much it took and what it said."""
    block = b"x" * (1 << 20)
    chunk = b"%x\r\n%s\r\n" % (len(block), block)
    sent, found = 0, b""
    with server.connect() as line:
        try:
            line.sendall(head)
            while sent < GIGABYTE:
                line.sendall(chunk)
                sent += len(block)
        except ConnectionError:
            pass
        try:
            found = line.recv(1 << 16)
        except ConnectionError:
            pass
    return sent, found


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
def test_a_compressed_body_is_not_unpacked(server: ServerProcess, encoding: str) -> None:
    bomb = gzip.compress(b'{"text": "' + b"x" * 50_000_000, 9)
    before = server.memory_mb()
    assert post(server, bomb, content_encoding=encoding).status_code == 415
    assert server.memory_mb() < before + 30


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "*/*", "", "é"]
)
def test_another_content_type_is_refused(server: ServerProcess, kind: str) -> None:
    headers = {"Content-Type": kind.encode("latin-1")}
    found = httpx.post(f"{server.url}/v1/classify", content=b'{"text": "a"}', headers=headers)
    assert found.status_code == 415 and "application/json" in found.json()["detail"]


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (b"\r\n\r\n", (b"",)),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, (b"400",)),
        (b"GET\r\n\r\n", (b"400",)),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", (b"400", b"505")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (b"400",)),
        (b"GET /%00%ff%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", (b"404",)),
        (b"GET /v1/models/..%2f..%2fmanifest.json/report HTTP/1.1\r\nHost: x\r\n\r\n", (b"404",)),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", (b"400", b"404")),
        (b"GET http://[:: HTTP/1.1\r\nHost: x\r\n\r\n", (b"400",)),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", (b"400",)),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", (b"400",)),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n", (b"431", b"400", b"")),
        (b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (b"431", b"400", b"")),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 1_000_000 + b"\r\n", (b"431", b"")),
        (b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (b"400",)),
        (b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", (b"400",)),
        (b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", (b"400",)),
        (
            b"POST /v1/classify HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            (b"400",),
        ),
        (b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (b"400", b"415")),
        (
            b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n",
            (b"400",),
        ),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", (b"200", b"400")),
        (b"TRACE /v1/classify HTTP/1.1\r\nHost: x\r\n\r\n", (b"405",)),
        (b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n", (b"400", b"404", b"405")),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else "",
)
def test_what_is_no_http_is_no_5xx(server: ServerProcess, request_: bytes, statuses: Sequence[bytes]) -> None:
    found = server.exchange(request_)
    assert found[9:12] in statuses, found[:300]
    assert b"root:" not in found and b"sha256" not in found
    assert_answers_others(server)


def test_pipelined_requests_are_answered_in_order_and_a_flood_of_them_holds_nobody_up(server: ServerProcess) -> None:
    one = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    with meanwhile_answering(server):
        found = server.exchange(b"".join(one + b'{"text": "%s"}' % word for word in (b"goal", b"bank", b"goal") * 100))
    labels = [part.partition(b'"')[0] for part in found.split(b'"label":"')[1:]]
    assert labels == [b"sport", b"money", b"sport"] * 100


def test_headers_are_not_believed(server: ServerProcess) -> None:
    """What proxies say of a client, what a client says of itself: none of it is an address, a path or a log line."""
    for name, value in {
        "X-Request-Id": 'x"}\t{"event": "forged"}',
        "X-Forwarded-For": "127.0.0.1, <script>",
        "X-Forwarded-Proto": "javascript",
        "Host": "evil.example",
        "X-Request-Timeout": "nan",
        "Idempotency-Key": "x" * 10_000,
        "Authorization": "Bearer " + "x" * 10_000,
    }.items():
        found = httpx.get(f"{server.url}/v1/models", headers={name: value})
        assert found.status_code == 200 and value not in str(found.headers)
    assert all(json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))


def test_slow_clients_hold_nobody_up_and_are_shown_out(server: ServerProcess) -> None:
    """Slowloris: heads and bodies that never end, a byte every second. The server waits 45 s and no longer."""
    head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    kinds = [
        (head, b"X"),
        (head + b"Content-Length: 9000\r\n\r\n", b" "),
        (head + b"Transfer-Encoding: chunked\r\n\r\n", b"1"),
    ]
    with ExitStack() as stack:
        lines = [(stack.enter_context(server.connect()), drop) for start, drop in kinds * 100 if start]
        for (line, _), (start, _) in zip(lines, kinds * 100, strict=True):
            line.sendall(start)
            line.setblocking(False)
        with meanwhile_answering(server) as seconds:
            ends_at = time.monotonic() + 60
            while lines and time.monotonic() < ends_at:
                lines = [(line, drop) for line, drop in lines if _drips(line, drop)]
                time.sleep(1)
    assert not lines
    assert sorted(seconds)[len(seconds) // 2] < 1


def _drips(line: socket.socket, drop: bytes) -> bool:
    """Send one byte more, and tell whether the server still listens."""
    try:
        if not line.recv(1 << 10):
            return False
    except BlockingIOError:
        pass
    except ConnectionError:
        return False
    try:
        line.send(drop)
    except OSError:
        return False
    return True


def test_ten_thousand_idle_connections_hold_nobody_up(linear: Path, tmp_path: Path) -> None:
    count = _open_files(for_connections=10_000)
    with server_process(linear, tmp_path) as server, ExitStack() as stack:
        before = server.memory_mb()
        for _ in range(count):
            stack.enter_context(server.connect())
        with meanwhile_answering(server) as seconds:
            time.sleep(3)
        assert sorted(seconds)[len(seconds) // 2] < 1
        assert (server.memory_mb() - before) * 1_024 < 40 * count  # kilobytes
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def _open_files(*, for_connections: int) -> int:
    """Raise the limit of open files, which servers started from here inherit, and return how many can be used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = for_connections + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return min(for_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)


def test_clients_that_leave_before_their_answer_leave_no_work(server: ServerProcess) -> None:
    body = json.dumps({"texts": [PLAIN[place % 12] * 200 for place in range(256)]}).encode()
    head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with meanwhile_answering(server) as seconds:
        for _ in range(200):
            with server.connect() as line:
                line.sendall(head % len(body) + body)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset
    assert max(seconds) < 30
    assert_answers_others(server)
