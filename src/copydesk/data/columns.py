"""Rows in their parts -> the Dataset's columns, in batches, and how many texts carry each label.

It leaves nothing out and changes nothing: what goes where is decided before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from copydesk.data.dataset import PARTS
from copydesk.data.label_kinds import BATCH_ROWS, LabelKind, ReadLabels
from copydesk.data.parts import PartedRow
from copydesk.data.weak_labels import PROBABILITIES, probabilities_of
from copydesk.normalise import text_id


def columns_of(parted: list[PartedRow], found: ReadLabels, kind: LabelKind[Any]) -> pl.DataFrame:
    """Return the Dataset's table; `found` has the probabilities of labels, if any row has some."""
    return _with_probabilities(_frame(parted, kind), parted, found, kind)


def label_counts(parted: list[PartedRow], kind: LabelKind[Any]) -> dict[str, dict[str, int]]:
    """Return for each part with rows how many texts carry each label."""
    by_part = {part: Counter[str]() for part in PARTS}
    for item in parted:
        by_part[item.part].update(kind.present(item.row.label))
    names = sorted({name for counts in by_part.values() for name in counts})
    there = {item.part for item in parted}
    return {part: {name: counts[name] for name in names} for part, counts in by_part.items() if part in there}


def _frame(parted: list[PartedRow], kind: LabelKind[Any]) -> pl.DataFrame:
    rows = [item.row for item in parted]
    batches = [rows[begin : begin + BATCH_ROWS] for begin in range(0, len(rows), BATCH_ROWS)]
    labels = [
        pl.Series(kind.column, [kind.stored(row.label) for row in batch], dtype=kind.dtype, strict=True)
        for batch in batches
    ]
    return pl.DataFrame(
        {
            "id": _ids([row.text for row in rows]),
            "text": [row.text for row in rows],
            kind.column: pl.concat(labels, rechunk=True),
            "split": [item.part for item in parted],
            "source": [row.source for row in rows],
            "row": [row.row for row in rows],
        },
        schema_overrides={"row": pl.Int64},
    )


def _with_probabilities(
    frame: pl.DataFrame, parted: list[PartedRow], found: ReadLabels, kind: LabelKind[Any]
) -> pl.DataFrame:
    """Return the Dataset's rows with the probabilities of its labels, if any row has some."""
    if found.probabilities is None:
        return frame
    rows = [item.row.position if item.row.trust == "soft" else None for item in parted]
    labels = sorted({name for item in parted for name in kind.present(item.row.label)})
    column = probabilities_of(found.probabilities, rows, labels, kind)
    return frame if column is None else frame.with_columns(column.alias(PROBABILITIES))


def _ids(texts: Sequence[str]) -> list[str]:
    """Name rows by their text's content; a repeated text gets a running number."""
    seen: Counter[str] = Counter()
    ids = []
    for text in texts:
        name = text_id(text)
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids
