"""Recipe and data -> Facts: everything that can be said about texts and labels before training.

What needs each row goes through columns; what is costly looks at a sample, and says at how many texts it looked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from copydesk.data.dataset import Dataset, is_dataset, load_dataset
from copydesk.data.labels import LABELS
from copydesk.data.prepare import dataset_for, read_raw
from copydesk.data.sources import RawTable, read_sources, source_of_path
from copydesk.describe.balance import balance_of
from copydesk.describe.copies import Near, copies_of, near_texts
from copydesk.describe.facts import Column, Facts, Outcome, RowFacts
from copydesk.describe.findings import findings_of, settled_of
from copydesk.describe.growth import growth_of
from copydesk.describe.lengths import lengths_of, word_counts
from copydesk.describe.outcome import outcome_of, outcome_of_dataset
from copydesk.describe.signs import signs_of
from copydesk.describe.speech import languages_in, read_some, typical_words
from copydesk.describe.table import Table, table_of_dataset, table_of_raw
from copydesk.errors import UsageError
from copydesk.progress import Progress, Silent
from copydesk.recipe import Recipe, parse_recipe

_LABEL_COLUMNS = ("label", "labels", "signals")
"""Where a file that comes without a recipe may have its labels."""
_TYPES = {
    pl.String: "text",
    pl.Boolean: "yes or no",
    pl.Date: "date",
    pl.Datetime: "date and time",
    pl.List: "list",
    pl.Struct: "object",
    pl.Null: "nothing",
}


def describe(
    recipe: Recipe,
    data: str | PathLike[str] | None = None,
    *,
    labelled: bool = False,
    progress: Progress | None = None,
) -> Facts:
    """Describe the recipe's source, or `data`: a file, or a Dataset that was prepared for the recipe.

    Without a label column only the texts are described, unless `labelled` demands one. Raises `SourceError`, or
    `DataError` for a missing column or if no row has a text.
    """
    listener = progress or Silent()
    if data is not None and is_dataset(Path(data)):
        return _of_dataset(recipe, dataset_for(recipe, Path(data)), listener)
    return _of_raw(recipe, read_raw(recipe, data, progress=progress), labelled, listener)


def describe_alone(
    data: str | PathLike[str], settings: Mapping[str, Any] | None = None, *, progress: Progress | None = None
) -> Facts:
    """Describe a file or a Dataset that comes without a recipe; `settings` are recipe keys, dotted.

    Labels are looked for in a column `label`, `labels` or `signals`; a column of lists makes it task `multi`. Raises
    as `describe` does, and `UsageError` for signals, whose categories only a recipe names.
    """
    listener, given = progress or Silent(), dict(settings or {})
    if is_dataset(Path(data)):
        dataset = load_dataset(Path(data))
        return _of_dataset(_recipe_of_dataset(dataset, Path(data), given), dataset, listener)
    listener.say(f"reading {data}")
    raw = read_sources([source_of_path(data)])
    return _of_raw(_recipe_of_table(raw.frame, str(data), given), raw, "label" in given, listener)


def _recipe_of_table(frame: pl.DataFrame, data: str, given: Mapping[str, Any]) -> Recipe:
    label = given.get("label") or next((name for name in _LABEL_COLUMNS if name in frame.columns), _LABEL_COLUMNS[0])
    kind = frame.schema.get(label)
    objects = isinstance(kind, pl.Struct) or (isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct))
    if objects and "categories" not in given:
        raise UsageError(
            f"Column {label!r} holds objects. For signals, whose categories a recipe names, run: "
            f"copydesk describe RECIPE --data {data}; or name another --label."
        )
    task = "multi" if isinstance(kind, pl.List) else "single"
    return parse_recipe(
        {"name": _name_of(data), "task": task, "label": label}, where=f"Description of '{data}'", overrides=given
    )


def _recipe_of_dataset(dataset: Dataset, folder: Path, given: Mapping[str, Any]) -> Recipe:
    manifest = dataset.manifest
    values: dict[str, Any] = {key: manifest[key] for key in ("text", "label", "categories") if key in manifest}
    values |= {"name": manifest.get("recipe", _name_of(folder.name)), "task": dataset.task}
    return parse_recipe(values, where=f"Description of '{folder}'", overrides=given)


def _name_of(path: str) -> str:
    """Return a file's name as a recipe's: `My reviews.csv` is `my-reviews`."""
    stem = path.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64] or "data"


def _of_raw(recipe: Recipe, raw: RawTable, labelled: bool, progress: Progress) -> Facts:
    table = table_of_raw(recipe, raw, labelled=labelled, progress=progress)
    near = near_texts(table, recipe, progress)
    outcome = outcome_of(recipe, raw, table, near, progress) if table.labels else None
    return _described(recipe, table, near, outcome, raw.files, progress)


def _of_dataset(recipe: Recipe, dataset: Dataset, progress: Progress) -> Facts:
    table = table_of_dataset(dataset)
    near = near_texts(table, recipe, progress)
    outcome = outcome_of_dataset(recipe, dataset)
    return _described(recipe, table, near, outcome, dataset.manifest.get("sources", []), progress)


def _described(
    recipe: Recipe,
    table: Table,
    near: Near,
    outcome: Outcome | None,
    sources: list[dict[str, str]],
    progress: Progress,
) -> Facts:
    labels, seed = table.labels, recipe.train.seed
    time, words = growth_of(table, labels, recipe), word_counts(table.texts)
    read = read_some(table, seed, progress)
    facts = Facts(
        name=recipe.name,
        task=recipe.task,
        text=recipe.text,
        label=recipe.label if recipe.label in table.frame.columns or table.parts is not None else "",
        rows=_row_facts(table, recipe, time.column if time else "", sources),
        lengths=lengths_of(table, words, read, recipe, progress),
        copies=copies_of(table, near, recipe),
        languages=languages_in(read),
        labels=balance_of(labels, words) if labels else None,
        time=time,
        words=typical_words(table, labels, seed, progress) if labels and len(labels.names) > 1 else None,
        signs=signs_of(table, labels),
        outcome=outcome,
    )
    return replace(facts, findings=findings_of(facts, recipe), settled=settled_of(facts))


def _row_facts(table: Table, recipe: Recipe, time: str, sources: list[dict[str, str]]) -> RowFacts:
    uses = {**dict.fromkeys(recipe.text, "text"), recipe.label: "label", time: "time"}
    if table.parts is not None:
        uses = {"text": "text", LABELS[recipe.task].column: "label", "split": "part"}
    return RowFacts(
        read=table.frame.height,
        with_text=len(table.texts),
        left_out=dict(table.left_out.counts),
        examples=dict(table.left_out.examples),
        columns=[
            _column(table.frame[name], uses.get(name, "")) for name in table.frame.columns if not name.startswith("_")
        ],
        sources=sources,
    )


def _column(values: pl.Series, used_as: str) -> Column:
    text = values.dtype == pl.String
    blank = int((values.str.strip_chars() == "").sum()) if text else 0
    name = next((word for kind, word in _TYPES.items() if isinstance(values.dtype, kind)), "number")
    return Column(values.name, name, values.null_count(), blank, used_as)
