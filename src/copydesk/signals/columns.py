"""Which columns of a table say when, where and by whom a text was published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from copydesk.errors import DataError

TIMES = (
    "at",
    "seen_at",
    "seendate",
    "published_at",
    "published",
    "created_at",
    "datetime",
    "timestamp",
    "time",
    "date",
)
PLACES = ("place", "city", "region", "country", "sourcecountry")
OUTLETS = ("domain", "source_domain", "outlet", "publisher")
"""Names under which times, places and sources of news are looked for where the user names none; the first counts."""


@dataclass(frozen=True)
class Columns:
    """The names of columns. Without `place` all texts are of one place; without `outlet` nobody knows who wrote them.

    `signals` holds a model's answers.
    """

    time: str
    signals: str
    place: str | None = None
    outlet: str | None = None
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """The columns that the user names."""

    time: str | None = None
    place: str | None = None
    outlet: str | None = None


def columns_of(schema: pl.Schema, asked: Asked, text: Sequence[str]) -> Columns:
    """Return the columns of a scored table; `text` are those of its texts, which may be missing.

    Raises `DataError` where a column that was asked for, times or answers are missing.
    """
    for option, name in (("--time", asked.time), ("--place", asked.place), ("--source", asked.outlet)):
        if name is not None and name not in schema:
            raise DataError(f"{option}: there is no column {name!r}; the data has: {', '.join(schema)}.")
    time = asked.time or _first(schema, TIMES)
    if time is None:
        raise DataError(
            f"No column of times was found among: {', '.join(schema)}. Name it with --time; it holds times, or text "
            "such as 2026-03-31T08:15:00Z."
        )
    signals = answers_in(schema)
    if signals is None:
        raise DataError(f"The data holds no answers of a signals model; its columns: {', '.join(schema)}.")
    return Columns(
        time,
        signals,
        asked.place or _first(schema, PLACES),
        asked.outlet or _first(schema, OUTLETS),
        tuple(name for name in text if name in schema),
    )


def answers_in(schema: pl.Schema) -> str | None:
    """Return the column with a signals model's answers, if there is one; the last, as scoring adds to the right."""
    found = [name for name, kind in schema.items() if _is_answers(kind)]
    return found[-1] if found else None


def _is_answers(kind: pl.DataType) -> bool:
    inner = kind.inner if isinstance(kind, pl.List) else None
    named = {field.name for field in inner.fields} if isinstance(inner, pl.Struct) else set()
    return {"category", "score", "tag", "present"} <= named


def _first(schema: pl.Schema, names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(list(schema))}
    return next((lower[name] for name in names if name in lower), None)
