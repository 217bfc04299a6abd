"""Raw table to Dataset: check, clean, apply reviews, settle conflicts, drop copies, leave rare labels out, divide.

The manifest says what was dropped and why.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from copydesk.data.aliases import load_aliases
from copydesk.data.clean import Account, CleanRow, clean_rows, label_warnings, require_columns
from copydesk.data.columns import columns_of, label_counts
from copydesk.data.copies import (
    NearRows,
    resolve_conflicts,
    without_copies,
    without_near_copies,
    without_outranked,
)
from copydesk.data.corrections import with_corrections
from copydesk.data.dataset import Dataset, is_dataset, load_dataset
from copydesk.data.duplicates import FindNear, find_near_duplicates
from copydesk.data.given import Given, given_parts, parted_as_given
from copydesk.data.label_kinds import LabelKind, ReadLabels, listed
from copydesk.data.labels import LABELS, read_labels
from copydesk.data.lessons import with_lessons
from copydesk.data.parts import parted_rows, resampled_rows
from copydesk.data.raw import RAW, newest_file
from copydesk.data.reviewed import apply_decisions, unapplied
from copydesk.data.rules import check_rules
from copydesk.data.sources import RawTable, read_sources, source_of_path
from copydesk.data.split import moment_of
from copydesk.data.weak_labels import with_probabilities
from copydesk.errors import DataError, RecipeError
from copydesk.normalise import steps_of
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, SourceFile

_NEVER = datetime.min.replace(tzinfo=UTC)
_SHOWN_CONFLICTS = 20
_GIVE = "give the data: --data FILE (`label`: behind the recipe)"


def prepare_dataset(
    recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """Return the recipe's Dataset, from its source or from `data`; an already prepared Dataset is taken as it is.

    `progress` is told what is done, and warned about the data. Raises `SourceError` or `DataError`.
    """
    if data is not None and is_dataset(Path(data)):
        dataset = dataset_for(recipe, Path(data), progress=progress)
    else:
        dataset = prepare_table(recipe, read_raw(recipe, data, progress=progress), progress=progress)
    dataset = with_lessons(dataset, recipe, progress or Silent())
    return with_corrections(dataset, recipe, progress or Silent())


def dataset_for(recipe: Recipe, folder: Path, *, progress: Progress | None = None) -> Dataset:
    """Read a prepared Dataset. Raises `DataError` if it was prepared for another task or other categories."""
    dataset = load_dataset(folder)
    if dataset.task != recipe.task:
        raise DataError(
            f"'{folder}' was prepared for task {dataset.task!r}, but the task is {recipe.task!r}. Prepare it again."
        )
    if dataset.manifest.get("categories", {}) != recipe.categories:
        raise DataError(f"'{folder}' was prepared for other categories than the recipe's. Prepare it again.")
    for path in unapplied(recipe, dataset.manifest):
        (progress or Silent()).warn(
            f"'{folder}' was prepared without the review '{path}' as it is now: prepare it again."
        )
    return dataset


def read_raw(recipe: Recipe, data: str | PathLike[str] | None = None, *, progress: Progress | None = None) -> RawTable:
    """Read the raw rows that the recipe or `data` names."""
    if data is None and not recipe.source:
        raise RecipeError(f"Recipe '{recipe.name}' has no source. Add one, or {_GIVE}.")
    sources = _files_of(recipe) if data is None else [source_of_path(data)]
    for source in sources:
        (progress or Silent()).say(f"reading {source.url}")
    return read_sources(sources, label_column=recipe.label, progress=progress)


def _files_of(recipe: Recipe) -> list[SourceFile]:
    """Return the recipe's files. Raises `RecipeError` if something must be collected first."""
    files = [source for source in recipe.source if isinstance(source, SourceFile)]
    if len(files) < len(recipe.source):
        collected = newest_file(RAW, recipe.name)
        remedy = (
            f"'{collected}' was collected last: {_GIVE}. Or collect anew: copydesk collect RECIPE"
            if collected
            else f"First run: copydesk collect RECIPE. Then {_GIVE}, the raw file that it names."
        )
        raise RecipeError(f"Recipe '{recipe.name}' has a gdelt source, which only `collect` asks. {remedy}")
    return files


