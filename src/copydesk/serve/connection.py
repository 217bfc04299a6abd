"""One connection, with what uvicorn leaves open: how long a request may take to arrive, and how long its head may be.

uvicorn closes a connection that is idle after an answer. One that never asks, that sends a header every few seconds, or
that dribbles a body nobody reads, it would keep for ever; and every one of them holds an open file.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ARRIVES_IN_S = 45.0
"""More than `Limits.body_timeout_s`: where a route reads the body, it is the route that refuses, and says so."""
_MOST_HEAD_BYTES = 1 << 16
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(HttpToolsProtocol):
    """uvicorn's connection, closed when a request is not there as a whole in time, or its head does not end."""

    _arrival: asyncio.TimerHandle | None = None
    _is_arriving = True
    _is_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._unwatch()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._unwatch()
        self._is_arriving = self._is_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that its head is there."""
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that all of it is there."""
        self._is_arriving = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take what has come; what is not whole by now is waited for so long and no longer."""
        super().data_received(data)
        if self._is_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LONG)
                self.transport.close()
        is_answered = self.cycle is None or self.cycle.response_complete
        if not self._is_arriving and not is_answered:
            self._unwatch()
        elif self._arrival is None and not self.transport.is_closing():
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        self._arrival = self.loop.call_later(ARRIVES_IN_S, self._is_late)

    def _unwatch(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _is_late(self) -> None:
        self._arrival = None
        if not self.transport.is_closing():
            self.transport.close()
