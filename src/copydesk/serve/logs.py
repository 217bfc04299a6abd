"""Logs as JSON lines: time, level, event, and the fields of the event.

Lines are gathered and written every quarter of a second, as a write for each request would cost a good part of its
time; a warning is written at once, with what came before it.
"""

from __future__ import annotations

import atexit
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from logging.handlers import MemoryHandler

_FLUSH_S = 0.25
_MOST_LINES = 1_000


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; what was given as `extra={"fields": {...}}` stands beside the event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes what was gathered in one go."""

    def write(self, records: list[logging.LogRecord]) -> None:
        """Write the records as lines."""
        if records:
            self.stream.write("".join(f"{self.format(record)}\n" for record in records))
            self.stream.flush()


class Gathered(MemoryHandler):
    """Gathers records for a handler that writes many at once."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(_MOST_LINES, logging.WARNING, target=lines)
        self._lines = lines

    def flush(self) -> None:
        """Write what was gathered; lines that cannot be written are lost, and no request with them."""
        with self.lock:  # type: ignore[union-attr]
            records, self.buffer = self.buffer, []
            try:
                self._lines.write(records)
            except Exception:
                self._lines.handleError(records[-1])


def log_to_stderr(level: str) -> None:
    """Send Copydesk's and uvicorn's logs to stderr as JSON lines; uvicorn's own line for each request is left out."""
    lines = Lines(sys.stderr)
    lines.setFormatter(JsonLines())
    gathered = Gathered(lines)
    for name in ("copydesk", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [gathered]
        logger.setLevel(level.upper())
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True
    atexit.register(gathered.flush)
    threading.Thread(target=_flush_for_ever, args=(gathered,), name="copydesk-logs", daemon=True).start()


def flush_logs() -> None:
    """Write what was gathered; a process that ends by a signal has no other chance."""
    for handler in logging.getLogger("copydesk").handlers:
        handler.flush()


def _flush_for_ever(gathered: Gathered) -> None:
    pause = threading.Event()
    while not pause.wait(_FLUSH_S):
        gathered.flush()
