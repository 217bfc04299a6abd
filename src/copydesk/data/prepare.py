"""Raw table to Dataset: clean, settle conflicts, drop copies, split.

The manifest says what was dropped and why. It does not balance classes: training does, on its own part only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import polars as pl

from copydesk.data.clean import CleanRow, Dropped, clean_rows, label_warnings, resolve_conflicts
from copydesk.data.dataset import PARTS, Dataset, Part, is_dataset, load_dataset
from copydesk.data.duplicates import find_near_duplicates
from copydesk.data.sources import RawTable, read_sources, source_of_path
from copydesk.data.split import split_rows
from copydesk.errors import DataError, RecipeError
from copydesk.normalise import steps_of
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe

_SHOWN_CONFLICTS = 20


def prepare_dataset(
    recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """Return the recipe's Dataset, from its source or from `data`; an already prepared Dataset is taken as it is.

    `progress` is told what is done, and warned about the data. Raises `SourceError` or `DataError`.
    """
    if data is not None and is_dataset(Path(data)):
        return load_dataset(Path(data))
    return prepare_table(recipe, read_raw(recipe, data, progress=progress), progress=progress)


def read_raw(recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None) -> RawTable:
    """Read the raw rows that the recipe or `data` names."""
    if data is None and not recipe.source:
        raise RecipeError(f"Recipe '{recipe.name}' has no source. Add one, or give the data with --data PATH.")
    sources = recipe.source if data is None else [source_of_path(data)]
    for source in sources:
        (progress or Silent()).say(f"reading {source.url}")
    return read_sources(sources, label_column=recipe.label)


def prepare_table(recipe: Recipe, raw: RawTable, *, progress: Progress | None = None) -> Dataset:
    """Turn raw rows into the Dataset. Raises `DataError` if what is left cannot train a model."""
    settings = recipe.prepare
    steps = steps_of(settings.normalise)
    progress = progress or Silent()
    progress.say(f"cleaning {raw.frame.height:,} rows")
    rows, dropped = clean_rows(raw.frame, recipe.text, recipe.label, steps=steps, max_chars=settings.max_chars)
    _require_labels(rows, recipe, raw.frame.height, dropped)
    warnings = label_warnings(Counter(row.label for row in rows))
    for warning in warnings:
        progress.warn(warning)
    rows, conflicts = resolve_conflicts(rows, settings.conflicts, dropped)
    rows = _without_copies(rows, dropped) if settings.dedupe != "none" else rows
    rows, groups = _without_near_copies(rows, recipe, dropped)
    _require_rows(rows, recipe)
    parts = split_rows(
        [row.text for row in rows], [row.label for row in rows], groups, shares=_shares(recipe), seed=recipe.train.seed
    )
    _require_parts(parts, recipe)
    frame = _frame(rows, parts)
    manifest = {
        "recipe": recipe.name,
        "task": recipe.task,
        "text": recipe.text,
        "label": recipe.label,
        "normalise": list(steps),
        "sources": raw.files,
        "rows_read": raw.frame.height,
        "rows": len(rows),
        "dropped": dict(dropped.counts),
        "dropped_examples": dict(dropped.examples),
        "conflicts": conflicts[:_SHOWN_CONFLICTS],
        "groups_of_near_copies": sum(1 for size in Counter(groups).values() if size > 1),
        "counts": _counts(frame),
        "warnings": warnings,
    }
    return Dataset(frame, manifest)


def _require_labels(rows: list[CleanRow], recipe: Recipe, read: int, dropped: Dropped) -> None:
    if not rows:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.counts.items()) or "there were none"
        raise DataError(f"None of the {read:,} rows can be used: {reasons}.")
    labels = Counter(row.label for row in rows)
    if len(labels) > recipe.prepare.max_labels:
        raise DataError(
            f"Column {recipe.label!r} has {len(labels):,} distinct labels, more than prepare.max_labels "
            f"({recipe.prepare.max_labels:,}). Is it the label column? Labels such as {sorted(labels)[0]!r}."
        )


def _require_rows(rows: list[CleanRow], recipe: Recipe) -> None:
    labels = Counter(row.label for row in rows)
    if len(labels) == 1:
        raise DataError(
            f"All {len(rows):,} rows have the label {next(iter(labels))!r}; at least two labels are needed."
        )
    single = sorted(label for label, count in labels.items() if count < 2)
    if single:
        shown = ", ".join(repr(label) for label in single[:5]) + (" …" if len(single) > 5 else "")
        raise DataError(
            f"{len(single)} of {len(labels)} labels in column {recipe.label!r} have fewer than 2 rows left: {shown}. "
            "Add rows, or merge or remove these labels."
        )


def _require_parts(parts: Sequence[Part], recipe: Recipe) -> None:
    counts = Counter(parts)
    for part in PARTS:
        share = _shares(recipe)[part]
        if share > 0 and not counts[part]:
            raise DataError(
                f"{len(parts)} rows are too few: the {part} part (share {share:g}) would be empty. Add rows, or raise "
                f"prepare.split.{part}."
            )


def _shares(recipe: Recipe) -> dict[Part, float]:
    split = recipe.prepare.split
    return {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}


def _without_copies(rows: list[CleanRow], dropped: Dropped) -> list[CleanRow]:
    """Keep the first of equal texts; case does not count. Conflicting labels are settled before."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        key = row.text.casefold()
        if key in seen:
            dropped.add("exact copy", row.where)
        else:
            seen.add(key)
            kept.append(row)
    return kept


def _without_near_copies(rows: list[CleanRow], recipe: Recipe, dropped: Dropped) -> tuple[list[CleanRow], list[int]]:
    """Return the rows left and each one's group.

    With `dedupe: near` a row goes if it is a near-copy of an earlier kept row with the same label; a near-copy with
    another label stays (a single word can turn a review), but in the same group.
    """
    settings = recipe.prepare
    by_group = settings.split.by == "group"
    if settings.dedupe != "near" and not by_group:
        return rows, list(range(len(rows)))
    similarity = min(settings.near_threshold, settings.split.similarity) if by_group else settings.near_threshold
    found = find_near_duplicates([row.text for row in rows], similarity)
    gone: set[int] = set()
    for (first, second), similarity in found.pairs.items():
        alike = similarity >= settings.near_threshold and rows[first].label == rows[second].label
        if settings.dedupe == "near" and alike and first not in gone and second not in gone:
            gone.add(second)
            dropped.add("near-copy", rows[second].where)
    kept = [index for index in range(len(rows)) if index not in gone]
    groups = found.group.tolist() if by_group else list(range(len(rows)))
    return [rows[index] for index in kept], [groups[index] for index in kept]


def _frame(rows: list[CleanRow], parts: Sequence[Part]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": _ids([row.text for row in rows]),
            "text": [row.text for row in rows],
            "label": [row.label for row in rows],
            "split": list(parts),
            "source": [row.source for row in rows],
            "row": [row.row for row in rows],
        },
        schema_overrides={"row": pl.Int64},
    )


def _ids(texts: Sequence[str]) -> list[str]:
    """Name rows by their text's content; a repeated text gets a running number."""
    seen: Counter[str] = Counter()
    ids = []
    for text in texts:
        name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _counts(frame: pl.DataFrame) -> dict[str, dict[str, int]]:
    counts = {part: dict.fromkeys(sorted(frame["label"].unique()), 0) for part in PARTS}
    for part, label, count in frame.group_by("split", "label").len().iter_rows():
        counts[part][label] = count
    return {part: values for part, values in counts.items() if sum(values.values())}
