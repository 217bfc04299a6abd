"""The prediction log, off the path of requests.

Answers are laid into a bounded buffer; a thread turns them into rows and hands these to a store. What does not fit into
the buffer is dropped and counted: a full disk or a database that is away never holds up a request, nor fails one. A
process that is killed loses what was answered in the last seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl

    from copydesk.monitor.entry import Entry

LOG = logging.getLogger("copydesk.monitor")
MOST_WAITING = 50_000
"""Entries that wait to be written; beyond them they are dropped."""
_EVERY_S = 10.0
_AT_ONCE = 5_000
_STOP_S = 10.0


class Store(Protocol):
    """Where rows go."""

    def write(self, rows: pl.DataFrame) -> None:
        """Keep rows, all or none of them. Raises whatever stands in the way."""
        ...

    def tidy(self) -> None:
        """Put older rows together, and drop those that were kept long enough."""
        ...


@dataclass
class Counts:
    """What became of entries: written, dropped for want of room, lost because the store failed."""

    written: int = 0
    dropped: int = 0
    lost: int = 0


class Recorder:
    """Takes entries from any thread and writes them from its own."""

    def __init__(
        self,
        store: Store,
        rows_of: Callable[[Sequence[Entry]], pl.DataFrame],
        *,
        most_waiting: int = MOST_WAITING,
        every_s: float = _EVERY_S,
    ) -> None:
        self.counts = Counts()
        self._store, self._rows_of = store, rows_of
        self._most, self._every_s = most_waiting, every_s
        self._waiting: list[Entry] = []
        self._lock = threading.Lock()
        self._full, self._stopped = threading.Event(), threading.Event()
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="copydesk-prediction-log", daemon=True)
        self._thread.start()

    def offer(self, entries: Sequence[Entry]) -> None:
        """Take entries to be written, or drop them all where there is no room; returns at once."""
        with self._lock:
            if len(self._waiting) + len(entries) > self._most:
                self.counts.dropped += len(entries)
                return
            self._waiting.extend(entries)
            is_enough = len(self._waiting) >= _AT_ONCE
        if is_enough:
            self._full.set()

    def close(self) -> None:
        """Write what waits, then end; after some seconds without it."""
        self._stopped.set()
        self._full.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._full.wait(self._every_s)
            self._full.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []
        try:
            if entries:
                self._store.write(self._rows_of(entries))
                self.counts.written += len(entries)
            self._store.tidy()
            self._is_failing = False
        except Exception as error:  # whatever the store raises must not end the log: the next rows may find room again
            self.counts.lost += len(entries)
            if not self._is_failing:
                LOG.error("prediction log fails", extra={"fields": {"error": f"{type(error).__name__}: {error}"}})
            self._is_failing = True
