"""What users say was wrong, as lines of JSON (`POST /v1/feedback`) and as a table: the last one of each id counts.

It does not know the answers that are corrected: those are rows of the log with the same id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "id": pl.String(),
    "labels": pl.List(pl.String()),
    "scores": pl.List(pl.Float32()),
    "tags": pl.List(pl.String()),
    "text": pl.String(),
    "comment": pl.String(),
}
"""`labels` are the right ones; of signals the categories, with scores and tags in the same order, else empty."""

Line = Mapping[str, Any]


def corrections_of(lines: Iterable[Line]) -> pl.DataFrame:
    """Return the last correction of each id, in the order in which they came.

    A line has `at` (ISO 8601), `id`, one of `label`, `labels` and `signals`, and where given `text` and `comment`.
    """
    found = [_row(line) for line in lines]
    rows = pl.DataFrame(found, SCHEMA, orient="row")
    return rows.unique("id", keep="last", maintain_order=True)


def read_lines(text: str) -> list[Line]:
    """Return the lines of a file; what a full disk or a killed process left of one is passed over."""
    lines: list[Line] = []
    for line in text.split("\n"):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "id" in found and "at" in found:
            lines.append(found)
    return lines


def _row(line: Line) -> tuple[Any, ...]:
    signals = line.get("signals") or []
    labels = [line["label"]] if line.get("label") else line.get("labels") or [one["category"] for one in signals]
    scores, tags = [one["score"] for one in signals], [one.get("tag", "") for one in signals]
    at = datetime.fromisoformat(line["at"]).astimezone(UTC)
    return at, line["id"], labels, scores, tags, _words(line.get("text")), _words(line.get("comment"))


def _words(text: str | None) -> str | None:
    """Return a text without halves of surrogate pairs: no column takes them."""
    return None if text is None else text.encode("utf-8", "replace").decode()
