"""CSV and TSV to columns of text.

A row that does not have the header's number of fields, and a quote that may mean two things, are refused with their
line: to guess would lose text without a word. It does not guess types: every value is the text it is.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NoReturn

import polars as pl

from copydesk.data.batches import Bounds, bounded
from copydesk.data.decoding import text_lines
from copydesk.errors import SourceError

_BATCH = Bounds(rows=20_000)
_SEPARATORS = (",", ";", "\t")
_SHOWN = 3
_LONGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Delimited:
    """A file whose rows are parted by a separator; `quoting`: double quotes may enclose fields."""

    path: Path
    url: str
    separator: str
    quoting: bool
    encoding: str = "auto"

    @contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """Yield the lines; where quotes enclose line breaks, with whatever ends they have."""
        with text_lines(self.path, self.url, self.encoding, newline="" if self.quoting else "\n") as lines:
            yield lines

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Return the rows' fields; a blank line has none."""
        if self.quoting:
            return csv.reader(lines, delimiter=self.separator, strict=True)
        return (text.split(self.separator) if (text := line.rstrip("\r\n")) else [] for line in lines)


class _Misfit(Exception):
    """A row has another number of fields than the header."""


def read_delimited(file: Delimited) -> pl.DataFrame:
    """Return the columns as text, an empty field as null. Raises `SourceError` with the line of what is wrong."""
    return pl.concat(delimited_batches(file, _BATCH))


def delimited_batches(file: Delimited, bounds: Bounds) -> Iterator[pl.DataFrame]:
    """Yield the same as batches, after one without rows."""
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with file.lines() as lines:
            rows = file.rows(lines)
            header = _header(rows, file.url)
            yield pl.DataFrame(schema=dict.fromkeys(header, pl.String))
            for batch in bounded(rows, bounds, _characters):
                yield _frame(batch, header)
    except (_Misfit, csv.Error):
        _refuse(file)
    finally:
        csv.field_size_limit(limit)


def _characters(rows: list[list[str]]) -> int:
    return sum(map(len, chain.from_iterable(rows)))


def separator_of(path: Path, url: str, encoding: str) -> str:
    """Return the first of comma, semicolon and tab that the header has: CSV means all three."""
    with text_lines(path, url, encoding) as lines:
        header = next((line for line in lines if line.strip()), "")
    return next((sign for sign in _SEPARATORS if sign in header), ",")


def _header(rows: Iterator[list[str]], url: str) -> list[str]:
    """Return the column names; those without a name are called by their place."""
    names = next((row for row in rows if any(map(str.strip, row))), None)
    if names is None:
        raise SourceError(f"'{url}' is empty.")
    named = [name.strip() or f"column_{place}" for place, name in enumerate(names, start=1)]
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise SourceError(f"'{url}' has several columns called {twice[0]!r} in its header. Rename all but one.")
    return named


def _frame(rows: list[list[str]], header: list[str]) -> pl.DataFrame:
    widths = set(map(len, rows))
    if widths - {0, len(header)}:
        raise _Misfit
    if 0 in widths:
        rows = [row for row in rows if row]
    values = zip(*rows, strict=True) if rows else [()] * len(header)
    columns = [pl.Series(name, column, dtype=pl.String) for name, column in zip(header, values, strict=True)]
    return pl.DataFrame(columns).select(pl.when(pl.all() != "").then(pl.all()))


class _Counted:
    """Lines, and the number of the last one that was read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.number = lines, 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        return line


def _refuse(file: Delimited) -> NoReturn:
    """Read the file again, now line by line, to say which lines are wrong."""
    misfits = []
    with file.lines() as lines:
        counted = _Counted(lines)
        rows, first = file.rows(counted), 1
        try:
            header = _header(rows, file.url)
            first = counted.number + 1
            for row in rows:
                if len(row) not in (0, len(header)):
                    misfits.append(f"{_place(first, counted.number)} ({len(row)})")
                first = counted.number + 1
        except csv.Error as error:
            _refuse_quote(file.url, error, first, counted.number)
    shown = ", ".join(misfits[:_SHOWN]) + (f" and {len(misfits) - _SHOWN:,} more" if len(misfits) > _SHOWN else "")
    raise SourceError(
        f"'{file.url}' has rows with another number of fields than its header ({len(header)}: "
        f"{', '.join(header[:5])}): {shown}. {_remedy(file)}"
    )


def _place(first: int, last: int) -> str:
    return f"line {first}" if first >= last else f"lines {first} to {last}"


def _refuse_quote(url: str, error: csv.Error, first: int, last: int) -> NoReturn:
    unclosed = "end of data" in str(error)
    problem = f"a double quote opened in line {first} is never closed" if unclosed else f"stray double quote ({error})"
    raise SourceError(
        f"'{url}' {_place(first, last)}: {problem}. Write quotes inside a quoted text twice (\"\"); or, if quotes are "
        "ordinary letters in this file, set `quoting: false` in the recipe's source."
    ) from None


def _remedy(file: Delimited) -> str:
    sign = {"\t": "a tab", ",": "a comma"}.get(file.separator, repr(file.separator))
    if file.quoting:
        return (
            f"Enclose texts that hold {sign} or a line break in double quotes; or, if quotes are ordinary letters in "
            "this file, set `quoting: false` in the recipe's source."
        )
    return f"No text may hold {sign} or a line break, unless double quotes enclose it (`quoting: true`)."
