"""The prediction log, off the path of requests.

Answers are gathered in bounded number; a thread turns them into rows, and hands these to a store every few seconds.
What would be too many is dropped and counted: a full disk or a database that is away never holds up a request, nor
fails one. What a store refuses is tried again, ever more seldom, then lost and counted. A process that is killed loses
what was answered in the last seconds. It does not know what an answer looks like.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    import polars as pl

LOG = logging.getLogger("copydesk.monitor")
MOST_WAITING = 50_000
"""Answers that wait to be written; beyond them they are dropped."""
MOST_CHARACTERS = 32_000_000
"""So many characters at most have the texts of those that wait."""
MOST_TRIES = 8
"""What a store refuses so often, within a minute and a half, is lost."""
EVERY_S = 10.0
_TURN_S = 1.0
"""Rows are made in small portions: a thread that computes for long would keep the others from their turn."""
_ENOUGH_FOR_ROWS, _ENOUGH_TO_WRITE = 1_000, 20_000
_LONGEST_PAUSE_S = 30.0
_STOP_S = 10.0

Batch = TypeVar("Batch", bound=Sized)
Outcome = Literal["written", "dropped", "lost"]


class Store(Protocol):
    """Where rows go."""

    def write(self, rows: pl.DataFrame) -> None:
        """Keep rows, all or none of them. Raises whatever stands in the way."""
        ...

    def tidy(self) -> None:
        """Put older rows together, and drop those that were kept long enough."""
        ...


def uncounted(outcome: Outcome, answers: int) -> None:
    """Count nothing."""


class Recorder(Generic[Batch]):
    """Writes, from its own thread, what others gather.

    `gathered` returns the batches that were gathered since it was last called, `rows_of` the rows of one. `counted` is
    told what became of answers: written, dropped because too many waited, lost because the store refused them.
    """

    def __init__(
        self,
        store: Store,
        gathered: Callable[[], Sequence[Batch]],
        rows_of: Callable[[Batch], pl.DataFrame],
        *,
        counted: Callable[[Outcome, int], None] = uncounted,
        most_waiting: int = MOST_WAITING,
        every_s: float = EVERY_S,
    ) -> None:
        self._store, self._gathered, self._rows_of, self._counted = store, gathered, rows_of, counted
        self._most, self._every_s = most_waiting, every_s
        self._rows: list[pl.DataFrame] = []
        self._waiting = self._characters = self._tries = 0
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._pause_s, self._write_at = 0.0, time.monotonic() + every_s
        self._is_untidy = False
        self._thread = threading.Thread(target=self._run, name="copydesk-prediction-log", daemon=True)
        self._thread.start()

    def has_room(self, answers: int, characters: int = 0) -> bool:
        """Tell whether so many answers, to texts of so many characters, may be gathered; count those that may not."""
        with self._lock:
            has_room = self._waiting + answers <= self._most and self._characters + characters <= MOST_CHARACTERS
            if has_room:
                self._waiting += answers
                self._characters += characters
        if not has_room:
            self._counted("dropped", answers)
        return has_room

    def close(self) -> None:
        """Write what waits, then end; after some seconds without it."""
        self._stopped.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stopped.wait(min(_TURN_S, self._every_s)):
            made = sum(rows.height for rows in self._rows)
            is_due = time.monotonic() >= self._write_at or (made >= _ENOUGH_TO_WRITE and not self._pause_s)
            if is_due or self._waiting - made >= _ENOUGH_FOR_ROWS:
                self._make_rows()
            if is_due:
                self._write()
        self._make_rows()
        self._tries = MOST_TRIES - 1  # there is no later
        self._write()

    def _make_rows(self) -> None:
        for batch in self._gathered():
            try:
                self._rows.append(self._rows_of(batch))
            except Exception as error:  # answers that are like no others must not end the log
                LOG.error("prediction log: %d answers cannot be made rows of: %s", len(batch), told(error))
                self._forget(len(batch), "lost")

    def _write(self) -> None:
        """Hand all rows to the store; with those that it refuses, wait."""
        import polars as pl

        self._write_at = time.monotonic() + self._every_s
        if self._rows:
            self._rows = [pl.concat(self._rows)]
            try:
                self._store.write(self._rows[0])
            except Exception as error:  # whatever a store raises must not end the log: it may find room again
                self._refused(error)
                return
            self._written()
        try:
            self._store.tidy()
        except Exception as error:  # what is not put together or dropped now is so later
            if not self._is_untidy:
                LOG.warning("prediction log: not tidied: %s", told(error))
            self._is_untidy = True
        else:
            self._is_untidy = False

    def _written(self) -> None:
        if self._pause_s:
            LOG.warning("prediction log: rows are written again")
        self._pause_s, self._tries = 0.0, 0
        self._forget(self._rows.pop().height, "written")

    def _refused(self, error: Exception) -> None:
        """Try the same rows again after a pause, each twice as long; give them up after some tries."""
        if not self._pause_s:
            LOG.error("prediction log: rows cannot be written and wait: %s", told(error))
        self._pause_s = longer(self._pause_s, self._every_s)
        self._write_at = time.monotonic() + self._pause_s
        self._tries += 1
        if self._tries >= MOST_TRIES:
            self._tries = 0
            self._forget(self._rows.pop().height, "lost")

    def _forget(self, answers: int, outcome: Outcome) -> None:
        with self._lock:
            self._waiting -= answers
            self._characters = self._characters * self._waiting // (self._waiting + answers)  # on average
        self._counted(outcome, answers)


def longer(pause_s: float, every_s: float) -> float:
    """Return how long to wait after a refusal, when it was so long after the one before; 0 before the first."""
    return min(2 * pause_s or every_s / 10, _LONGEST_PAUSE_S)


def told(error: Exception) -> str:
    """Return what an error says, in one line; what follows may hold a text."""
    return f"{type(error).__name__}: {' '.join(str(error).splitlines()[:1])}"
