"""Answers of the log beside what was said of them, and whether they were right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from copydesk.monitor.entry import with_ids

_ANSWER = (
    "at", "id", "model", "version", "source", "labels", "scores", "confidence", "stage", "language", "words",
    "text",
)  # fmt: skip
_SAID = {"labels": "truth", "scores": "truth_scores", "tags": "truth_tags", "at": "said_at", "text": "said_text"}


def joined(rows: pl.LazyFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of which something was said, a live answer's and its shadow's apart.

    Beside the columns of the log they have `field`, `truth` (with `truth_scores` and `truth_tags`), `weight`, `said_at`
    and `right`: whether the whole answer was right, null where the model abstained.
    """
    said = corrections.select(*_SAID, "id", "field", "weight").rename(_SAID)
    found = with_ids(rows.select(_ANSWER), said["id"]).collect(engine="streaming").join(said, on="id")
    found = found.with_columns(text=pl.coalesce("text", "said_text")).drop("said_text")
    found = found.unique(["id", "version", "source"], keep="first").sort("at", "id")
    right = pl.Series("right", [is_right(row) for row in found.iter_rows(named=True)], pl.Boolean)
    return found.with_columns(right)


def is_right(row: Mapping[str, Any]) -> bool | None:
    """Tell whether an answer says what it should, as `Task.right` does; None where the model abstained.

    Of signals, only the categories of which something was said count: each must be rightly present or absent, with the
    right sign where it has one.
    """
    given, truth = row["labels"], row["truth"]
    if row["field"] == "signals":
        return all(holds(row, category) for category in truth)
    if row["field"] == "label" and not given:
        return None
    return set(given) == set(truth)


def holds(row: Mapping[str, Any], label: str) -> bool | None:
    """Tell whether what the answer says of one label is right; None for a category of which nothing was said."""
    given, truth = row["labels"], row["truth"]
    if row["field"] != "signals":
        return (label in given) == (label in truth)
    if label not in truth:
        return None
    place = truth.index(label)
    due, tag = row["truth_scores"][place], row["truth_tags"][place]
    is_present = label in given
    if is_present != (due != 0 or tag != ""):
        return False
    return not is_present or due == 0 or bool(np.sign(due) == np.sign(row["scores"][given.index(label)]))
