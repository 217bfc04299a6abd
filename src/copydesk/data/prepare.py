"""Raw table to Dataset: clean, settle conflicts, drop copies, leave rare labels out, divide, resample.

The manifest says what was dropped and why.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.clean import Account, CleanRow, clean_rows, label_warnings, require_columns
from copydesk.data.copies import NearRows, resolve_conflicts, without_copies, without_near_copies
from copydesk.data.dataset import PARTS, Dataset, is_dataset, load_dataset
from copydesk.data.duplicates import FindNear, find_near_duplicates
from copydesk.data.label_kinds import LabelKind, listed
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.parts import PartedRow, parted_rows, resampled_rows
from copydesk.data.sources import RawTable, read_sources, source_of_path
from copydesk.data.split import moment_of
from copydesk.errors import DataError, RecipeError
from copydesk.normalise import steps_of
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe

_NEVER = datetime.min.replace(tzinfo=UTC)
_SHOWN_CONFLICTS = 20


def prepare_dataset(
    recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """Return the recipe's Dataset, from its source or from `data`; an already prepared Dataset is taken as it is.

    `progress` is told what is done, and warned about the data. Raises `SourceError` or `DataError`.
    """
    if data is not None and is_dataset(Path(data)):
        return dataset_for(recipe, Path(data))
    return prepare_table(recipe, read_raw(recipe, data, progress=progress), progress=progress)


def dataset_for(recipe: Recipe, folder: Path) -> Dataset:
    """Read a prepared Dataset. Raises `DataError` if it was prepared for another task or other categories."""
    dataset = load_dataset(folder)
    if dataset.task != recipe.task:
        raise DataError(
            f"'{folder}' was prepared for task {dataset.task!r}, but the task is {recipe.task!r}. Prepare it again."
        )
    if dataset.manifest.get("categories", {}) != recipe.categories:
        raise DataError(f"'{folder}' was prepared for other categories than the recipe's. Prepare it again.")
    return dataset


def read_raw(recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None) -> RawTable:
    """Read the raw rows that the recipe or `data` names."""
    if data is None and not recipe.source:
        raise RecipeError(f"Recipe '{recipe.name}' has no source. Add one, or give the data with --data PATH.")
    sources = recipe.source if data is None else [source_of_path(data)]
    for source in sources:
        (progress or Silent()).say(f"reading {source.url}")
    return read_sources(sources, label_column=recipe.label)


def prepare_table(
    recipe: Recipe, raw: RawTable, *, progress: Progress | None = None, find: FindNear = find_near_duplicates
) -> Dataset:
    """Turn raw rows into the Dataset; `find` finds near-duplicates. Raises `DataError` if it cannot train a model."""
    kind = LABELS[recipe.task]
    account = Account(progress or Silent())
    rows = _cleaned(recipe, raw, account)
    near = _distinct(rows, recipe, kind, account, find)
    rows = _without_rare_labels(near.rows, recipe, kind, account)
    account.warn(*kind.concerns([row.label for row in rows], recipe))
    parted = parted_rows(rows, near, recipe, kind, account)
    parted = resampled_rows(parted, recipe, kind, account)
    groups = Counter(near.groups[item.row.position] for item in parted)
    manifest = {
        "recipe": recipe.name,
        "task": recipe.task,
        "text": recipe.text,
        "label": recipe.label,
        "normalise": list(steps_of(recipe.prepare.normalise)),
        "sources": raw.files,
        "rows_read": raw.frame.height,
        "rows": len(parted),
        "dropped": dict(account.dropped.counts),
        "dropped_examples": dict(account.dropped.examples),
        "groups_of_near_copies": sum(1 for size in groups.values() if size > 1),
        "counts": _counts(parted, kind),
        "rows_by_part": dict(Counter(item.part for item in parted)),
        "warnings": account.warnings,
        **account.facts,
    }
    return Dataset(_frame(parted, kind), manifest)


def _cleaned(recipe: Recipe, raw: RawTable, account: Account) -> list[CleanRow]:
    """Return the rows that have a text and a label; in the order of time if the split goes by it."""
    settings, column = recipe.prepare, recipe.prepare.split.time
    account.progress.say(f"cleaning {raw.frame.height:,} rows")
    require_columns(raw.frame, [*recipe.text, recipe.label])
    found = read_labels(raw.frame, recipe)
    for line in found.said:
        account.progress.say(line)
    steps = steps_of(settings.normalise)
    rows, account.dropped = clean_rows(raw.frame, recipe.text, found.values, steps=steps, max_chars=settings.max_chars)
    counts = Counter(name for row in rows for name in LABELS[recipe.task].present(row.label))
    _require_labels(rows, counts, recipe, account)
    account.warn(*found.warnings, *label_warnings(counts))
    if recipe.categories:
        account.facts["categories"] = recipe.categories
    if found.separator is not None:
        account.facts["separator"] = found.separator
    if column is None:
        return rows
    require_columns(raw.frame, [column])
    times = raw.frame[column].to_list()
    rows = [replace(row, moment=moment_of(times[row.position], row.where, column)) for row in rows]
    return sorted(rows, key=lambda row: row.moment or _NEVER)


def _distinct(rows: list[CleanRow], recipe: Recipe, kind: LabelKind[Any], account: Account, find: FindNear) -> NearRows:
    """Settle conflicts and drop copies."""
    settings = recipe.prepare
    rows, conflicts = resolve_conflicts(rows, settings.conflicts, kind, account.dropped)
    account.facts["conflicts"] = conflicts[:_SHOWN_CONFLICTS]
    if settings.dedupe != "none":
        rows = without_copies(rows, account.dropped)
    return without_near_copies(rows, settings, account.dropped, find)


def _require_labels(rows: list[CleanRow], counts: Counter[str], recipe: Recipe, account: Account) -> None:
    if not rows:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in account.dropped.counts.items())
        raise DataError(f"None of the {account.dropped.total():,} rows can be used: {reasons or 'there were none'}.")
    settings = recipe.prepare
    enough = sorted(name for name, count in counts.items() if count >= settings.min_support)
    if len(enough) > settings.max_labels:
        rare = f" with {settings.min_support} rows or more" if settings.min_support > 1 else ""
        raise DataError(
            f"Column {recipe.label!r} has {len(enough):,} distinct labels{rare}, more than prepare.max_labels "
            f"({settings.max_labels:,}). Is it the label column? Labels such as {enough[0]!r}. If it is, raise "
            "prepare.max_labels, or leave rare labels out with prepare.min_support (task 'multi')."
        )


def _without_rare_labels(
    rows: list[CleanRow], recipe: Recipe, kind: LabelKind[Any], account: Account
) -> list[CleanRow]:
    """Take labels with fewer rows than `prepare.min_support` out, and rows that have no other."""
    least = recipe.prepare.min_support
    counts = Counter(name for row in rows for name in kind.present(row.label))
    rare = {name: count for name, count in sorted(counts.items()) if count < least}
    if not rare:
        return rows
    if len(rare) == len(counts):
        raise DataError(
            f"None of the {len(counts):,} labels has prepare.min_support ({least:,}) rows; the commonest has "
            f"{max(counts.values()):,}. Lower it, or add rows."
        )
    kept = []
    for row in rows:
        label = kind.without(row.label, rare)
        if label is None:
            account.dropped.add("only rare labels", row.where)
        else:
            kept.append(replace(row, label=label))
    account.facts["rare_labels"] = rare
    account.warn(
        f"{len(rare)} of {len(counts)} labels have fewer than {least} rows (prepare.min_support) and are left out: "
        f"{listed(list(rare))}."
    )
    return kept


def _frame(parted: list[PartedRow], kind: LabelKind[Any]) -> pl.DataFrame:
    rows = [item.row for item in parted]
    labels = pl.Series(kind.column, [kind.stored(row.label) for row in rows], dtype=kind.dtype, strict=True)
    return pl.DataFrame(
        {
            "id": _ids([row.text for row in rows]),
            "text": [row.text for row in rows],
            kind.column: labels,
            "split": [item.part for item in parted],
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


def _counts(parted: list[PartedRow], kind: LabelKind[Any]) -> dict[str, dict[str, int]]:
    """Return for each part with rows how many texts carry each label."""
    by_part = {part: Counter[str]() for part in PARTS}
    for item in parted:
        by_part[item.part].update(kind.present(item.row.label))
    names = sorted({name for counts in by_part.values() for name in counts})
    there = {item.part for item in parted}
    return {part: {name: counts[name] for name in names} for part, counts in by_part.items() if part in there}
