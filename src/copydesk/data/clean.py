"""Raw rows to normalised texts with their labels, and a count of everything that was left out.

It works on columns of Python values and does not know about files, tasks or splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from copydesk.data.label_kinds import Trust
from copydesk.errors import DataError
from copydesk.normalise import COLUMN_SEPARATOR, normalise
from copydesk.progress import Progress
from copydesk.types import Label

_BUFFER_ROWS = 10_000
"""Rows turned into Python values at a time."""


@dataclass
class Dropped:
    """How many rows were left out for each reason, with the first rows' numbers as examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, where: str) -> None:
        """Count one row, named by where it stood."""
        self.counts[reason] += 1
        if len(self.examples[reason]) < 5:
            self.examples[reason].append(where)

    def total(self) -> int:
        """Return the number of rows dropped."""
        return self.counts.total()


@dataclass
class Account:
    """What happens to the rows on their way to the Dataset: who is told, what was dropped, facts to record."""

    progress: Progress
    dropped: Dropped = field(default_factory=Dropped)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def warn(self, *lines: str) -> None:
        """Warn now, and keep the lines for the manifest."""
        for line in lines:
            self.warnings.append(line)
            self.progress.warn(line)


@dataclass(frozen=True, slots=True)
class CleanRow:
    """One usable row: the normalised text, its label, and where it stood.

    `source` and `row` are what people look up; `position` counts over all files and names the row among the others.
    `moment` is its time, if the split goes by time. Whoever changes the label for good changes `trust` with it.
    """

    text: str
    label: Label
    source: str
    row: int
    position: int = 0
    moment: datetime | None = None
    trust: Trust = "given"

    @property
    def where(self) -> str:
        """The row's place as people look it up: `file:row`."""
        return f"{self.source}:{self.row}"


def require_columns(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise `DataError` naming the missing columns and those there are."""
    there = [column for column in frame.columns if not column.startswith("_")]
    missing = [column for column in columns if column not in there]
    if missing:
        raise DataError(
            f"Column {missing[0]!r} is missing; the data has: {', '.join(there)}. "
            "Correct `text` and `label` in the recipe, or use --text and --label."
        )


def clean_rows(
    frame: pl.DataFrame,
    text: Sequence[str],
    labels: Sequence[Label | None],
    *,
    steps: Sequence[str],
    max_chars: int,
    trust: Sequence[Trust] = (),
) -> tuple[list[CleanRow], Dropped]:
    """Return the rows that have a text and a label, and what was dropped.

    Texts are normalised; a row without any text, without a label (None), or with more than `max_chars` characters is
    dropped and counted. `trust` tells where each label comes from (empty: people gave all).
    """
    require_columns(frame, text)
    dropped = Dropped()
    rows = []
    names: dict[str, str] = {}  # one object per file, not one per row
    cells = frame.select(*text, "_source", "_row").iter_rows(buffer_size=_BUFFER_ROWS)
    for position, ((*values, source, number), label) in enumerate(zip(cells, labels, strict=True)):
        where = f"{source}:{number}"
        if sum(len(str(value)) for value in values if value is not None) > max_chars:
            dropped.add(f"longer than {max_chars:,} characters", where)
            continue
        clean = normalise(join_columns(values), steps)
        if not clean.replace(COLUMN_SEPARATOR, "").strip():
            dropped.add("empty text", where)
        elif label is None:
            dropped.add("no label", where)
        else:
            came_from = trust[position] if trust else "given"
            rows.append(CleanRow(clean, label, names.setdefault(source, source), number, position, trust=came_from))
    return rows, dropped


def join_columns(values: Sequence[object]) -> str:
    """Join one row's text columns; a missing one is empty. The separator inside a value becomes a space."""
    if len(values) == 1 and isinstance(values[0], str):
        return values[0].replace(COLUMN_SEPARATOR, " ")
    return COLUMN_SEPARATOR.join("" if value is None else str(value).replace(COLUMN_SEPARATOR, " ") for value in values)


def joined_texts(frame: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return each row's text, its columns joined. Raises `DataError` for a missing column."""
    require_columns(frame, columns)
    return [join_columns(cells) for cells in frame.select(*columns).iter_rows()]


def label_warnings(labels: Counter[str]) -> list[str]:
    """Return a line for each set of labels that differ only by case or spaces."""
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        alike["".join(label.casefold().split())].append(label)
    return [
        "The labels " + " and ".join(f"{name!r} ({labels[name]:,})" for name in names) + " differ only by case or "
        "spaces and are kept apart. If they mean the same, make them equal in the data."
        for names in alike.values()
        if len(names) > 1
    ]
