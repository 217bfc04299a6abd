"""The review page's server: the standard library's HTTP around `routes.answer`, for the one person at this machine.

It listens on the loopback interface only, and asks for a token that is new each time.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from copydesk.errors import UsageError
from copydesk.page.files import SECURITY_HEADERS
from copydesk.review.routes import MOST_BYTES, Guard, Request, Response, answer
from copydesk.review.session import Session

HOST = "127.0.0.1"
PORT = 8470
_IDLE_S = 60


class ReviewServer(ThreadingMixIn, TCPServer):
    """Serves one session's page until it is told to stop."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, session: Session, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.session = session
        own = self.server_address[1]
        self.guard = Guard(secrets.token_urlsafe(24), frozenset({f"{HOST}:{own}", f"localhost:{own}"}))

    @property
    def url(self) -> str:
        """The page's address. The token stands behind `#`, which browsers send to nobody."""
        return f"http://{HOST}:{self.server_address[1]}/#{self.guard.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (socketserver's)
        """Say nothing about a browser that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def open_server(session: Session, port: int | None) -> Iterator[ReviewServer]:
    """Yield a server on this port; without one on `PORT`, or on any free port if that is taken.

    Raises `UsageError` if the port that was asked for cannot be had.
    """
    with _bound(session, PORT if port is None else port, fallback=port is None) as server:
        yield server


def _bound(session: Session, port: int, *, fallback: bool) -> ReviewServer:
    try:
        return ReviewServer(session, port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        if fallback:
            return ReviewServer(session, 0)
        raise UsageError(
            f"Port {port} cannot be had: {os.strerror(error.errno)}. Choose another --port, or leave it out."
        ) from None


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, has it answered, writes the response."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "copydesk", ""
    timeout = _IDLE_S
    wbufsize = -1  # head and body in one packet: a second one would wait for the first one's receipt
    server: ReviewServer

    def handle_one(self) -> None:
        """Answer a request of any method."""
        body = self._body()
        if isinstance(body, Response):
            self.close_connection = True  # what was not read would be taken for the next request
            return self._send(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(answer(Request(self.command, self.path, headers, body), self.server.session, self.server.guard))
        return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_one

    def _body(self) -> bytes | Response:
        """Return the request's body, or why it is not read."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return Response(HTTPStatus.LENGTH_REQUIRED, b'{"error": "The length of the body must be given."}')
        if len(length) > 9 or int(length) > MOST_BYTES:
            return Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"error": "The body is too large."}')
        return self.rfile.read(int(length))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {
            **SECURITY_HEADERS,
            "Cache-Control": "no-store",
            "Content-Type": response.type,
            "Content-Length": str(len(response.body)),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 (the library's)
        """Keep the terminal quiet."""
