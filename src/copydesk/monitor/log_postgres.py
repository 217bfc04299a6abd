"""The prediction log as two tables in PostgreSQL: `copydesk_log`, with the columns of a row, and `copydesk_feedback`.

Rows come by COPY, in one transaction for each flush. What is read streams by a server-side cursor, and only the columns
that are asked for, so that a log of any size fits into the memory. Where the answer to a commit is lost, rows may be
there twice.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from copydesk.errors import MissingExtra, ServiceError, UsageError
from copydesk.monitor.corrections import Line, corrections_of
from copydesk.monitor.entry import SCHEMA, lists_of, spread
from copydesk.monitor.record import told
from copydesk.monitor.traits import DIMENSIONS

try:
    import psycopg2
    from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
    from psycopg2.extensions import parse_dsn
except ModuleNotFoundError as missing:  # pragma: no cover (the tests have it)
    raise MissingExtra("A prediction log in PostgreSQL", "monitor", missing.name or "psycopg2") from None

_TYPES = {
    pl.String: "text",
    pl.Float32: "real",
    pl.Datetime: "timestamptz",
    pl.Array: "bytea",
}
_CONNECT_S, _STATEMENT_S = 5, 10
_TIDY_EVERY_S = 3_600.0
_ROWS_AT_ONCE = 20_000
_LOCK = 0x636F7079
"""Of several processes that make the tables at the same moment, all but one wait."""


def _type_of(kind: Any) -> str:  # noqa: ANN401 (Polars has two kinds of types)
    return f"{_type_of(kind.inner)}[]" if isinstance(kind, pl.List) else _TYPES[kind.base_type()]


_TABLES = f"""
SELECT pg_advisory_xact_lock({_LOCK});
CREATE TABLE IF NOT EXISTS copydesk_log ({", ".join(f"{name} {_type_of(kind)}" for name, kind in SCHEMA.items())});
CREATE INDEX IF NOT EXISTS copydesk_log_at ON copydesk_log USING brin (at);
CREATE TABLE IF NOT EXISTS copydesk_feedback (number bigserial PRIMARY KEY, line text NOT NULL);
"""


class PostgresLog:
    """Rows and corrections in a database; one object for each process that writes. It connects when it must."""

    def __init__(
        self, address: str, *, keep_days: int | None = 30, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keep_days, self._clock = keep_days, clock
        try:
            self._facts = parse_dsn(address)
        except psycopg2.ProgrammingError:  # its message may repeat the password
            raise UsageError(
                "The log's address is none that PostgreSQL reads. Expected: postgresql://USER@HOST:5432/DATABASE; in a "
                "password, write %40 for @ and %2F for /."
            ) from None
        self._place = f"{self._facts.get('host', 'localhost')}, database {self._facts.get('dbname', 'of the user')!r}"
        self._open: Connection | None = None
        self._tidy_at = 0.0

    def prepare(self) -> None:
        """Make the tables, where they are not there."""
        self._connection()

    def write(self, rows: pl.DataFrame) -> None:
        """Add rows in one transaction. Raises `psycopg2.Error`."""
        table = io.BytesIO()
        as_written(rows).write_csv(table, include_header=False, quote_style="non_numeric", null_value="")
        table.seek(0)
        columns = ", ".join(SCHEMA)
        self._do(
            lambda cursor: cursor.copy_expert(f"COPY copydesk_log ({columns}) FROM STDIN (FORMAT csv, NULL '')", table)
        )

    def tidy(self) -> None:
        """Drop rows that were kept long enough, once an hour."""
        if self._keep_days is None or self._clock() < self._tidy_at:
            return
        self._tidy_at = self._clock() + _TIDY_EVERY_S
        days = self._keep_days
        self._do(
            lambda cursor: cursor.execute("DELETE FROM copydesk_log WHERE at < now() - %s * interval '1 day'", [days])
        )

    def read(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """Return the rows of all processes, those from `since` on and before `until`. Raises `UsageError`."""
        with self._reading() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('copydesk_log')")
            if cursor.fetchone() == (None,):
                raise UsageError(
                    f"There is no prediction log at {self._place}. Serve with one: copydesk serve --log URL"
                )

        def source(
            wanted: list[str] | None, predicate: pl.Expr | None, most: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            columns = wanted or list(SCHEMA)
            needed = [
                name
                for name in SCHEMA
                if name in {*columns, *(predicate.meta.root_names() if predicate is not None else ())}
            ]
            for rows in self._rows(needed, since, until):
                found = rows if predicate is None else rows.filter(predicate)
                found = found.select(columns) if most is None else found.select(columns).head(most)
                yield found
                most = None if most is None else most - found.height
                if most == 0:
                    return

        return register_io_source(source, schema=SCHEMA)

    def correct(self, lines: Sequence[Line]) -> None:
        """Add corrections. Raises `ServiceError`."""
        with self._reading() as connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
            cursor.executemany(
                "INSERT INTO copydesk_feedback (line) VALUES (%s)", [[json.dumps(line)] for line in lines]
            )

    def corrections(self) -> pl.DataFrame:
        """Return the last correction of each id. Raises `ServiceError`."""
        with self._reading() as connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
            cursor.execute("SELECT line FROM copydesk_feedback ORDER BY number")
            return corrections_of(json.loads(line) for (line,) in cursor)

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _do(self, work: Callable[[Any], None]) -> None:
        """Do something in a transaction; after a fault the next one has a new connection."""
        try:
            connection = self._connection()
            with connection.cursor() as cursor:
                work(cursor)
            connection.commit()
        except psycopg2.Error:
            self.close()
            raise

    def _connection(self) -> Connection:
        """Return the connection that writes; no statement holds it up for long."""
        if self._open is None:
            opened = self._connected(f"-c statement_timeout={_STATEMENT_S}s -c lock_timeout={_CONNECT_S}s")
            with opened, opened.cursor() as cursor:
                cursor.execute(_TABLES)
            self._open = opened
        return self._open

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Yield a connection of its own, whose transaction ends with the block. Raises `ServiceError`."""
        try:
            connection = self._connected("")
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except psycopg2.Error as error:
            raise ServiceError(f"The prediction log at {self._place} does not answer: {told(error)}") from None

    def _connected(self, options: str) -> Connection:
        facts: dict[str, Any] = {"connect_timeout": _CONNECT_S, "tcp_user_timeout": 1_000 * _STATEMENT_S, **self._facts}
        facts["options"] = f"{self._facts.get('options', '')} {options}"
        return psycopg2.connect(**facts, application_name="copydesk")

    def _rows(self, columns: Sequence[str], since: datetime | None, until: datetime | None) -> Iterator[pl.DataFrame]:
        bounds = {"at >= %s": since, "at < %s": until}
        given = {bound: at for bound, at in bounds.items() if at is not None}
        where = f" WHERE {' AND '.join(given)}" if given else ""
        with self._reading() as connection, connection.cursor("copydesk") as cursor:
            cursor.execute(f"SELECT {', '.join(columns) or '1'} FROM copydesk_log{where}", [*given.values()])  # nosec B608 # our own names
            while found := cursor.fetchmany(_ROWS_AT_ONCE):
                yield as_read(columns, found)


