"""Parts of the answers that something was said of: by label given, length, language, stage and confidence.

A label that was given is judged by itself too, which is its precision. How many texts of a label were missed, feedback
on answers does not say unless texts were drawn, and then of rare labels it says little.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from copydesk.monitor.accuracy import LEAST_DRAWN, Accuracy, Sampling, accuracy_of
from copydesk.monitor.joined import holds
from copydesk.types import Slice

_BANDS = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)
_MOST_LENGTHS = 4
_MOST_NAMES = 30


def slices_of(said: pl.DataFrame, sampling: Sampling) -> list[Slice]:
    """Return the share of right answers in every part that holds, and leaves out, 30 texts or more."""
    is_kind = pl.col("weight").is_not_null() == (sampling == "drawn")
    said = said.filter(is_kind, pl.col("right").is_not_null())
    found = []
    for name, inside in _parts(said):
        part = said.filter(inside)
        if LEAST_DRAWN <= part.height <= said.height - LEAST_DRAWN:
            accuracy = accuracy_of(part, sampling)
            assert accuracy is not None
            found.append(Slice(name, accuracy.n, accuracy.share, (accuracy.low, accuracy.high)))
    return found


def precision_of(said: pl.DataFrame, sampling: Sampling) -> dict[str, Accuracy]:
    """Return for each label that was given how often rightly, the most frequent first."""
    long = said.with_row_index("row").explode("labels").drop_nulls("labels")
    answers = list(said.iter_rows(named=True))
    right = [holds(answers[row], label) for row, label in long.select("row", "labels").iter_rows()]
    long = long.with_columns(right=pl.Series(right, dtype=pl.Boolean))
    found = {str(label): accuracy_of(part, sampling) for (label,), part in long.group_by("labels", maintain_order=True)}
    known = {label: accuracy for label, accuracy in found.items() if accuracy is not None}
    return dict(sorted(known.items(), key=lambda one: (-one[1].n, one[0])))


def _parts(said: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    labels = said["labels"].explode().drop_nulls()
    for label in labels.value_counts(sort=True)["labels"].to_list()[:_MOST_NAMES]:
        yield f"answered: {label}", pl.col("labels").list.contains(label)
    yield "answered: nothing", pl.col("labels").list.len() == 0
    yield from _lengths(said)
    for column in ("language", "stage"):
        for value in said[column].drop_nulls().unique(maintain_order=True).to_list():
            if value:
                yield f"{column}: {value}", pl.col(column) == value
    for low, high in zip(_BANDS[:-1], _BANDS[1:], strict=True):
        is_below = pl.col("confidence") <= high if high == 1 else pl.col("confidence") < high
        yield f"confidence {low:g} to {high:g}", (pl.col("confidence") >= low) & is_below


def _lengths(said: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    """Yield the quarters by number of words of the texts that were measured; of few texts the thirds or halves."""
    words = said["words"].drop_nulls()
    parts = min(_MOST_LENGTHS, len(words) // LEAST_DRAWN)
    if parts < 2:
        return
    borders = np.unique(np.quantile(words.to_numpy(), np.linspace(0, 1, parts + 1), method="nearest").astype(int))
    first = int(borders[0])
    for last in map(int, borders[1:]):
        yield f"{first}–{last} words" if first < last else f"{last} words", pl.col("words").is_between(first, last)
        first = last + 1
