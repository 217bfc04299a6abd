from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from copydesk.data.review_file import Header, Item, Review, write_review
from copydesk.errors import UsageError
from copydesk.review.routes import MOST_BYTES
from copydesk.review.server import ReviewServer, open_server
from copydesk.review.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    write_review(tmp_path / "review.jsonl", Review(Header("single", ("bad", "good")), (Item("a1", "Schön", "bad"),)))
    return Session(tmp_path / "review.jsonl")


@pytest.fixture
def server(session: Session) -> Iterator[ReviewServer]:
    with open_server(session, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _ask(
    server: ReviewServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    host, port = server.server_address[:2]
    connection = http.client.HTTPConnection(str(host), int(port), timeout=10)
    token = {"X-Copydesk-Token": server.guard.token, "Content-Type": "application/json"}
    connection.request(method, path, body, {**token, **headers})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_it_listens_on_the_loopback_interface_and_keeps_its_token_out_of_requests(server: ReviewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    address, _, token = server.url.partition("/#")
    assert address == f"http://127.0.0.1:{server.server_address[1]}"
    assert len(token) >= 32


def test_a_page_can_be_opened_and_a_decision_saved(server: ReviewServer, session: Session) -> None:
    response, page = _ask(server, "GET", "/")
    assert (response.status, page[:15]) == (200, b"<!doctype html>")
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cache-Control"] == "no-store"
    body = json.dumps({"place": 0, "revision": 0, "decision": "drop"}).encode()
    response, value = _ask(server, "POST", "/api/decide", body)
    assert (response.status, json.loads(value)["item"]["text"]) == (200, "Schön")
    assert session.items[0].decision == "drop"


def test_another_host_and_a_wrong_token_are_refused(server: ReviewServer) -> None:
    assert _ask(server, "GET", "/api/review", Host="rebound.example:80")[0].status == 403
    assert _ask(server, "GET", "/api/review", **{"X-Copydesk-Token": "no"})[0].status == 401
    assert "Access-Control-Allow-Origin" not in _ask(server, "OPTIONS", "/api/decide")[0].headers


@pytest.mark.parametrize(
    ("length", "status"), [(str(MOST_BYTES + 1), 413), ("9" * 5_000, 413), ("many", 411), ("-1", 411), ("²", 411)]
)
def test_a_body_without_bounds_is_not_read(server: ReviewServer, length: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", int(server.server_address[1])), timeout=10) as connection:
        request = f"POST /api/decide HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_chunked_body_is_not_read(server: ReviewServer) -> None:
    assert _ask(server, "POST", "/api/decide", b"0\r\n\r\n", **{"Transfer-Encoding": "chunked"})[0].status == 411


def test_a_port_that_is_taken_is_said(server: ReviewServer, session: Session) -> None:
    taken = int(server.server_address[1])
    with pytest.raises(UsageError, match=f"Port {taken} cannot be had: Address already in use"):
        open_server(session, taken).__enter__()


def test_without_a_wish_another_port_is_taken(
    server: ReviewServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copydesk.review.server.PORT", int(server.server_address[1]))
    with open_server(session, None) as other:
        assert other.server_address[1] != server.server_address[1]
