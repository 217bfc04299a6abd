"""Raw rows or a Dataset as columns: the rows that have a text, normalised as prepare does it, and their labels.

Labels become numbers, so that a million rows are counted without a Python object for each. It measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.data.clean import Dropped, clean_rows, require_columns
from copydesk.data.dataset import Dataset
from copydesk.data.label_kinds import LabelKind
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.sources import RawTable
from copydesk.errors import DataError
from copydesk.normalise import steps_of
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.types import Label

Indices = NDArray[np.int64]
_CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class Labels:
    """Labels as numbers: text `text[i]` has the name `names[name[i]]`; names stand commonest first.

    `whole[t]` is the place of text t's label in `distinct`, -1 where there is none.
    """

    kind: LabelKind[Any]
    names: tuple[str, ...]
    text: Indices
    name: Indices
    whole: Indices
    distinct: Sequence[Label]

    def counts(self) -> Indices:
        """Return the number of texts of each name."""
        return np.bincount(self.name, minlength=len(self.names))

    def shown(self, text: int) -> str:
        """Return a text's label in words; empty if it has none."""
        return self.kind.shown(self.distinct[self.whole[text]]) if self.whole[text] >= 0 else ""

    def of(self, texts: Indices) -> Labels:
        """Return the labels of these texts, numbered from 0 in their order."""
        place = np.full(len(self.whole), -1, np.int64)
        place[texts] = np.arange(len(texts))
        kept = place[self.text] >= 0
        return Labels(self.kind, self.names, place[self.text[kept]], self.name[kept], self.whole[texts], self.distinct)


@dataclass(frozen=True)
class Table:
    """The rows that have a text: text i stood in row `rows[i]` of `frame`, which has columns and provenance.

    `parts` are a Dataset's. `left_out` counts the rows without a usable text.
    """

    frame: pl.DataFrame
    rows: Indices
    texts: pl.Series
    labels: Labels | None
    parts: pl.Series | None
    left_out: Dropped

    def some(self, count: int, characters: int, seed: int) -> Indices:
        """Choose by chance at most so many texts of about so many characters in all; return their places in order."""
        total = int(self.texts.str.len_chars().sum())
        size = min(len(self.texts), count, max(1, int(len(self.texts) * characters / max(total, 1))))
        if size == len(self.texts):
            return np.arange(size)
        return np.sort(np.random.default_rng(seed).choice(len(self.texts), size, replace=False))


def table_of_raw(recipe: Recipe, raw: RawTable, *, labelled: bool, progress: Progress) -> Table:
    """Return the raw rows that have a text; without labels if there is no label column and `labelled` is false.

    Raises `DataError` for a missing column, a label that cannot be read, or if no row has a text.
    """
    require_columns(raw.frame, [*recipe.text, *([recipe.label] if labelled else [])])
    rows, texts, left_out = _with_text(recipe, raw.frame, progress)
    if not rows.size:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.counts.items())
        raise DataError(f"None of the {raw.frame.height:,} rows has a text: {reasons or 'there are no rows'}.")
    return Table(raw.frame, rows, texts, _labels_of_raw(recipe, raw.frame, rows), None, left_out)


def table_of_dataset(dataset: Dataset) -> Table:
    """Return a Dataset's rows."""
    kind, frame = dataset.kind, dataset.frame
    labels = coded([kind.restored(cell) for cell in frame[kind.column].to_list()], kind)
    return Table(frame, np.arange(frame.height), frame["text"], labels, frame["split"], Dropped())


def _with_text(recipe: Recipe, frame: pl.DataFrame, progress: Progress) -> tuple[Indices, pl.Series, Dropped]:
    steps, left_out = steps_of(recipe.prepare.normalise), Dropped()
    texts, places, begin = [pl.Series([], dtype=pl.String)], [np.empty(0, np.int64)], 0
    with progress.track("normalising", frame.height, "texts") as advance:
        for part in frame.select(*recipe.text, "_source", "_row").iter_slices(_CHUNK_ROWS):
            anything: list[Label | None] = [""] * part.height
            rows, dropped = clean_rows(part, recipe.text, anything, steps=steps, max_chars=recipe.prepare.max_chars)
            texts.append(pl.Series([row.text for row in rows], dtype=pl.String))
            places.append(np.array([begin + row.position for row in rows], np.int64))
            left_out.counts.update(dropped.counts)
            for reason, examples in dropped.examples.items():
                left_out.examples[reason] = [*left_out.examples[reason], *examples][:5]
            begin += part.height
            advance(part.height)
    return np.concatenate(places), pl.concat(texts), left_out


def _labels_of_raw(recipe: Recipe, frame: pl.DataFrame, rows: Indices) -> Labels | None:
    if recipe.label not in frame.columns:
        return None
    found = read_labels(frame, recipe).values
    return coded([found[row] for row in rows.tolist()], LABELS[recipe.task])


def coded(values: Sequence[Label | None], kind: LabelKind[Any]) -> Labels | None:
    """Return labels as numbers; None if no text has one."""
    places: dict[Label, int] = {}
    whole = np.fromiter(
        (-1 if value is None else places.setdefault(value, len(places)) for value in values), np.int64, len(values)
    )
    if not places:
        return None
    distinct = list(places)
    present = [kind.present(label) for label in distinct]
    rows = np.bincount(whole[whole >= 0], minlength=len(distinct))
    totals: dict[str, int] = {}
    for names, count in zip(present, rows.tolist(), strict=True):
        totals |= {name: totals.get(name, 0) + count for name in names}
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    numbers = {name: number for number, name in enumerate(ordered)}
    text, name = _spread(whole, [[numbers[one] for one in names] for names in present])
    return Labels(kind, tuple(ordered), text, name, whole, distinct)


def _spread(whole: Indices, names: Sequence[Sequence[int]]) -> tuple[Indices, Indices]:
    """Return each text's names one after the other: the texts, and the names' numbers."""
    lengths = np.array([len(of_label) for of_label in names], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.array([name for of_label in names for name in of_label], np.int64)
    labelled = np.flatnonzero(whole >= 0)
    repeats = lengths[whole[labelled]]
    within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return np.repeat(labelled, repeats), flat[np.repeat(starts[whole[labelled]], repeats) + within]
