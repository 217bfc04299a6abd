from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from copydesk.collect.request import NoReply, request
from copydesk.errors import SourceError
from copydesk.remote.addresses import ALLOW_PRIVATE_HOSTS


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.partition("?")[0]
        if name == "/slow":
            time.sleep(1.0)
        if name == "/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"{self.path} {self.headers['User-Agent']}".encode()
        self.send_response(503 if name == "/busy" else 200)
        self.send_header("Retry-After", "30" if name == "/busy" else "Wed, 21 Oct 2026 07:28:00 GMT")
        self.send_header(
            "Content-Length", str(len(body) * (60 if name == "/endless" else 1) + (9 if name == "/cut" else 0))
        )
        self.end_headers()
        self.wfile.write(body * (60 if name == "/endless" else 1))
        self.close_connection = True


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv(ALLOW_PRIVATE_HOSTS, "1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_query_arrives_as_it_was_meant_and_tells_who_asks(url: str) -> None:
    reply = request(url + "/doc", {"query": '(a OR "b c") sourcecountry:x', "mode": "ArtList"})
    path, _, agent = reply.body.decode().partition(" ")
    assert path.startswith("/doc?query=(a+OR+%22b+c%22)+sourcecountry:x&mode=ArtList")
    assert agent.startswith("copydesk/")


def test_status_and_the_time_to_wait_are_passed_on(url: str) -> None:
    reply = request(url + "/busy", {})
    assert (reply.status, reply.retry_after_s) == (503, 30.0)
    assert request(url + "/doc", {}).retry_after_s == 0.0


def test_a_body_that_is_cut_off_is_no_reply(url: str) -> None:
    with pytest.raises(NoReply) as caught:
        request(url + "/cut", {})
    assert not caught.value.hopeless


def test_a_slow_answer_is_not_waited_for_without_end(url: str) -> None:
    with pytest.raises(NoReply, match="no answer within 0 s") as caught:
        request(url + "/slow", {}, timeout_s=0.2)
    assert not caught.value.hopeless


def test_nobody_who_listens_is_hopeless(url: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NoReply, match="nobody listens there") as caught:
        request(f"http://127.0.0.1:{port}/doc", {})
    assert caught.value.hopeless


def test_an_answer_without_end_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copydesk.collect.request._MOST_BYTES", 1_000)
    with pytest.raises(SourceError, match="sends more than 0 MiB"):
        request(url + "/endless", {})


def test_private_addresses_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    with pytest.raises(SourceError, match="is private or local"):
        request(url + "/doc", {})


def test_a_redirect_to_a_private_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from copydesk.remote import web as module

    honest = module._require_public
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    monkeypatch.setattr(module, "_require_public", lambda host: None if host == "127.0.0.1" else honest(host))
    with pytest.raises(SourceError, match="169.254.169.254 is private or local"):
        request(url + "/away", {})
