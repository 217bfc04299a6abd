"""Connections that do not get on, against a real server: they are closed, and the others are answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from copydesk.serve import connection

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once; /read reads the body before."""
    while scope["path"] == "/read" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connection, "ARRIVES_IN_S", 0.2)
    config = uvicorn.Config(
        _app, http=connection.Connection, ws="none", lifespan="off", log_config=None, loop="asyncio"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def _line(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _rest(line: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    found = b""
    try:
        while block := line.recv(1 << 16):
            found += block
    except ConnectionError:
        pass
    return found


def _answered(line: socket.socket) -> bool:
    """Send a request and tell whether it is answered."""
    line.sendall(REQUEST)
    found = b""
    while not found.endswith(b"ok") and (block := line.recv(1 << 16)):
        found += block
    return found.endswith(b"ok")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST / HT",
        b"POST /read HTTP/1.1\r\nHost: x\r\nX-Slow: 1\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(port: int, sent: bytes) -> None:
    with _line(port) as line:
        line.sendall(sent)
        assert _rest(line) == b""


def test_a_body_that_nobody_reads_is_not_taken_for_ever(port: int) -> None:
    with _line(port) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhe")
        assert _rest(line).endswith(b"ok")


def test_a_head_without_end_is_refused(port: int) -> None:
    with _line(port) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        try:
            for number in range(10_000):
                line.sendall(b"X-%05d: %s\r\n" % (number, b"x" * 100))
        except ConnectionError:
            pass
        assert _rest(line)[:12] in (b"HTTP/1.1 431", b"")  # the refusal is lost where we still sent when it came


def test_requests_that_arrive_are_answered_one_after_the_other_or_sent_at_once(port: int) -> None:
    with _line(port) as line:
        for _ in range(3):
            assert _answered(line)
        line.sendall(REQUEST[:-2])
        line.sendall(REQUEST[-2:] + REQUEST * 2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert _rest(line).count(b"200 OK") == 4


def test_what_is_sent_between_requests_does_not_keep_a_connection(port: int) -> None:
    with _line(port) as line:
        assert _answered(line)
        line.sendall(b"\r\n")
        assert _rest(line) == b""


def test_a_connection_that_was_answered_is_left_to_keep_alive(port: int) -> None:
    with _line(port) as line:
        assert _answered(line)
        line.settimeout(0.6)
        with pytest.raises(TimeoutError):
            line.recv(1)
