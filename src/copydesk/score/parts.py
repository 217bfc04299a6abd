"""Answers on disk in parts, each named by the rows it holds: which are done can be read off the names.

    part-000000131072-65536.parquet   65,536 rows, the first of which is the input's number 131,072 (from 0)

A part appears when it is whole. What was counted on the way stands in its own metadata.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from copydesk.errors import DataError
from copydesk.files import writing
from copydesk.remote.store import Store
from copydesk.score.scorer import Scored

KEY = "copydesk"
PART_ROWS = 1 << 18
PART_S = 60.0
"""A part is closed after as many rows or seconds, whichever comes first: a killed run loses a minute."""
GROUP_ROWS = 1 << 16
GROUP_BYTES = 1 << 25
COMPRESSION = "zstd"
_NAME = re.compile(r"part-(\d{12})-(\d+)\.parquet")


@dataclass(frozen=True, order=True)
class Rows:
    """The rows from number `start` to `stop` (exclusive)."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.stop - self.start

    @property
    def part(self) -> str:
        """The name of the part that holds them."""
        return f"part-{self.start:012}-{self.count}.parquet"


def parts_of(names: Iterable[str]) -> list[Rows]:
    """Return the rows of the parts among these files, in order. Raises `DataError` where two hold the same row."""
    found = [(int(match[1]), int(match[2])) for name in names if (match := _NAME.fullmatch(name))]
    rows = sorted(Rows(start, start + count) for start, count in found)
    for one, next_one in zip(rows, rows[1:], strict=False):
        if next_one.start < one.stop:
            raise DataError(
                f"The parts '{one.part}' and '{next_one.part}' hold the same rows: two processes scored at once. "
                "Remove the output and start again, one process at a time."
            )
    return rows


def missing(done: Iterable[Rows], total: int) -> list[Rows]:
    """Return which of the rows 0 to `total` (exclusive) no part holds."""
    gaps, at = [], 0
    for rows in [*done, Rows(total, total)]:
        if rows.start > at:
            gaps.append(Rows(at, rows.start))
        at = max(at, rows.stop)
    return gaps


@dataclass
class Counts:
    """What was counted: rows without an answer by the reason, texts that the model saw."""

    errors: Counter[str] = field(default_factory=Counter)
    computed: int = 0

    def add(self, errors: Counter[str], computed: int) -> None:
        """Add a batch's, or a part's."""
        self.errors.update(errors)
        self.computed += computed

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON."""
        return {"errors": dict(self.errors), "computed": self.computed}


def counts_of(store: Store, parts: Iterable[Rows]) -> Counts:
    """Add up what the parts' metadata say. Raises `DataError` for a part that is not what its name says."""
    total = Counts()
    for rows in parts:
        with store.opened(rows.part) as file:
            try:
                metadata = pq.read_metadata(file)
                counts = json.loads(metadata.metadata[KEY.encode()])
                total.add(Counter(counts["errors"]), counts["computed"])
            except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
                metadata = None
        if metadata is None or metadata.num_rows != rows.count:
            raise DataError(f"The part '{rows.part}' is damaged. Remove it and start again: its rows are scored anew.")
    return total


class PartWriter:
    """Writes scored batches one after another into parts; leaving it closes the last one.

    A gap between the rows of two batches begins a new part. After an error the rows that there are become a part too,
    unless a part must be `whole`; what an error of the disk interrupts is not kept.
    """

    def __init__(
        self,
        store: Store,
        schema: pa.Schema,
        *,
        most_rows: int = PART_ROWS,
        most_s: float = PART_S,
        whole: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._schema = store, schema
        self._most_rows, self._most_s, self._whole, self._clock = most_rows, most_s, whole, clock
        self._part: _Part | None = None

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._whole:
            self._discard()
        self.close()

    def write(self, start: int, scored: Scored) -> None:
        """Add the rows that begin at number `start`."""
        if self._part is not None and start != self._part.rows.stop:
            self.close()
        if self._part is None:
            self._part = _Part(self._store.draft(), self._schema, start)
            self._due_s = self._clock() + self._most_s
        try:
            self._part.write(scored)
        except BaseException:
            self._discard()
            raise
        if self._part.rows.count >= self._most_rows or self._clock() >= self._due_s:
            self.close()

    def close(self) -> None:
        """Finish the part that is under way, if there is one."""
        part, self._part = self._part, None
        if part is None:
            return
        try:
            part.finish()
            self._store.keep(part.draft, part.rows.part)
        except BaseException:
            part.discard()
            raise

    def _discard(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.discard()


class _Part:
    """A part that is not finished: rows gathered into row groups, row groups written."""

    def __init__(self, draft: Path, schema: pa.Schema, start: int) -> None:
        self.draft, self.rows, self.counts = draft, Rows(start, start), Counts()
        self._schema = schema
        self._writer = pq.ParquetWriter(draft, schema, compression=COMPRESSION)
        self._tables: list[pa.Table] = []

    def write(self, scored: Scored) -> None:
        """Add rows."""
        self._tables.append(scored.table)
        self.rows = Rows(self.rows.start, self.rows.stop + scored.table.num_rows)
        self.counts.add(scored.errors, scored.computed)
        rows, size = sum(len(table) for table in self._tables), sum(table.nbytes for table in self._tables)
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and what was counted."""
        self._write_group()
        self._writer.add_key_value_metadata({KEY: json.dumps({"rows": self.rows.count, **self.counts.to_json()})})
        self._writer.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(pa.ArrowException, OSError):
            self._writer.close()
        self.draft.unlink(missing_ok=True)

    def _write_group(self) -> None:
        if self._tables:
            with writing(self.draft):
                self._writer.write_table(pa.concat_tables(self._tables), row_group_size=GROUP_ROWS)
            self._tables = []
