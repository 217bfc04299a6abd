"""Texts of the log that tell more than figures, where texts were kept: some unsure, some strange, some corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from copydesk.monitor.entry import NOT_SHADOW

_SHOWN = 8
_LEAST_WORDS = 4


@dataclass(frozen=True)
class Example:
    """A text, what the model answered, how sure it was, and where somebody said so, what would have been right."""

    id: str
    text: str
    labels: list[str]
    confidence: float
    right: list[str] | None = None
    unknown_words: float | None = None


@dataclass(frozen=True)
class Examples:
    """Texts about which the model was least sure, that hold most words unknown in training, that users corrected.

    The first two are of a sample of the texts, and none where texts are not kept.
    """

    unsure: list[Example] = field(default_factory=list)
    unfamiliar: list[Example] = field(default_factory=list)
    corrected: list[Example] = field(default_factory=list)


def examples_of(sample: pl.DataFrame, said: pl.DataFrame | None, most: int = _SHOWN) -> Examples:
    """Return examples of a sample of rows, and of the rows that somebody said something of (`quality.joined`)."""
    kept = sample.filter(pl.col("text").is_not_null()).unique("text_hash", keep="last", maintain_order=True)
    strange = kept.filter(pl.col("words") >= _LEAST_WORDS, pl.col("unknown_words") > 0)
    return Examples(
        unsure=_examples(kept.sort("confidence", "id").head(most)),
        unfamiliar=_examples(strange.sort("unknown_words", "id", descending=[True, False]).head(most)),
        corrected=[] if said is None else _corrected(said, most),
    )


def _corrected(said: pl.DataFrame, most: int) -> list[Example]:
    """Return the newest wrong answers whose text is known."""
    wrong = said.filter(pl.col("text").is_not_null(), pl.col("right").eq(False), NOT_SHADOW)
    return _examples(
        wrong.sort("said_at", descending=True).unique("text", keep="first", maintain_order=True).head(most)
    )


def _examples(rows: pl.DataFrame) -> list[Example]:
    return [
        Example(
            row["id"],
            row["text"],
            row["labels"],
            row["confidence"],
            _names(row.get("truth")),
            row.get("unknown_words"),
        )
        for row in rows.iter_rows(named=True)
    ]


def _names(truth: Sequence[str] | None) -> list[str] | None:
    return None if truth is None else [str(name) for name in truth]
