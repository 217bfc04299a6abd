"""A project's recipe.yaml as text, made of the recipe that comes with Copydesk, comments and all.

Text, not values: who opens the file shall find the reasons that stand in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import yaml

from copydesk.recipe import Recipe

_SECTIONS = {"lessons": "prepare"}


def swapped(text: str, key: str, lines: str) -> str:
    """Return the text with other lines for a key, and what stood there below them as comments.

    A key that is missing comes under the section it belongs to, or above `text`, which every recipe has.
    """
    block = re.search(rf"^(?P<indent> *){key}:.*\n(?:(?P=indent) +.*\n)*", text, re.MULTILINE)
    if block is not None:
        indent = block["indent"]
        before = "".join(f"{indent}# {line[len(indent) :]}" for line in block[0].splitlines(keepends=True))
        return text[: block.start()] + _indented(lines, indent) + before + text[block.end() :]
    if key in _SECTIONS:
        return re.sub(rf"^{_SECTIONS[key]}:\n", lambda head: head[0] + _indented(lines, "  "), text, flags=re.MULTILINE)
    return re.sub(r"^text:", lambda head: lines + head[0], text, count=1, flags=re.MULTILINE)


def _indented(lines: str, indent: str) -> str:
    return "".join(f"{indent}{line}" for line in lines.splitlines(keepends=True))


def blocks_of(text: str) -> dict[str, str]:
    """Return the blocks of a file of top-level keys, each with the comments above it."""
    found: dict[str, str] = {}
    waiting = ""
    for line in text.splitlines(keepends=True):
        waiting += line
        if key := re.match(r"(\w+):", line):
            found[key[1]], waiting = waiting, ""
    return found


def with_defaults(text: str, recipe: Recipe, keys: Iterable[str], heading: str) -> str:
    """Return the text with those of the keys that it lacks, as they are by default, under a heading."""
    written = yaml.safe_load(text)
    values = recipe.model_dump(mode="json")
    missing = {key: _short(values[key]) for key in dict.fromkeys(keys) if key not in written}
    return text + (f"{heading}{yaml.safe_dump(missing, sort_keys=False)}" if missing else "")


def _short(value: object) -> object:
    """Return a section at its defaults as an empty one, which says the same."""
    return {} if isinstance(value, Mapping) else value
