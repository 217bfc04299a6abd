"""One engine and the queue before it: batches run on its threads, everything else on the event loop.

The queue is touched by the event loop alone, so nothing is locked. A free thread is given what waits at once; there is
no timer. A batch that fails is tried again text by text, so that a fault stays with the text that has it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import DeadlinePassed, Overloaded
from copydesk.serve.batcher import Batch, Entry, Queue, Ticket

Payload = TypeVar("Payload")
Floats = NDArray[np.float32]
_FADES = 0.95


class Watcher(Protocol):
    """Who wants to know what a lane does."""

    def ran(self, lane: Lane[Any], batch: Batch[Any], seconds: float) -> None:
        """Take note of a batch that was answered."""
        ...

    def dropped(self, lane: Lane[Any], texts: int) -> None:
        """Take note of texts that nobody waited for any more."""
        ...


@dataclass(frozen=True)
class Engine(Generic[Payload]):
    """What a lane runs: a batch's payloads to their outputs, shape (n, outputs), and how much it takes at once.

    A batch that costs at most `at_once` is run on the event loop: it takes less than a thread's round trip.
    """

    name: str
    run: Callable[[Sequence[Payload]], Floats]
    budget: int
    threads: int
    is_padded: bool = True
    at_once: int = 0


@dataclass(slots=True)
class Times:
    """Seconds a request spent in each stage; of a batch it shared, the whole batch's."""

    queue: float = 0.0
    tokenise: float = 0.0
    inference: float = 0.0


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request in a lane: the rows it has so far, and who waits for them."""

    rows: list[Floats | None]
    left: int
    ticket: Ticket
    done: asyncio.Future[None]
    times: Times
    since: float
    started: float = 0.0


@dataclass(slots=True)
class _Row(Generic[Payload]):
    """One text of a request in a lane."""

    payload: Payload
    place: int
    request: _Waiting = field(repr=False)


class Pace:
    """What one thread of an engine gets done in a second of late; nothing is known before its first batch."""

    def __init__(self) -> None:
        self._cost = self._seconds = 0.0

    @property
    def per_second(self) -> float:
        """Cost a second, 0 where nothing is known."""
        return self._cost / self._seconds if self._seconds else 0.0

    def note(self, cost: int, seconds: float) -> None:
        """Take note of a batch; older ones fade."""
        self._cost = _FADES * self._cost + cost
        self._seconds = _FADES * self._seconds + seconds


class Lane(Generic[Payload]):
    """An engine with its queue. Made and used within one event loop."""

    def __init__(
        self, engine: Engine[Payload], *, most_texts: int, watcher: Watcher, most_wait_s: float = math.inf
    ) -> None:
        self.engine = engine
        self._most_wait_s, self.pace = most_wait_s, Pace()
        self.queue: Queue[_Row[Payload]] = Queue(most_texts=most_texts, is_padded=engine.is_padded)
        self._watcher = watcher
        self._free = engine.threads
        self._threads = ThreadPoolExecutor(engine.threads, thread_name_prefix=f"copydesk-{engine.name}")
        self._loop = asyncio.get_running_loop()
        self._is_pumping = False

    async def answer(self, payloads: Sequence[Payload], costs: Sequence[int], ticket: Ticket, times: Times) -> Floats:
        """Return the outputs of a request's texts, in order. Raises `Overloaded`, `DeadlinePassed`, or the fault."""
        now = time.monotonic()
        self._refuse_who_waits_too_long(costs, now)
        waiting = _Waiting([None] * len(payloads), len(payloads), ticket, self._loop.create_future(), times, now)
        rows = [_Row(payload, place, waiting) for place, payload in enumerate(payloads)]
        self.queue.add(rows, costs, ticket, now)
        self._pump_soon()
        try:
            if ticket.deadline is None:
                await waiting.done
            else:
                await asyncio.wait_for(waiting.done, max(ticket.deadline - now, 0))
        except TimeoutError:
            raise DeadlinePassed(
                "The time that X-Request-Timeout allows was over before there was an answer."
            ) from None
        finally:
            ticket.gone = ticket.gone or not waiting.done.done() or waiting.done.cancelled()
        return np.stack([row for row in waiting.rows if row is not None])

    def close(self) -> None:
        """Let the threads end; nothing may wait any more."""
        self._threads.shutdown(wait=False)

    def _refuse_who_waits_too_long(self, costs: Sequence[int], now: float) -> None:
        """Raise `Overloaded` where a request's first text would have to wait too long for its turn.

        What counts is the time, not the number of texts: the same queue is a blink to one model and seconds to another.
        A full queue of seconds would only make every answer late, and lose as many requests in the end.
        """
        per_second = self.pace.per_second * self.engine.threads
        if not per_second or self.queue.cost <= per_second * self._most_wait_s:
            return
        wait_s = self.queue.ahead_of(costs, now) / per_second
        if wait_s > self._most_wait_s:
            raise Overloaded(
                f"Its turn would come in {wait_s:.1f} s and {self._most_wait_s:g} s are the most. Come again later.",
                retry_after_s=max(math.ceil(wait_s), 1),
            )

    def _pump_soon(self) -> None:
        """Give out batches after all that this turn of the loop does: requests that it reads share one."""
        if not self._is_pumping:
            self._is_pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Give each free thread a batch."""
        self._is_pumping = False
        while self._free and len(self.queue):
            now = time.monotonic()
            batch = self.queue.take(self.engine.budget, now)
            if batch.dropped:
                self._watcher.dropped(self, len(batch.dropped))
            if not batch.entries:
                continue
            for entry in batch.entries:
                request = entry.payload.request
                request.started = request.started or now
            if batch.cost <= self.engine.at_once:
                started = time.perf_counter()
                found = self._attempt(batch.entries)
                seconds = time.perf_counter() - started
                self.pace.note(batch.cost, seconds)
                self._settle(batch, found, seconds)
                self._pump_soon()  # who has an answer by now is not kept waiting for the rest of the queue
                return
            self._free -= 1
            self._threads.submit(self._run, batch, now)

    def _run(self, batch: Batch[_Row[Payload]], given: float) -> None:
        """Answer a batch that was given out at that time, in a thread of the engine."""
        started = time.perf_counter()
        found = self._attempt(batch.entries)
        self._loop.call_soon_threadsafe(self._finish, batch, found, time.perf_counter() - started, given)

    def _attempt(self, entries: list[Entry[_Row[Payload]]]) -> list[Floats | Exception]:
        try:
            found: list[Floats | Exception] = list(self.engine.run([entry.payload.payload for entry in entries]))
            if len(found) != len(entries):
                raise ValueError(f"The engine gave {len(found)} rows to {len(entries)} texts; one each is expected.")
            return found
        except Exception as error:
            if len(entries) == 1:
                return [error]
            return [row for entry in entries for row in self._attempt([entry])]

    def _finish(
        self, batch: Batch[_Row[Payload]], found: list[Floats | Exception], seconds: float, given: float
    ) -> None:
        self._free += 1
        self.pace.note(batch.cost, time.monotonic() - given)  # a thread that waits for the event loop does no work
        self._pump()
        self._settle(batch, found, seconds)

    def _settle(self, batch: Batch[_Row[Payload]], found: list[Floats | Exception], seconds: float) -> None:
        """Give the rows to the requests; who has all, or a fault, is told."""
        self._watcher.ran(self, batch, seconds)
        now = time.monotonic()
        for entry, row in zip(batch.entries, found, strict=True):
            request = entry.payload.request
            if request.done.done():
                continue
            if isinstance(row, Exception):
                request.ticket.gone = True  # its other texts need no answer
                request.done.set_exception(row)
                continue
            request.rows[entry.payload.place] = row
            request.left -= 1
            if not request.left:
                request.times.queue += request.started - request.since
                request.times.inference += now - request.started
                request.done.set_result(None)