def prepare_table(
    recipe: Recipe, raw: RawTable, *, progress: Progress | None = None, find: FindNear = find_near_duplicates
) -> Dataset:
    """Turn raw rows into the Dataset; `find` finds near-duplicates. Raises `DataError` if it cannot train a model."""
    kind = LABELS[recipe.task]
    account = Account(progress or Silent())
    given = given_parts(raw, recipe)
    account.progress.say(f"cleaning {raw.frame.height:,} rows")
    found = _labels(recipe, raw, account)
    rows = _cleaned(recipe, raw, found, account)
    near = _distinct(rows, given, recipe, account, find)
    rows = _without_rare_labels(near.rows, recipe, kind, account)
    account.warn(*kind.concerns([row.label for row in rows], recipe))
    if given.parts:
        parted = parted_as_given(rows, near, given, recipe, kind, account)
    else:
        parted = parted_rows(rows, near, recipe, kind, account)
    parted = resampled_rows(parted, recipe, kind, account)
    groups = Counter(near.groups[item.row.position] for item in parted)
    weak = Counter(item.part for item in parted if item.row.trust != "given")
    if weak:
        account.facts["weak_rows_by_part"] = dict(weak)
    newest = max((item.row.moment for item in parted if item.part == "train" and item.row.moment), default=None)
    if newest is not None:
        account.facts["newest_text"] = newest.isoformat()
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
        "counts": label_counts(parted, kind),
        "rows_by_part": dict(Counter(item.part for item in parted)),
        "warnings": account.warnings,
        **account.facts,
    }
    return Dataset(columns_of(parted, found, kind), manifest)


def clean_table(recipe: Recipe, raw: RawTable) -> list[CleanRow]:
    """Return the raw rows that have a text and a label, as `prepare_table` finds them before it looks for copies."""
    account = Account(Silent())
    return _cleaned(recipe, raw, _labels(recipe, raw, account), account)


def _labels(recipe: Recipe, raw: RawTable, account: Account) -> ReadLabels:
    """Return every raw row's label, and its probabilities where it has some."""
    require_columns(raw.frame, [*recipe.text, recipe.label])
    names = load_aliases(recipe.aliases).names if recipe.aliases else {}
    found = with_probabilities(read_labels(raw.frame, recipe), raw.frame, LABELS[recipe.task], names)
    for line in found.said:
        account.progress.say(line)
    if found.separator is not None:
        account.facts["separator"] = found.separator
    check_rules(recipe.rules, raw.frame, found.values, LABELS[recipe.task], account)
    return found


def _cleaned(recipe: Recipe, raw: RawTable, found: ReadLabels, account: Account) -> list[CleanRow]:
    """Return the rows that have a text and a label; in the order of time if the split goes by it."""
    settings, column = recipe.prepare, recipe.prepare.split.time
    steps = steps_of(settings.normalise)
    rows, account.dropped = clean_rows(
        raw.frame, recipe.text, found.values, steps=steps, max_chars=settings.max_chars, trust=found.trust
    )
    rows = apply_decisions(rows, recipe, LABELS[recipe.task], account)
    counts = Counter(name for row in rows for name in LABELS[recipe.task].present(row.label))
    _require_labels(rows, counts, recipe, account)
    account.warn(*found.warnings, *label_warnings(counts))
    if recipe.categories:
        account.facts["categories"] = recipe.categories
    if column is None:
        return rows
    require_columns(raw.frame, [column])
    times = raw.frame[column].to_list()
    rows = [replace(row, moment=moment_of(times[row.position], row.where, column)) for row in rows]
    return sorted(rows, key=lambda row: row.moment or _NEVER)


def _distinct(rows: list[CleanRow], given: Given, recipe: Recipe, account: Account, find: FindNear) -> NearRows:
    """Let people's labels outrank weak ones, settle conflicts, drop copies; given validation and test rows stay."""
    settings, kind = recipe.prepare, LABELS[recipe.task]
    held = [row for row in rows if given.is_held_out(row)]
    rows = [row for row in rows if not given.is_held_out(row)] if held else rows
    rows = without_outranked(rows, account.dropped)
    rows, conflicts = resolve_conflicts(rows, settings.conflicts, kind, account.dropped)
    account.facts["conflicts"] = conflicts[:_SHOWN_CONFLICTS]
    if settings.dedupe != "none":
        rows = without_copies(rows, account.dropped)
    rows = sorted([*rows, *held], key=lambda row: row.position) if held else rows
    untouched = {row.position for row in held}
    return without_near_copies(rows, settings, account.dropped, find=find, untouched=untouched)


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
