"""Old label names and the names they became, from a YAML file.

    cmp-lg: cs.CL                            or    aliases: {cmp-lg: cs.CL}
    funct-an: math.FA                              labels: [cs.CL, math.FA]     # all there are

Chains are followed to their end. Whether a target is right can only be told with the closed list `labels`; without
it a target that looks mistaken, or that no row carries, is warned about.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.data.label_kinds import listed
from copydesk.errors import DataError, RecipeError
from copydesk.recipe.strict_yaml import read_yaml

_LOOKS_LIKE = 0.8


@dataclass(frozen=True)
class Aliases:
    """`names[old]` is what the name became in the end; `labels` are all names there may be (empty: any)."""

    path: str
    names: dict[str, str]
    labels: frozenset[str] = frozenset()


def load_aliases(path: str) -> Aliases:
    """Read the file. Raises `RecipeError` for a bad target, a circle, or a target that is not in its `labels`."""
    value = read_yaml(path, "The recipe's `aliases` file")
    if not isinstance(value, dict):
        raise RecipeError(f"'{path}' holds {type(value).__name__}, not a mapping OLD: NEW of label names.")
    labels: list[Any] = []
    if isinstance(value.get("aliases"), dict) and set(value) <= {"aliases", "labels"}:
        value, labels = value["aliases"], value.get("labels") or []
    if not isinstance(labels, list):
        raise RecipeError(f"'{path}': `labels` holds {type(labels).__name__}, not a list of label names.")
    steps = {_name(old, path): _target(old, new, path) for old, new in value.items()}
    aliases = Aliases(path, {old: _end(old, steps, path) for old in steps}, frozenset(str(name) for name in labels))
    for old, new in aliases.names.items():
        if aliases.labels and new not in aliases.labels:
            raise RecipeError(f"'{path}': {old!r} becomes {new!r}, which is not in `labels`.{_hint(new, labels)}")
    return aliases


def alias_warnings(aliases: Aliases, before: Collection[str]) -> list[str]:
    """Return lines about targets that look mistaken, given the label names in the data before merging.

    With the closed list, `DataError` for a label in the data that is neither in it nor an alias.
    """
    foreign = sorted(name for name in before if name not in aliases.names and name not in aliases.labels)
    if aliases.labels and foreign:
        raise DataError(
            f"The data has the labels {listed(foreign)}, which are neither in `labels` of '{aliases.path}' nor "
            f"aliases.{_hint(foreign[0], aliases.labels)}"
        )
    if aliases.labels:
        return []
    there = {name for name in before if name not in aliases.names}
    lines = []
    for old in sorted(aliases.names.keys() & set(before)):
        new = aliases.names[old]
        near = difflib.get_close_matches(new, sorted(there), n=1, cutoff=_LOOKS_LIKE)
        if new not in there and near:
            lines.append(f"Alias {old!r} becomes {new!r}, which no row has as its own label. Did you mean {near[0]!r}?")
    made = {aliases.names[old] for old in aliases.names.keys() & set(before)}
    unknown = sorted(set(aliases.names.values()) - there - made)
    if unknown:
        lines.append(f"{len(unknown)} alias targets in '{Path(aliases.path).name}' stand on no row: {listed(unknown)}.")
    return lines


def _name(value: object, path: str) -> str:
    if isinstance(value, list | dict | tuple) or value is None or not str(value).strip():
        raise RecipeError(f"'{path}': {value!r} is no label name.")
    return str(value).strip()


def _target(old: object, new: object, path: str) -> str:
    if not isinstance(new, str) or not new.strip():
        raise RecipeError(f"'{path}': {old!r} becomes {new!r}; a label's new name must be a text (quote it).")
    return new.strip()


def _end(old: str, steps: dict[str, str], path: str) -> str:
    """Follow a chain to its end."""
    seen = [old]
    while seen[-1] in steps:
        seen.append(steps[seen[-1]])
        if seen[-1] in seen[:-1]:
            raise RecipeError(f"'{path}': aliases go in a circle: {' -> '.join(seen)}. Remove one of them.")
    return seen[-1]


def _hint(name: str, known: Collection[Any]) -> str:
    near = difflib.get_close_matches(name, sorted(str(other) for other in known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
