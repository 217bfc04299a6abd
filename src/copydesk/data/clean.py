"""Raw rows to normalised texts and label names, with a count of everything that was left out.

It works on columns of Python values and does not know about files or splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from copydesk.errors import DataError
from copydesk.normalise import COLUMN_SEPARATOR, normalise

NUMBER_TYPES = (pl.Float32, pl.Float64)


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


@dataclass(frozen=True)
class CleanRow:
    """One usable row: the normalised text, its label, and where it stood."""

    text: str
    label: str
    source: str
    row: int

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
    frame: pl.DataFrame, text: Sequence[str], label: str, *, steps: Sequence[str], max_chars: int
) -> tuple[list[CleanRow], Dropped]:
    """Return the rows that have a text and a label, and what was dropped.

    Texts are normalised; a row without any text, without a label, or with more than `max_chars` characters is
    dropped and counted.
    """
    require_columns(frame, [*text, label])
    columns = [frame[column].to_list() for column in text]
    names = label_names(frame[label])
    dropped = Dropped()
    rows = []
    for values, name, source, number in zip(
        zip(*columns, strict=True), names, frame["_source"], frame["_row"], strict=True
    ):
        where = f"{source}:{number}"
        if sum(len(str(value)) for value in values if value is not None) > max_chars:
            dropped.add(f"longer than {max_chars:,} characters", where)
            continue
        clean = normalise(join_columns(values), steps)
        if not clean.replace(COLUMN_SEPARATOR, "").strip():
            dropped.add("empty text", where)
        elif name is None:
            dropped.add("no label", where)
        else:
            rows.append(CleanRow(clean, name, source, number))
    return rows, dropped


def join_columns(values: Sequence[object]) -> str:
    """Join one row's text columns; a missing one is empty. The separator inside a value becomes a space."""
    return COLUMN_SEPARATOR.join("" if value is None else str(value).replace(COLUMN_SEPARATOR, " ") for value in values)


def label_names(column: pl.Series) -> list[str | None]:
    """Return labels as names: integers as they are written, whole floats without `.0`; missing or blank is None."""
    if column.dtype in NUMBER_TYPES:
        return [None if value is None or value != value else f"{value:g}" for value in column.to_list()]
    if column.dtype.is_nested():
        raise DataError(f"Column {column.name!r} holds {column.dtype}; task 'single' needs one label per row.")
    names = (None if value is None else str(value).strip() for value in column.to_list())
    return [name if name else None for name in names]


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


def resolve_conflicts(rows: list[CleanRow], policy: str, dropped: Dropped) -> tuple[list[CleanRow], list[str]]:
    """Settle texts that stand under several labels (case does not count).

    `majority` keeps the rows with the commonest label and drops all if there is a tie; `drop` drops all. Returns the
    rows left and a line for each of the first conflicts.
    """
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        by_text[row.text.casefold()][row.label] += 1
    conflicts = {text: counts for text, counts in by_text.items() if len(counts) > 1}
    winners = {text: _winner(counts) if policy == "majority" else None for text, counts in conflicts.items()}
    kept = []
    for row in rows:
        key = row.text.casefold()
        if key in conflicts and winners[key] != row.label:
            dropped.add("same text under two labels", row.where)
        else:
            kept.append(row)
    return kept, [_describe_conflict(text, conflicts[text]) for text in sorted(conflicts)]


def _winner(counts: Counter[str]) -> str | None:
    (first, most), (_, second) = counts.most_common(2)
    return first if most > second else None


def _describe_conflict(text: str, counts: Counter[str]) -> str:
    shown = text if len(text) <= 80 else text[:79] + "…"
    return f"{shown!r}: " + ", ".join(f"{label} × {count}" for label, count in sorted(counts.items()))
