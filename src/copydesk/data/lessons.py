"""Lessons: rows that join the training part alone, after everything else is prepared and divided.

They are suggestions that repair a behaviour, or examples that somebody wrote. The split is made without them, so that
the figures before and after are of the same test texts. They are no near-copies to be dropped, for a changed copy of a
training text is what a lesson may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.clean import clean_rows
from copydesk.data.dataset import Dataset
from copydesk.data.labels import read_labels
from copydesk.data.sources import read_sources, source_of_path
from copydesk.errors import DataError, RecipeError
from copydesk.files import sha256_of
from copydesk.normalise import text_id
from copydesk.progress import Progress
from copydesk.recipe import Recipe


def with_lessons(dataset: Dataset, recipe: Recipe, progress: Progress) -> Dataset:
    """Return the Dataset with the rows of `prepare.lessons` in its training part, each text once.

    What the Dataset was prepared with already is not added again. Raises `RecipeError` for a file that is missing,
    `DataError` for a label that the Dataset does not have.
    """
    for path in recipe.prepare.lessons:
        if not Path(path).is_file():
            raise RecipeError(f"prepare.lessons: '{path}' does not exist.")
        known = {entry["sha256"] for entry in dataset.manifest.get("lessons", [])}
        if sha256_of(Path(path)) not in known:
            dataset = _with_file(dataset, path, recipe, progress)
    return dataset


def _with_file(dataset: Dataset, path: str, recipe: Recipe, progress: Progress) -> Dataset:
    raw = read_sources([source_of_path(path)], label_column=recipe.label, progress=progress)
    found = read_labels(raw.frame, recipe, known=dataset.labels)
    steps = dataset.manifest["normalise"]
    rows, _ = clean_rows(raw.frame, recipe.text, found.values, steps=steps, max_chars=recipe.prepare.max_chars)
    there = {text.casefold() for text in dataset.frame["text"].to_list()}
    new = {row.text: row for row in rows if row.text.casefold() not in there}
    for row in new.values():
        unknown = sorted(set(dataset.kind.known(row.label)) - set(dataset.labels))
        if unknown:
            raise DataError(f"{row.where}: label {unknown[0]!r} is not one of: {', '.join(dataset.labels[:30])}.")
    progress.say(
        f"{len(new):,} lessons of '{path}' join the training part; {raw.frame.height - len(new):,} are left out"
    )
    added = pl.DataFrame(
        {
            "id": [text_id(text) for text in new],
            "text": list(new),
            dataset.kind.column: pl.Series(
                [dataset.kind.stored(row.label) for row in new.values()], dtype=dataset.kind.dtype
            ),
            "split": ["train"] * len(new),
            "source": [row.source for row in new.values()],
            "row": [row.row for row in new.values()],
        },
        schema_overrides={"row": pl.Int64},
    )
    entry = {"file": path, "sha256": sha256_of(Path(path)), "rows": len(new)}
    frame = pl.concat([dataset.frame, added], how="diagonal")
    return Dataset(frame, _counted(dataset, frame, entry))


def _counted(dataset: Dataset, frame: pl.DataFrame, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with the new rows in its counts."""
    manifest = {
        **dataset.manifest,
        "rows": frame.height,
        "lessons": [*dataset.manifest.get("lessons", []), dict(entry)],
    }
    manifest["rows_by_part"] = dict(frame["split"].value_counts().iter_rows())
    counts = {part: dict(labels) for part, labels in dataset.manifest["counts"].items()}
    for cell in frame.tail(entry["rows"])[dataset.kind.column].to_list():
        for name in dataset.kind.present(dataset.kind.restored(cell)):
            counts["train"][name] = counts["train"].get(name, 0) + 1
    return {**manifest, "counts": counts}
