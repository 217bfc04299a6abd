"""Prometheus' language as far as checking needs it: which series an expression reads, and what it compares.

A lexer, not a parser: whether an expression is one at all, a real Prometheus says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<range>\[[^\]]*\])
  | (?P<number>(?<![\w:])[0-9.]+(?:[a-z]+[0-9a-z]*)?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<operator>=~|!~|==|!=|>=|<=|[-+*/%^><={}(),@])
  | (?P<space>\s+)
    """,
    re.VERBOSE,
)
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {*_LISTS, "and", "or", "unless", "bool", "offset"}
_COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}


@dataclass(frozen=True)
class Selector:
    """The series that a part of an expression reads: a metric's name and its matchers as `label, operator, value`."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.metric}{{{','.join(''.join(one) for one in self.matchers)}}}"


def tokens(expression: str) -> list[tuple[str, str]]:
    """Return an expression's tokens with their kinds, without spaces. Raises `ValueError` for what is none."""
    found, place = [], 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"No token of Prometheus' language: {expression[place : place + 20]!r} in {expression!r}")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        place = match.end()
    return found


def selectors(expression: str) -> Iterator[Selector]:
    """Yield what an expression reads."""
    rest = [*tokens(expression), ("end", "")]
    place = 0
    while place < len(rest) - 1:
        kind, text = rest[place]
        following = rest[place + 1][1]
        place += 1
        if kind != "name":
            continue
        if text in _LISTS and following == "(":
            place = _after(rest, place, ")")
        elif text not in _WORDS and following not in ("(", "by", "without"):
            end = _after(rest, place, "}") if following == "{" else place
            yield Selector(text, tuple(_matchers(rest[place:end])))
            place = end


def labels_named(expression: str) -> set[str]:
    """Return the labels by which an expression groups or joins."""
    rest = tokens(expression)
    found: set[str] = set()
    for place, (_, text) in enumerate(rest[:-1]):
        if text in _LISTS and rest[place + 1][1] == "(":
            found |= {name for kind, name in rest[place + 1 : _after(rest, place + 1, ")")] if kind == "name"}
    return found


def uncompared(expression: str) -> str:
    """Return an expression that is empty only where what is compared is not there.

    Comparisons tell 0 or 1 instead of leaving out what they do not hold for; `absent` becomes `group`, its opposite.
    """
    found, in_braces = [], False
    for kind, text in tokens(expression):
        in_braces = (in_braces or text == "{") and text != "}"
        if kind == "operator" and text in _COMPARISONS and not in_braces:
            text += " bool"
        found.append("group" if text == "absent" else text)
    return " ".join(found)


def _after(rest: list[tuple[str, str]], place: int, closing: str) -> int:
    return next(number for number in range(place, len(rest)) if rest[number][1] == closing) + 1


def _matchers(inner: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    for place, (kind, text) in enumerate(inner):
        if kind == "name":
            yield text, inner[place + 1][1], inner[place + 2][1]
