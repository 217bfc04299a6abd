"""One answered text as the prediction log keeps it, and many of them as a table.

The text itself is not kept unless the recipe allows it: what was measured of it is (`traits.py`), and its hash, by
which the same text is known again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from copydesk.monitor.traits import DIMENSIONS, NUMBERS, Vocabulary, in_steps, traits_of
from copydesk.normalise import text_id

SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("us", "UTC"),
    "id": pl.String(),
    "model": pl.String(),
    "version": pl.String(),
    "source": pl.String(),
    "text_hash": pl.String(),
    "text": pl.String(),
    "labels": pl.List(pl.String()),
    "scores": pl.List(pl.Float32()),
    "tags": pl.List(pl.String()),
    "confidence": pl.Float32(),
    "stage": pl.String(),
    "language": pl.String(),
    **{name: pl.Float32() for name in NUMBERS},
    "vector": pl.Array(pl.Int8(), DIMENSIONS),
}
"""`labels` are those that were given: one, several or none, or the categories present, with scores and `tags`.

`source` is `live`, `job` or `shadow`; a shadow's row has the id of the live answer beside which it was made. What was
measured of a text is null where it was not: that costs more than the rest, and drift is judged on samples anyway.
"""

Source = Literal["live", "job", "shadow"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered text. `at` is in seconds since 1970; `confidence` from 0 to 1, that the whole answer is right."""

    at: float
    id: str
    model: str
    version: str
    text: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    confidence: float
    tags: tuple[str, ...] = ()
    stage: str = ""
    source: Source = "live"


def table_of(
    entries: Sequence[Entry],
    vocabulary: Vocabulary,
    *,
    kept: Callable[[str], str] | None,
    languages: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Return the rows of some entries.

    `kept` returns what is kept of a text; without it no text is. `languages` returns the languages of the first texts
    that it is willing to look at, in order; the others' are null.
    """
    texts = [entry.text for entry in entries]
    traits = traits_of(texts, vocabulary)
    found = [*(languages(texts) if languages else ())]
    columns = {
        "at": [int(entry.at * 1e6) for entry in entries],
        "id": [entry.id for entry in entries],
        "model": [entry.model for entry in entries],
        "version": [entry.version for entry in entries],
        "source": [entry.source for entry in entries],
        "text_hash": [text_id(text) for text in texts],
        "text": [kept(text) for text in texts] if kept else [None] * len(texts),
        "labels": [list(entry.labels) for entry in entries],
        "scores": [list(entry.scores) for entry in entries],
        "tags": [list(entry.tags) for entry in entries],
        "confidence": [entry.confidence for entry in entries],
        "stage": [entry.stage for entry in entries],
        "language": [*found, *([None] * (len(texts) - len(found)))],
        **{name: traits.number(name) for name in NUMBERS},
        "vector": in_steps(traits.vectors),
    }
    return pl.DataFrame({name: pl.Series(name, values, SCHEMA[name]) for name, values in columns.items()})
