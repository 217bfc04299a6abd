"""How facts and history are written as MLflow's tags, which are texts under keys. Pure.

A version's facts are tags of the version, made with it in one step. A model's history is tags of the model, a line
each, numbered. A move is three steps: the line is written as begun, the alias is set, the line is marked as done. Who
is killed between two of them leaves a begun line; whether its move took place, the alias says, which is the truth: it
did if the alias leads to the line's version, or if the next move found it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import TypeAdapter

from copydesk.errors import RegistryError
from copydesk.registry.base import Change, Facts

MODEL = "copydesk.model"
"""Marks a model of MLflow's as one of ours."""
DIGEST = "copydesk.digest"
ATTACHED = "copydesk.attached."
_LINE = "copydesk.history."
_TEXTS = ("digest", "data", "commit", "by", "created")
_REASON_CHARS = 2_000

State = Literal["begun", "done", "void"]


@dataclass(frozen=True)
class Line:
    """A line of a model's history. The token keeps apart what two wrote under one number: no lease rules that out."""

    number: int
    token: str
    state: State
    change: Change

    @property
    def key(self) -> str:
        """The tag's key."""
        return f"{_LINE}{self.number:06}.{self.token}"

    @property
    def text(self) -> str:
        """The tag's value."""
        reason = self.change.reason[:_REASON_CHARS]  # servers before 2.14 have 5,000 characters for a tag
        return json.dumps({"state": self.state, **asdict(replace(self.change, reason=reason))}, ensure_ascii=False)


def facts_as_tags(facts: Facts) -> dict[str, str]:
    """Return the tags of a version; what is empty has none."""
    texts = {f"copydesk.{name}": getattr(facts, name) for name in _TEXTS if getattr(facts, name)}
    return {**texts, "copydesk.metrics": json.dumps(facts.metrics)}


def facts_in(tags: Mapping[str, str]) -> Facts | None:
    """Return the facts in a version's tags; None if it is not one of ours."""
    if DIGEST not in tags:
        return None
    metrics = json.loads(tags.get("copydesk.metrics", "{}"))
    return Facts(**{name: tags.get(f"copydesk.{name}", "") for name in _TEXTS}, metrics=metrics)


def lines_in(tags: Mapping[str, str], aliases: Mapping[str, int]) -> list[Line]:
    """Return the history in a model's tags, oldest first, each begun line as what came of it.

    Raises `RegistryError` for a line that somebody else has changed.
    """
    lines = sorted((_line(key, text) for key, text in tags.items() if key.startswith(_LINE)), key=lambda one: one.key)
    return [_settled(line, lines[place + 1 :], aliases) for place, line in enumerate(lines)]


def _line(key: str, text: str) -> Line:
    try:
        number, _, token = key.removeprefix(_LINE).partition(".")
        fields = json.loads(text)
        state = TypeAdapter(State).validate_python(fields.pop("state"))
        return Line(int(number), token, state, TypeAdapter(Change).validate_python(fields))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise RegistryError(
            f"The history's line '{key}' cannot be read: {text[:80]!r}. Somebody changed it in MLflow; delete that tag."
        ) from None


def _settled(line: Line, later: Sequence[Line], aliases: Mapping[str, int]) -> Line:
    if line.state != "begun":
        return line
    moves = (one.change for one in later if one.change.alias == line.change.alias and one.change.action != "refused")
    following = next(moves, None)
    led = aliases.get(line.change.alias) if following is None else following.before
    return replace(line, state="done" if led == line.change.version else "void")
