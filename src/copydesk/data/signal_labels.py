"""Labels of task `signals`: what is known of each category, from lists or objects, in columns or as JSON.

A category that a text does not list is unknown there, unless the recipe says `unlisted: absent`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Any

import polars as pl

from copydesk.data.label_kinds import ReadLabels, Relation, Where, cells_of, listed
from copydesk.errors import DataError
from copydesk.recipe import Recipe
from copydesk.types import Label, Signal

Signals = tuple[Signal, ...]
_FORMS = '[{"category", "score", "tag"}], {category: {"score", "tag"}} or {category: [score, tag]}'


class SignalLabels:
    """What is known of a text's categories, as a sorted tuple of signals."""

    column = "signals"
    dtype: pl.DataType = pl.List(pl.Struct({"category": pl.String(), "score": pl.Float64(), "tag": pl.String()}))
    partial = True
    relation: Relation = "scored"

    def read(self, column: pl.Series, recipe: Recipe, where: Where, known: Container[str]) -> ReadLabels:
        """Read lists and objects, and JSON texts of both; a score that is NaN or missing leaves its category out."""
        values: list[Label | None] = []
        masked: Counter[str] = Counter()
        absent = {name: Signal(name, 0.0) for name in recipe.categories if recipe.unlisted == "absent"}
        for place, cell in enumerate(cells_of(column)):
            try:
                entries = _entries(cell)
                signals = None if entries is None else _signals(entries, recipe.categories, absent, masked)
            except ValueError as problem:
                raise DataError(f"{where(place)}: {problem}") from None
            values.append(signals or None)
        warnings = [
            f"{count:,} rows give {category!r} a score that is missing or NaN: it counts as unknown there."
            for category, count in sorted(masked.items())
        ]
        return ReadLabels(values, warnings=warnings)

    def stored(self, label: Signals) -> list[dict[str, object]]:
        """Return a list of structs."""
        return [{"category": signal.category, "score": signal.score, "tag": signal.tag} for signal in label]

    def restored(self, cell: Sequence[Mapping[str, Any]]) -> Signals:
        """Return the signals of a list of structs."""
        return tuple(Signal(entry["category"], entry["score"], entry["tag"]) for entry in cell)

    def present(self, label: Signals) -> tuple[str, ...]:
        """Return the categories that have a score or a tag."""
        return tuple(signal.category for signal in label if signal.score or signal.tag)

    def known(self, label: Signals) -> tuple[str, ...]:
        """Return the categories that are listed, with a score of 0 too."""
        return tuple(signal.category for signal in label)

    def without(self, label: Signals, names: Container[str]) -> Signals | None:
        """Return the signals of the other categories, or None if there are none."""
        return tuple(signal for signal in label if signal.category not in names) or None

    def renamed(self, label: Signals, names: Mapping[str, str]) -> Signals:
        """Return the signals as they are: categories have no aliases."""
        return label

    def merged(self, labels: Sequence[Signals]) -> Signals | None:
        """Return what all together know; None if two disagree about a category."""
        together = {signal for label in labels for signal in label}
        if len({signal.category for signal in together}) < len(together):
            return None
        return tuple(sorted(together))

    def shown(self, label: Signals) -> str:
        """Return category, score and tag of each."""
        return " + ".join(f"{signal.category} {signal.score:+g} {signal.tag}".rstrip() for signal in label)

    def concerns(self, labels: Sequence[Signals], recipe: Recipe) -> list[str]:
        """Name the categories that are never present or never absent. Raises `DataError` if none ever is present."""
        present = Counter(name for label in labels for name in self.present(label))
        known = Counter(signal.category for label in labels for signal in label)
        if not present:
            raise DataError(f"None of the {len(labels):,} rows has a category with a score other than 0, or a tag.")
        never_present = [name for name in recipe.categories if not present[name]]
        never_absent = [name for name in recipe.categories if present[name] and present[name] == known[name]]
        lines = []
        if never_present:
            lines.append(f"No row shows {listed(never_present)}: the model cannot learn to find what it never saw.")
        if never_absent:
            lines.append(
                f"No row says that {listed(never_absent)} is absent (score 0), so the model cannot learn absence. If a "
                "category that a row does not list is absent there, set `unlisted: absent` in the recipe."
            )
        return lines


def _entries(cell: object) -> list[tuple[object, object, object]] | None:
    """Return one cell's categories, scores and tags as they stand; None for an empty cell."""
    if isinstance(cell, str):
        cell = _parsed(cell.strip())
    if cell is None or cell != cell:
        return None
    if isinstance(cell, dict):
        return [_named(category, value) for category, value in cell.items() if value is not None]
    if isinstance(cell, list):
        return [_listed(entry) for entry in cell]
    raise ValueError(f"{cell!r} is no signals. Expected {_FORMS}.")


def _parsed(text: str) -> object:
    if not text:
        return None
    try:
        value: object = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} is not JSON ({error}). Expected {_FORMS}.") from None
    return value


def _listed(entry: object) -> tuple[object, object, object]:
    if not isinstance(entry, dict) or "category" not in entry or "score" not in entry:
        raise ValueError(f"{entry!r} is no signal; each needs a category and a score. Expected {_FORMS}.")
    return entry["category"], entry["score"], entry.get("tag")


def _named(category: object, value: object) -> tuple[object, object, object]:
    if isinstance(value, dict) and "score" in value:
        return category, value["score"], value.get("tag")
    if isinstance(value, list) and 1 <= len(value) <= 2:
        return category, value[0], value[1] if len(value) == 2 else None
    raise ValueError(f"{category!r} has {value!r}. Expected {_FORMS}.")


def _signals(
    entries: list[tuple[object, object, object]],
    categories: Mapping[str, Sequence[str]],
    absent: Mapping[str, Signal],
    masked: Counter[str],
) -> Signals:
    """Check one row's entries; categories without a score are counted in `masked` and left out.

    `absent` are the signals of categories that a row does not list, if that says anything.
    """
    found: dict[str, Signal | None] = {}
    for category, score, tag in entries:
        name = str(category).strip()
        if name in found:
            raise ValueError(f"category {name!r} is listed twice. Keep one of them.")
        found[name] = _signal(name, score, tag, categories)
        if found[name] is None:
            masked[name] += 1
    return tuple(sorted(signal for signal in {**absent, **found}.values() if signal is not None))


def _signal(category: str, score: object, tag: object, categories: Mapping[str, Sequence[str]]) -> Signal | None:
    if category not in categories:
        raise ValueError(f"category {category!r} is none of the recipe's `categories`: {', '.join(categories)}.")
    name = "" if tag is None or tag != tag else str(tag).strip()
    if name and name not in categories[category]:
        known = ", ".join(categories[category])
        raise ValueError(f"tag {name!r} of {category!r} is none of its tags: {known}. Correct it, or leave it empty.")
    number = _number(score, category)
    return None if number is None else Signal(sys.intern(category), number, sys.intern(name))


def _number(score: object, category: str) -> float | None:
    try:
        number = None if score is None or isinstance(score, bool) else float(str(score))
    except ValueError:
        number = float("inf")
    if isinstance(score, bool) or (number is not None and abs(number) > 1):
        raise ValueError(f"score {score!r} of {category!r} is not a number from -1 to 1. Correct or rescale it.")
    return None if number is None or number != number else number + 0.0  # turns -0.0 into 0.0