def as_written(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with lists as PostgreSQL writes arrays, and vectors as hexadecimal bytes."""
    quoted = pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    element: dict[Any, pl.Expr] = {pl.String(): pl.format('"{}"', quoted), pl.Float32(): pl.element().cast(pl.String)}
    lists = [
        pl.format("{}{}{}", pl.lit("{"), pl.col(name).list.eval(element[kind.inner]).list.join(","), pl.lit("}")).alias(
            name
        )
        for name, kind in SCHEMA.items()
        if isinstance(kind, pl.List)
    ]
    some = rows["vector"].drop_nulls()
    vectors = some.to_numpy().astype(np.int8, copy=False).tobytes()
    texts = [f"\\x{vectors[start : start + DIMENSIONS].hex()}" for start in range(0, len(vectors), DIMENSIONS)]
    places = np.flatnonzero(rows["vector"].is_not_null().to_numpy())
    hexadecimal = spread(pl.DataFrame({"vector": texts}, {"vector": pl.String}), places, rows.height)["vector"]
    return rows.with_columns(*lists, hexadecimal)


def as_read(columns: Sequence[str], found: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Return what a cursor gave as rows."""
    values = dict(zip(columns, map(list, zip(*found, strict=True)), strict=True))
    return pl.DataFrame({name: _column(name, column) for name, column in values.items()})


def _column(name: str, values: list[Any]) -> pl.Series:
    kind = SCHEMA[name]
    if isinstance(kind, pl.List):
        flat = pl.Series([value for row in values for value in row], dtype=kind.inner)
        return lists_of(flat, [len(row) for row in values]).cast(kind).alias(name)
    if isinstance(kind, pl.Array):
        places = np.flatnonzero([value is not None for value in values])
        bytes_ = b"".join(bytes(values[place]) for place in places)
        some = pl.DataFrame({name: np.frombuffer(bytes_, np.int8).reshape(-1, DIMENSIONS)}, {name: kind})
        return spread(some, places, len(values))[name]
    return pl.Series(name, values, kind)
