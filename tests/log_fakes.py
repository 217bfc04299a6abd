"""A prediction log made up in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from copydesk.monitor.entry import Entry, Source, table_of
from copydesk.monitor.traits import Vocabulary
from copydesk.retraining.log import CORRECTIONS, Logged

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
KNOWN = Vocabulary.of(["a known headline"])


def answer(
    number: int,
    text: str,
    label: str = "sport",
    confidence: float = 0.9,
    *,
    source: Source = "live",
    version: str = "1",
) -> Entry:
    """Return an answer of the model `toy`; its id says the number."""
    return Entry(
        NOON.timestamp() + number,
        f"{version}.{number:08x}",
        "toy",
        version,
        text,
        (label,) if label else (),
        (confidence,) if label else (),
        confidence,
        source=source,
    )


def rows_of(entries: Sequence[Entry], *, texts: bool = True) -> pl.LazyFrame:
    """Return the rows of a log that keeps texts, or does not."""
    return table_of(entries, KNOWN, kept=str if texts else None).lazy()


def logged(entries: Sequence[Entry], said: Sequence[tuple[str, str, str | None]] = (), *, texts: bool = True) -> Logged:
    """Return a log with feedback: the answer's id, the right label, the text if it came along."""
    lines = [(NOON, name, "label", [label], [], [], text, None, None) for name, label, text in said]
    return Logged(rows_of(entries, texts=texts), pl.DataFrame(lines, CORRECTIONS, orient="row"), "LOG")
