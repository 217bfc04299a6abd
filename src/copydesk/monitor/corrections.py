"""What was said of answers, as lines of JSON (`POST /v1/feedback`) and as a table: the last word on each id counts.

It does not know the answers that are spoken of: those are rows of the log with the same id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import polars as pl

from copydesk.monitor.times import in_utc
from copydesk.normalise import COLUMN_SEPARATOR

SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "id": pl.String(),
    "field": pl.String(),
    "labels": pl.List(pl.String()),
    "scores": pl.List(pl.Float32()),
    "tags": pl.List(pl.String()),
    "text": pl.String(),
    "comment": pl.String(),
    "weight": pl.Float64(),
}
"""`labels` are the right ones; of signals the categories, with scores and tags in the same order, else empty.

`field` is the form it was said in. `weight` is how many of the log's answers the text stands for, where it was drawn by
chance for somebody to look at: the inverse of the probability. It is null where nobody drew it, but a user spoke up or
it was picked for being doubtful.
"""

Line = Mapping[str, Any]
Field = Literal["label", "labels", "signals"]
FIELDS: tuple[Field, ...] = get_args(Field)


def corrections_of(lines: Iterable[Line]) -> pl.DataFrame:
    """Return the last correction of each id; lines that hold none are passed over.

    A line has `at` (ISO 8601), `id`, one of `label`, `labels` and `signals`, and where given `text`, `comment` and
    `weight`. A text that was drawn stays drawn, whatever is said of it later.
    """
    found = [row for line in lines if (row := _row(line)) is not None]
    rows = pl.DataFrame(found, SCHEMA, orient="row").sort("at", maintain_order=True)
    drawn = pl.col("weight").drop_nulls().last().over("id")
    return rows.with_columns(weight=drawn).unique("id", keep="last", maintain_order=True)


def read_lines(text: str) -> list[Line]:
    """Return the lines of a file; what a full disk or a killed process left of one is passed over."""
    lines: list[Line] = []
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("id"), str):
            lines.append(found)
    return lines


def form_of(line: Line) -> Field | None:
    """Return the field in which a line says what is right."""
    return next((name for name in FIELDS if line.get(name) is not None), None)


def _row(line: Line) -> tuple[Any, ...] | None:
    """Return a line's row; None for what somebody else wrote there."""
    form = form_of(line)
    if form is None:
        return None
    try:
        signals = line["signals"] if form == "signals" else []
        names = [one["category"] for one in signals] if signals else [line[form]] if form == "label" else line[form]
        weight = None if line.get("weight") is None else float(line["weight"])
        return (
            in_utc(datetime.fromisoformat(line["at"])),
            str(line["id"]),
            form,
            [str(name) for name in names],
            [float(one["score"]) for one in signals],
            [str(one.get("tag") or "") for one in signals],
            _text(line.get("text")),
            None if line.get("comment") is None else _words(str(line["comment"])),
            weight,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _text(text: object) -> str | None:
    """Return a text; its columns are joined."""
    if isinstance(text, dict):
        return _words(COLUMN_SEPARATOR.join(map(str, text.values())))
    return _words(text) if isinstance(text, str) else None


def _words(text: str) -> str:
    """Return a text without halves of surrogate pairs: no column takes them."""
    return text.encode("utf-8", "replace").decode()
