"""Labelled texts for measuring a finished model: a raw file's every row, or a prepared Dataset's test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from copydesk.data.clean import clean_rows
from copydesk.data.dataset import is_dataset, load_dataset
from copydesk.data.prepare import read_raw
from copydesk.errors import DataError
from copydesk.progress import Progress
from copydesk.recipe import Recipe


@dataclass(frozen=True)
class Labelled:
    """Normalised texts and their label names."""

    texts: list[str]
    labels: list[str]


def read_labelled(recipe: Recipe, data: str, *, steps: Sequence[str], progress: Progress) -> Labelled:
    """Read the texts and labels; rows without either are left out and counted aloud.

    Nothing is deduplicated: this is the data as it is. Raises `DataError` if nothing is left.
    """
    if is_dataset(Path(data)):
        texts, labels = load_dataset(Path(data)).part("test")
        if not texts:
            raise DataError(f"The Dataset '{data}' has no test part.")
        return Labelled(texts, labels)
    raw = read_raw(recipe, data, progress=progress)
    rows, dropped = clean_rows(raw.frame, recipe.text, recipe.label, steps=steps, max_chars=recipe.prepare.max_chars)
    for reason, count in dropped.counts.items():
        progress.warn(f"{count:,} rows left out: {reason} ({', '.join(dropped.examples[reason][:3])})")
    if not rows:
        raise DataError(f"None of the {raw.frame.height:,} rows of '{data}' has both a text and a label.")
    return Labelled([row.text for row in rows], [row.label for row in rows])
