"""Raw rows with one planted violation for each of a recipe's rules, to show that the rules are held.

A rule that allows everything (a share from 0 to 1) cannot be violated and has no plant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from copydesk.recipe import Rules
from copydesk.recipe.rules import ColumnRule
from copydesk.types import Label

FOREIGN = "planted-by-copydesk-check"
"""A value, and a label, that no data has."""


@dataclass(frozen=True)
class Plant:
    """Rows and labels that break the rule of this name."""

    rule: str
    frame: pl.DataFrame
    labels: list[Label | None]


def planted(rules: Rules, frame: pl.DataFrame, labels: Sequence[Label | None]) -> Iterator[Plant]:
    """Yield the rows with one violation at a time. Raises nothing: a column that is not there has no plant."""
    known = list(labels)
    for column, rule in rules.columns.items():
        if column in frame.columns and frame.schema[column] == pl.String:
            for name, changed in _columns(column, rule, frame):
                yield Plant(f"columns.{column}.{name}", changed, known)
    low, high = rules.rows
    if low is not None and low > 1:
        few = max(int(low) - 1, 0)
        yield Plant("rows", frame.head(few), known[:few])
    if high is not None and 0 < frame.height <= high < 10 * frame.height:
        times = int(high // frame.height) + 1
        yield Plant("rows", pl.concat([frame] * times), known * times)
    if rules.labels and known and isinstance(known[0], str | tuple):
        yield Plant("labels", frame, [_foreign(known[0]), *known[1:]])
    for name, (least, most) in rules.shares.items():
        if (least or 0) > 0:
            yield Plant(f"shares.{name}", frame, [label if not _holds(label, name) else None for label in known])
        elif most is not None and most < 1:
            only = [label if _holds(label, name) else None for label in known]
            yield Plant(f"shares.{name}", frame, only)


def _columns(column: str, rule: ColumnRule, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    values = frame[column].to_list()
    if rule.missing is not None and rule.missing < 1:
        count = int(rule.missing * len(values)) + 1
        yield "missing", _with(frame, column, [None] * count + values[count:])
    low, high = rule.characters
    if high is not None:
        yield "characters", _with(frame, column, ["x" * (int(high) + 1), *values[1:]])
    elif low is not None and low > 1:
        yield "characters", _with(frame, column, ["x", *values[1:]])
    if rule.one_of:
        yield "one_of", _with(frame, column, [FOREIGN, *values[1:]])
    if rule.unique and len(values) > 1:
        value = next((value for value in values if value), FOREIGN)
        yield "unique", _with(frame, column, [value, value, *values[2:]])
    if rule.type in ("integer", "number", "boolean", "date"):
        yield "type", _with(frame, column, [FOREIGN, *values[1:]])


def _with(frame: pl.DataFrame, column: str, values: list[str | None]) -> pl.DataFrame:
    return frame.with_columns(pl.Series(column, values[: frame.height], pl.String))


def _foreign(like: Label) -> Label:
    if isinstance(like, str):
        return FOREIGN
    return (FOREIGN,) if not like or isinstance(like[0], str) else like


def _holds(label: Label | None, name: str) -> bool:
    if label is None or isinstance(label, str):
        return label == name
    return any(part == name or getattr(part, "category", None) == name for part in label)
