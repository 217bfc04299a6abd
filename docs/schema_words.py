"""JSON Schema in words: what a value may be, and what it is by default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from links import slug

Schema = dict[str, Any]
_STEPS = {"array": ".N", "object": ".NAME"}
_LIMITS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))


def cell(text: str) -> str:
    """Return a text for a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table's lines, and an empty one."""
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return [lines[0], "|" + "---|" * len(columns), *lines[1:], ""]


def described(part: Schema) -> str:
    """Return what a section's docstring says, on one line."""
    return " ".join(part.get("description", "").split())


def meaning(value: Schema, parts: Schema) -> str:
    """Return what a key means: its own description, else the first sentence of what stands there."""
    if "description" in value:
        return str(value["description"])
    found = [described(parts[name]).partition(". ")[0].rstrip(".") + "." for name, _ in reference_of(value)]
    return " Or: ".join(found)


def reference_of(value: Schema, step: str = "") -> Iterator[tuple[str, str]]:
    """Yield the named schemas that may stand in a value, each with the step of the path that leads to it."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], step
    for key in ("anyOf", "oneOf", "allOf"):
        for one in value.get(key, []):
            yield from reference_of(one, step)
    if isinstance(value.get("items"), dict):
        yield from reference_of(value["items"], step + _STEPS["array"])
    if isinstance(value.get("additionalProperties"), dict):
        yield from reference_of(value["additionalProperties"], step + _STEPS["object"])


def type_of(value: Schema, paths: Mapping[str, str] | None = None) -> str:
    """Return in words what a value may be; named schemas as links to the headings of their paths, else their names."""
    return cell(_type_of(value, paths))


def _type_of(value: Schema, paths: Mapping[str, str] | None) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        path = name if paths is None else paths[name]
        return f"[{path}](#{slug(path)})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    for key in ("anyOf", "oneOf"):
        if key in value and "properties" not in value:
            return " or ".join(dict.fromkeys(_type_of(one, paths) for one in value[key]))
    return _plain(value, paths)


def _plain(value: Schema, paths: Mapping[str, str] | None) -> str:
    kind = value.get("type", "anything")
    if kind == "array":
        return _list(value, paths)
    if kind == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"by name: {_type_of(value['additionalProperties'], paths)}"
    limits = ", ".join(f"{sign} {_number(value[key])}" for key, sign in _LIMITS if key in value)
    words = {"string": "text", "boolean": "true, false", "object": "any keys"}.get(kind, kind)
    pattern = f"as `{value['pattern']}`" if "pattern" in value else ""
    return " ".join(filter(None, (words, limits, pattern)))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _list(value: Schema, paths: Mapping[str, str] | None) -> str:
    if "prefixItems" in value:
        return "[" + ", ".join(_type_of(one, paths) for one in value["prefixItems"]) + "]"
    inner = _type_of(value.get("items", {}), paths)
    return f"list of ({inner})" if " or " in inner else f"list of {inner}"


def default_of(part: Schema, key: str) -> str:
    """Return a key's default for a table's cell: nothing for a section, which has its own table."""
    value = part["properties"][key]
    if key in part.get("required", []):
        return "required"
    default = value.get("default")
    if any(reference_of(value)) and default not in ([], {}):
        return ""
    words = {"null": "none", "[]": "none", "{}": "none", '""': "empty"}
    written = json.dumps(default, ensure_ascii=False)
    return words.get(written, f"`{default if isinstance(default, str) else written}`")
