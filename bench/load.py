"""A load of HTTP requests from one process, cheap enough to leave the machine to the server that is measured.

Connections are kept alive, requests are ready-made bytes, and one thread waits for all of them (epoll): about 15 µs a
request. `closed_loop`: each client sends its next request when its last was answered (a second later when it was
refused). `open_loop`: requests come at random times (Poisson) whatever the server does; a latency counts from the
moment at which the request was due, so that a stalled server cannot hide the requests it kept from being sent
(coordinated omission). Times are good to 1 ms, the finest that epoll sleeps.

It speaks to 127.0.0.1 only, ends by itself, and reads only what the servers measured here send: HTTP/1.1 with
Content-Length.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

_HOST = "127.0.0.1"
_DRAIN_S = 5.0
"""So long after its end an open loop waits for what it has sent."""
_MOST_OPEN = 4_096
"""So many requests an open loop has under way; further ones wait here, and their time runs."""
_WARM_S = 1.0
_COME_AGAIN, _COMES_AGAIN_S = (429, 503), 1.0
"""A closed loop's client that is refused waits as Retry-After asks: a second."""
LOST, CUT = 0, -1
"""Instead of a status: not answered in time; the connection was cut."""


def request_of(path: str, body: bytes, *, content_type: str = "application/json") -> bytes:
    """Return a POST request as it goes over the line."""
    head = f"POST {path} HTTP/1.1\r\nHost: {_HOST}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@dataclass
class Measured:
    """What a load found: seconds to each answer of status 200, and how many answers had which status.

    `cpu_share` is the share of a core that the load took; `answers` counts those of the warm-up too.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    cpu_share: float = 0.0
    answers: int = 0

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.statuses[200] / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float) -> float:
        """Return the milliseconds in which that share of the good answers came."""
        ordered = sorted(self.latencies)
        return 1_000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")

    @property
    def faults(self) -> str:
        """How many answers were not good, by status."""
        names = {LOST: "no answer", CUT: "cut"}
        others = {status: count for status, count in sorted(self.statuses.items()) if status != 200}
        return ", ".join(f"{count:,} x {names.get(status, status)}" for status, count in others.items()) or "none"


def closed_loop(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> Measured:
    """Keep `clients` requests under way for `seconds`, after a second that is not counted."""
    lines = _Lines(port, requests)
    try:
        for _ in range(clients):
            lines.send(lines.open(), time.perf_counter())
        warm = lines.run_closed(_WARM_S)
        found = lines.run_closed(seconds)
        found.answers += warm.answers
        return found
    finally:
        lines.close()


def open_loop(port: int, requests: Sequence[bytes], *, rate: float, seconds: float, seed: int = 7) -> Measured:
    """Send `rate` requests a second on average for `seconds`; what is not answered 5 s after that counts as lost."""
    lines = _Lines(port, requests)
    try:
        return lines.run_open(_arrivals(rate, seconds, random.Random(seed)), seconds)
    finally:
        lines.close()


def _arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


@dataclass(eq=False, slots=True)
class _Line:
    """One connection: when its request was due, and what has come back so far."""

    socket: socket.socket
    due: float = 0.0
    received: bytes = b""
    status: int | None = None


class _Lines:
    """Connections to one server."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port, self._requests = port, cycle(requests)
        self._epoll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._refused = deque[_Line]()
        self._found = Measured()

    def open(self) -> _Line:
        """Connect."""
        line = _Line(socket.create_connection((_HOST, self._port), timeout=5))
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.socket.setblocking(False)
        self._lines[line.socket.fileno()] = line
        self._epoll.register(line.socket.fileno(), select.EPOLLIN)
        return line

    def close(self) -> None:
        """Let go of all connections."""
        for line in self._lines.values():
            line.socket.close()
        self._epoll.close()

    def send(self, line: _Line, due: float) -> None:
        """Send the next request; a server that has just closed the connection shows when its answer is read."""
        line.due, line.received = due, b""
        try:
            line.socket.send(next(self._requests))
        except OSError:
            line.received = b""

    def run_closed(self, seconds: float) -> Measured:
        """Send on every connection whenever it is free."""
        self._found, started, cpu = Measured(), time.perf_counter(), time.process_time()
        ends_at = started + seconds
        while (now := time.perf_counter()) < ends_at:
            while self._refused and self._refused[0].due + _COMES_AGAIN_S <= now:
                self.send(self._refused.popleft(), now)
            until = self._refused[0].due + _COMES_AGAIN_S if self._refused else ends_at
            for line in self._answered(max(min(until, ends_at) - now, 0.0)):
                if line.status in _COME_AGAIN:
                    line.due = time.perf_counter()
                    self._refused.append(line)
                else:
                    self.send(line, time.perf_counter())
        return self._measured(started, cpu)

    def run_open(self, arrivals: Iterator[float], seconds: float) -> Measured:
        """Send when the time has come, as long as a connection can be had."""
        self._found, started, cpu = Measured(), time.perf_counter(), time.process_time()
        ends_at = started + seconds
        waiting, free = deque[float](), list[_Line]()
        following = next(arrivals, None)
        while following is not None or waiting or len(free) < len(self._lines):
            now = time.perf_counter()
            while following is not None and started + following <= now:
                waiting.append(started + following)
                following = next(arrivals, None)
            while waiting and (free or len(self._lines) < _MOST_OPEN):
                self.send(free.pop() if free else self.open(), waiting.popleft())
            until = ends_at + _DRAIN_S if following is None else started + following
            if now > ends_at + _DRAIN_S:
                self._found.statuses[LOST] += len(waiting) + len(self._lines) - len(free)
                break
            free += self._answered(max(until - now, 0.0))
        return self._measured(started, cpu)

    def _measured(self, started: float, cpu: float) -> Measured:
        self._found.seconds = time.perf_counter() - started
        self._found.answers = sum(self._found.statuses.values())
        self._found.cpu_share = (time.process_time() - cpu) / self._found.seconds
        return self._found

    def _answered(self, wait_s: float) -> Iterator[_Line]:
        """Yield the connections whose answer has come by now, or in `wait_s` at most."""
        for number, _ in self._epoll.poll(wait_s):
            line = self._lines[number]
            status = line.status = self._status_of(line)
            if status is None:
                continue
            self._found.statuses[status] += 1
            if status == 200:
                self._found.latencies.append(time.perf_counter() - line.due)
            yield line if status != CUT else self._replaced(line)

    def _status_of(self, line: _Line) -> int | None:
        """Return the status of a whole answer, None while it is on its way."""
        try:
            block = line.socket.recv(1 << 16)
        except ConnectionError:
            block = b""
        if not block:
            return CUT
        line.received += block
        head, ended, body = line.received.partition(b"\r\n\r\n")
        if not ended:
            return None
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(head[9:12]) if len(body) >= int(length) else None

    def _replaced(self, line: _Line) -> _Line:
        del self._lines[line.socket.fileno()]
        line.socket.close()
        return self.open()
