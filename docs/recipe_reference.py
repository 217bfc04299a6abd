"""The page of every recipe key, from the recipe's JSON Schema."""

from __future__ import annotations

import re

from schema_words import Schema, cell, default_of, described, meaning, reference_of, table, type_of

_HEAD = """<!-- Made by docs/make_reference.py (make reference) from the code. Change it there. -->

# Every recipe key

Each key with what it may be and what it is by default, as the code has it. What the keys are for, with examples, is in
[the recipe](recipe.md); editors complete and check by [recipe.schema.json](recipe.schema.json). A key is set on the
command line by its path: `--set train.epochs=3`.
"""
_COLUMNS = ("key", "what it may be", "default", "meaning")


def recipe_reference(schema: Schema) -> str:
    """Return the page. What may stand in several places (a file) is told of where it stands first."""
    places: dict[str, tuple[str, Schema]] = {}
    _place("", "", schema, schema["$defs"], places)
    paths = {name: path for name, (path, _) in places.items()}
    sections = (_section(path, part, schema["$defs"], paths) for path, part in places.values())
    return "\n".join([_HEAD, *sections])


def _place(name: str, path: str, part: Schema, parts: Schema, places: dict[str, tuple[str, Schema]]) -> None:
    """Note where the recipe and each section in it stand first: `N` leads into a list, `NAME` into a map."""
    taken = {heading for heading, _ in places.values()}
    places[name] = (f"{path} with {part['required'][0]}" if path in taken else path, part)
    for key, value in part["properties"].items():
        for inner, step in reference_of(value):
            if inner not in places:
                _place(inner, f"{path}.{key}{step}".lstrip("."), parts[inner], parts, places)


def _section(path: str, part: Schema, parts: Schema, paths: dict[str, str]) -> str:
    rows = [
        (f"`{key}`", type_of(value, paths), default_of(part, key), _linked(cell(meaning(value, parts))))
        for key, value in part["properties"].items()
    ]
    return "\n".join([f"## {path or 'Top level'}", "", _linked(described(part)), "", *table(_COLUMNS, rows)])


def _linked(text: str) -> str:
    """Return a description with the documents it names as links."""
    return re.sub(r"docs/([a-z-]+)\.md", r"[\1](\1.md)", text)
