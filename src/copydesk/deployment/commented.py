"""Manifests as YAML with comments. Every value goes through a YAML writer, so that no text can become structure.

A manifest is plain values; one whose reason is worth telling is wrapped in `Because`, and the reason becomes a comment
above it. Comments come from the source alone, never from settings.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_WIDTH = 118
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9._/@%+=,-]*", re.IGNORECASE)
"""Texts that no reader of YAML, of whichever version, takes for a number, a truth value or nothing."""

Steps = tuple[str | int, ...]
Manifest = dict[str, Any]
"""An object of a cluster or a cloud; values in it may be wrapped in `Because`."""


@dataclass(frozen=True)
class Because:
    """A value, and why it is what it is."""

    value: Any
    why: str


def plain(value: Any) -> Any:  # noqa: ANN401 (whatever YAML may hold)
    """Return the value without reasons."""
    if isinstance(value, Because):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def commented(documents: Sequence[Any], head: str = "") -> str:
    """Return the documents as YAML, parted by `---`, below a head of comment lines."""
    parts = "---\n".join(_document(document) for document in documents)
    return "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines()) + parts


def _document(document: Any) -> str:  # noqa: ANN401 (whatever YAML may hold)
    text = yaml.dump(
        plain(document),
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=False,
    )
    places = dict(_places(yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
    lines = text.splitlines()
    above = [(*places[steps], why) for steps, why in _reasons(document)]
    for line, column, why in sorted(above, reverse=True):
        lines[line:line] = [
            " " * column + "# " + part for part in textwrap.wrap(why, _WIDTH - column, break_long_words=False)
        ]
    return "\n".join(lines) + "\n"


def _reasons(value: Any, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:  # noqa: ANN401 (whatever YAML may hold)
    """Yield where reasons stand, and what they say."""
    if isinstance(value, Because):
        yield steps, value.why
        value = value.value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _reasons(item, (*steps, key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _reasons(item, (*steps, number))


def _places(node: yaml.Node | None, steps: Steps = ()) -> Iterator[tuple[Steps, tuple[int, int]]]:
    """Yield the line and column of everything that a reason may stand above."""
    if node is not None and not steps:
        yield (), (node.start_mark.line, 0)
    if isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            yield (*steps, key.value), (key.start_mark.line, key.start_mark.column)
            yield from _places(item, (*steps, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*steps, number), (item.start_mark.line, node.start_mark.column)
            yield from _places(item, (*steps, number))


class _Writer(yaml.SafeDumper):
    """Lists are indented below their key, and only texts that mean themselves to everybody stand without quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 (whatever YAML may hold)
        """Write what is there twice out twice."""
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if _PLAIN.fullmatch(text) else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)
