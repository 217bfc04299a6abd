"""The prediction log as Parquet files, which DuckDB, Polars and pandas read as they are: `LOG/**/*.parquet`.

    LOG/2026-11-21/10/1a2b3c4d-000001.parquet        what one process wrote in some seconds of that hour (UTC)
    LOG/2026-11-21/10/1a2b3c4d-000361-all.parquet    all before it, put together when the hour, or a size, was over

A file appears whole, and `read` passes over parts that stand in a later whole, so no row is ever seen twice.

    LOG/feedback.jsonl                               corrections, a line each, appended by any process
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from copydesk.errors import UsageError
from copydesk.files import append_lines, replacing
from copydesk.monitor.corrections import Line, corrections_of, read_lines
from copydesk.monitor.entry import SCHEMA

_PART_BYTES = 16 << 20
_DAYS = "%Y-%m-%d"
_WHOLE = "-all"
FEEDBACK = "feedback.jsonl"


class LogFiles:
    """Rows in a folder, by day and hour; one object for each process that writes."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_days: int | None = 30,
        most_bytes: int = _PART_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._keep_days, self._most_bytes, self._clock = folder, keep_days, most_bytes, clock
        self._name = secrets.token_hex(4)
        self._number = 0
        self._parts: dict[Path, list[Path]] = {}

    def write(self, rows: pl.DataFrame) -> None:
        """Write rows as a part of the present hour, whole or not at all."""
        hour = self._folder / datetime.fromtimestamp(self._clock(), UTC).strftime(f"{_DAYS}/%H")
        self._number += 1
        part = hour / f"{self._name}-{self._number:06d}.parquet"
        with replacing(part) as temporary:
            rows.write_parquet(temporary)
        self._parts.setdefault(hour, []).append(part)

    def prepare(self) -> None:
        """Make the folder, for its owner alone: texts may be kept in it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(b"0")

    def close(self) -> None:
        """Put together what this process wrote."""
        for hour, parts in list(self._parts.items()):
            self._put_together(hour, parts)

    def tidy(self) -> None:
        """Put the parts of past hours, or of a full one, together; drop days that are over their time."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        for hour, parts in list(self._parts.items()):
            is_over = hour != self._folder / now.strftime(f"{_DAYS}/%H")
            if is_over or sum(part.stat().st_size for part in parts) >= self._most_bytes:
                self._put_together(hour, parts)
        if self._keep_days is None:
            return
        oldest = (now - timedelta(days=self._keep_days)).strftime(_DAYS)
        for day in self._folder.glob("????-??-??"):
            if day.name < oldest:
                shutil.rmtree(day, ignore_errors=True)

    def read(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """Return the rows of all processes, those from `since` on and before `until`."""
        return read(self._folder, since, until)

    def correct(self, lines: Sequence[Line]) -> None:
        """Append corrections. Raises `CopydeskError`."""
        append_lines(self._folder / FEEDBACK, lines)

    def corrections(self) -> pl.DataFrame:
        """Return the last correction of each id."""
        path = self._folder / FEEDBACK
        return corrections_of(read_lines(path.read_text("utf-8", "replace")) if path.exists() else [])

    def _put_together(self, hour: Path, parts: list[Path]) -> None:
        del self._parts[hour]
        if len(parts) < 2:
            return
        self._number += 1
        with replacing(hour / f"{self._name}-{self._number:06d}{_WHOLE}.parquet") as temporary:
            pl.scan_parquet(parts).sink_parquet(temporary)
        for part in parts:
            part.unlink(missing_ok=True)


def read(folder: Path, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
    """Return the rows of a log, those from `since` on and before `until`; nothing is read before it is asked for.

    Raises `UsageError` where there is no log.
    """
    days = [
        day
        for day in sorted(folder.glob("????-??-??"))
        if (since is None or day.name >= since.strftime(_DAYS)) and (until is None or day.name <= until.strftime(_DAYS))
    ]
    if not any(folder.glob("????-??-??")):
        raise UsageError(f"'{folder}' holds no prediction log. Serve with one: copydesk serve MODEL --log {folder}")
    files = [file for day in days for file in _each_once(sorted(day.glob("*/*.parquet")))]
    rows = pl.scan_parquet(files, schema=SCHEMA) if files else pl.LazyFrame(schema=SCHEMA)
    if since is not None:
        rows = rows.filter(pl.col("at") >= since)
    if until is not None:
        rows = rows.filter(pl.col("at") < until)
    return rows


def _each_once(files: list[Path]) -> list[Path]:
    """Return files without the parts that a later file of the same process and hour has put together."""
    whole: dict[tuple[Path, str], list[str]] = {}
    for file in files:
        process, number, *is_whole = file.stem.split("-")
        if is_whole:
            whole.setdefault((file.parent, process), []).append(number)
    return [
        file
        for file in files
        if file.stem.endswith(_WHOLE)
        or not any(number > file.stem.split("-")[1] for number in whole.get((file.parent, file.stem.split("-")[0]), []))
    ]
