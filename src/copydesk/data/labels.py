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
from copydesk.data.label_kinds import LabelKind, MultiLabels, ReadLabels, SingleLabels
from copydesk.data.signal_labels import SignalLabels
from copydesk.recipe import Recipe

LABELS: dict[str, LabelKind[Any]] = {"single": SingleLabels(), "multi": MultiLabels(), "signals": SignalLabels()}


def read_labels(frame: pl.DataFrame, recipe: Recipe, *, known: Container[str] = ()) -> ReadLabels:
    """Return each row's label; `known` are a finished model's labels, which then are not parted.

    Raises `DataError` naming the row, or `RecipeError` for the alias file.
    """
    require_columns(frame, [recipe.label])
    kind = LABELS[recipe.task]
    sources, rows = frame["_source"], frame["_row"]
    found = kind.read(frame[recipe.label], recipe, lambda place: f"{sources[place]}:{rows[place]}", known)
    if recipe.aliases is None:
        return found
    aliases = load_aliases(recipe.aliases)
    before = {name for label in found.values if label is not None for name in kind.present(label)}
    values = [None if label is None else kind.renamed(label, aliases.names) for label in found.values]
    return replace(found, values=values, warnings=[*found.warnings, *alias_warnings(aliases, before)])
