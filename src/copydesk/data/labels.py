"""A raw table's label column to label values, by task, with the recipe's aliases merged.

`LABELS` has one entry per task; the rest of the data code takes the entry and does not ask which task it is.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any

import polars as pl

from copydesk.data.aliases import alias_warnings, load_aliases
from copydesk.data.clean import require_columns
from copydesk.data.label_kinds import LabelKind, MultiLabels, ReadLabels, SingleLabels, where_in
from copydesk.data.signal_labels import SignalLabels
from copydesk.data.weak_labels import VOTES, given_column, trust_in
from copydesk.errors import DataError
from copydesk.recipe import Recipe

LABELS: dict[str, LabelKind[Any]] = {"single": SingleLabels(), "multi": MultiLabels(), "signals": SignalLabels()}


def read_labels(frame: pl.DataFrame, recipe: Recipe, *, known: Container[str] = ()) -> ReadLabels:
    """Return each row's label; `known` are a finished model's labels, which then are not parted.

    A label in the recipe's column `weak.gold`, or one that the row had before functions voted, outranks the other.
    Raises `DataError` naming the row, or `RecipeError` for the alias file.
    """
    require_columns(frame, [recipe.label])
    kind = LABELS[recipe.task]
    found = kind.read(frame[recipe.label], recipe, where_in(frame), known)
    found = _with_gold(replace(found, trust=trust_in(frame)), frame, recipe, known)
    if recipe.aliases is None:
        return found
    aliases = load_aliases(recipe.aliases)
    before = {name for label in found.values if label is not None for name in kind.present(label)}
    values = [None if label is None else kind.renamed(label, aliases.names) for label in found.values]
    return replace(found, values=values, warnings=[*found.warnings, *alias_warnings(aliases, before)])


def _with_gold(found: ReadLabels, frame: pl.DataFrame, recipe: Recipe, known: Container[str]) -> ReadLabels:
    column = recipe.weak.gold
    kept = given_column(recipe.label)
    if VOTES in frame.columns and kept in frame.columns and column in (None, recipe.label):
        column = kept  # the rows came with these; since then functions have voted
    if column is None:
        return found
    if column not in frame.columns:
        there = ", ".join(name for name in frame.columns if not name.startswith("_"))
        raise DataError(f"weak.gold names the column {column!r}, which is missing; the data has: {there}. Correct it.")
    gold = LABELS[recipe.task].read(frame[column], recipe, where_in(frame), known)
    both = list(zip(gold.values, found.values, found.trust, strict=True))
    return replace(
        found,
        values=[label if person is None else person for person, label, _ in both],
        said=list(dict.fromkeys([*found.said, *gold.said])),
        warnings=[*found.warnings, *gold.warnings],
        separator=found.separator or gold.separator,
        trust=[trust if person is None else "given" for person, _, trust in both],
    )
