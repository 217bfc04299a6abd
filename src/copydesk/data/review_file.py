"""The review file: texts that somebody should look at, what speaks for a doubt, and what was decided.

JSON lines, so that it can be read and edited with anything: a header, then one item a line. Labels stand as a Dataset
stores them: a name (`single`), a list of names (`multi`), a list of {category, score, tag} (`signals`). While somebody
decides, each decision is a short line at the end that names its item, so that saving one costs the same in any file;
`write_review` puts them where they belong. It does not know where doubts come from, nor what a decision does to the
data.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from copydesk.errors import DataError
from copydesk.files import append_text, replace_text

Decision = Literal["keep", "accept", "change", "drop", "skip"]
"""The label stays; the suggestion is taken; another label is; the text is left out; nothing was decided."""
StoredLabel = str | list[str] | list[dict[str, Any]]
FORMAT = "copydesk review 1"
RANDOM = "random"
"""The reason of texts that were drawn by chance."""
_OF_LOGS = ("prediction", "weight")
"""What only texts from a prediction log have."""
_DECISION = '{"item": '
"""How a decision's line begins."""


@dataclass(frozen=True)
class Header:
    """What the items' labels may be: the task, its label names (`signals`: categories), and each category's tags."""

    task: str
    labels: tuple[str, ...]
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    recipe: str = ""
    format: str = FORMAT


@dataclass(frozen=True)
class Item:
    """A text in doubt. `id` is the Dataset's name for the normalised text; `where` is the `file:row` it came from.

    `reason` is a word or two, `suspicion` from 0 to 1 ranks. `votes` are what labelling functions said, `model` the
    model's probabilities by label. `new_label` belongs to the decision `change` alone. A text from a prediction log has
    the id of the answer, `prediction`, and if it was drawn at random, as `weight` how many answers it stands for.
    """

    id: str
    text: str
    label: StoredLabel | None
    suggested: StoredLabel | None = None
    reason: str = ""
    suspicion: float = 0.0
    votes: Sequence[Mapping[str, str]] = ()
    model: Mapping[str, float] = field(default_factory=dict)
    where: str = ""
    decision: Decision | None = None
    new_label: StoredLabel | None = None
    prediction: str = ""
    weight: float = 0.0

    @property
    def outcome(self) -> StoredLabel | None:
        """The label after the decision; None where the text is to be left out."""
        if self.decision == "drop":
            return None
        return {"accept": self.suggested, "change": self.new_label}.get(self.decision or "", self.label)

    @property
    def is_decided(self) -> bool:
        """Whether the decision says anything about the text."""
        return self.decision not in (None, "skip")


@dataclass(frozen=True)
class Review:
    """A review file's content."""

    header: Header
    items: tuple[Item, ...]

    def decided(self, place: int, decision: Decision | None, new_label: StoredLabel | None = None) -> Review:
        """Return the review with one item's decision replaced (None takes it back). Raises `DataError`."""
        item = replace(self.items[place], decision=decision, new_label=new_label)
        _check(item, self.header, f"item {place + 1}")
        return replace(self, items=(*self.items[:place], item, *self.items[place + 1 :]))


def write_review(path: Path, review: Review) -> None:
    """Write the file anew, whole or not at all."""
    replace_text(path, "".join([_line(review.header), *map(_line, review.items)]))


def append_decision(path: Path, review: Review, place: int) -> None:
    """Add one item's decision to the end of the file, flushed to the disk; `read_review` puts it into its item."""
    item = review.items[place]
    values = {"item": place + 1, "id": item.id, "decision": item.decision, "new_label": item.new_label}
    append_text(path, json.dumps(values, allow_nan=False) + "\n")  # ASCII, which can be cut anywhere


def read_review(path: Path) -> Review:
    """Read and check a file. Raises `DataError` naming the line that is wrong.

    A decision that a power cut left half-written at the end is left out: nobody was told that it was saved.
    """
    lines = _lines(path)
    header = _header(path, lines[0][1])
    items: list[Item] = []
    for number, line in lines[1:]:
        where = f"Review file '{path}' line {number}"
        values = _object(path, number, line)
        if "item" in values:
            place = _place(values, items, where)
            items[place] = replace(items[place], decision=values.get("decision"), new_label=values.get("new_label"))
            _check(items[place], header, where)
        else:
            item = _made(Item, values, where)
            _check_kinds(item, where)
            _check(item, header, where)
            items.append(replace(item, votes=tuple(item.votes)))
    return Review(header, tuple(items))


def _line(value: Header | Item) -> str:
    values = {name: one for name, one in vars(value).items() if one or name not in _OF_LOGS}
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return the file's lines that hold anything, with their numbers."""
    text = _text(path)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise DataError(f"Review file '{path}' is empty.")
    last = lines[-1][1]
    if text.endswith("\n") or not (last.startswith(_DECISION) or _DECISION.startswith(last)) or _is_json(last):
        return lines
    return lines[:-1]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"Review file '{path}' cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"Review file '{path}' cannot be read: {error}.") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    where = f"Review file '{path}' line {number}"
    try:
        value = json.loads(line)
        if "\\ud" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {error}.") from None
    except UnicodeEncodeError:
        raise DataError(f"{where} holds half a surrogate pair, which is no character. Correct or remove it.") from None
    if not isinstance(value, dict):
        raise DataError(f"{where} holds {type(value).__name__}, not an object.")
    return value


def _place(values: dict[str, Any], items: Sequence[Item], where: str) -> int:
    """Return the place from 0 of the item that a decision names."""
    place = values["item"]
    if not isinstance(place, int) or isinstance(place, bool) or not 1 <= place <= len(items):
        raise DataError(f"{where}: there is no item {place!r}; {len(items):,} stand above it.")
    if values.get("id") != items[place - 1].id:
        raise DataError(f"{where}: item {place} has the id {items[place - 1].id!r}, not {values.get('id')!r}.")
    return place - 1


def _header(path: Path, line: str) -> Header:
    values = json.loads(line) if _is_json(line) else None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(
            f"'{path}' is no review file: its first line is not a header with \"format\": {FORMAT!r}. "
            "`copydesk prepare --find-label-errors` writes such files."
        )
    where = f"Review file '{path}' line 1"
    header: Header = _made(Header, values, where)
    if header.task not in _PROBLEMS:
        raise DataError(f"{where}: task {header.task!r} is unknown. It is one of {', '.join(_PROBLEMS)}.")
    if not isinstance(header.labels, list) or not all(isinstance(name, str) for name in header.labels):
        raise DataError(f"{where}: labels {header.labels!r} is no list of names.")
    return replace(header, labels=tuple(header.labels))


def _made(kind: Any, values: dict[str, Any], where: str) -> Any:  # noqa: ANN401 (Header or Item)
    known = [entry.name for entry in fields(kind)]
    unknown = [name for name in values if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise DataError(f"{where}: unknown key {unknown[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    try:
        return kind(**values)
    except TypeError as error:
        raise DataError(f"{where}: {str(error).partition('() ')[2] or error}.") from None


def _check_kinds(item: Item, where: str) -> None:
    """Raise `DataError` unless what people are shown is what it should be."""
    for name in ("id", "text", "reason", "where", "prediction"):
        if not isinstance(getattr(item, name), str):
            raise DataError(f"{where}: {name} {getattr(item, name)!r} is no text.")
    if not _is_number(item.suspicion) or not 0 <= item.suspicion <= 1:
        raise DataError(f"{where}: suspicion {item.suspicion!r} is not a number from 0 to 1.")
    if not _is_number(item.weight) or item.weight < 0:
        raise DataError(f"{where}: weight {item.weight!r} is not a number from 0 on.")
    if not isinstance(item.votes, list | tuple) or not all(isinstance(vote, dict) for vote in item.votes):
        raise DataError(f"{where}: votes {item.votes!r} is no list of {{function, label}}.")
    if not isinstance(item.model, dict) or not all(map(_is_number, item.model.values())):
        raise DataError(f"{where}: model {item.model!r} is no object of numbers by label.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check(item: Item, header: Header, where: str) -> None:
    if item.decision is not None and item.decision not in get_args(Decision):
        raise DataError(f"{where}: decision {item.decision!r} is none of {', '.join(get_args(Decision))}.")
    if item.decision == "accept" and item.suggested is None:
        raise DataError(f"{where}: there is no suggestion to accept. Change the label, or keep it.")
    if (item.decision == "change") != (item.new_label is not None):
        raise DataError(f"{where}: the decision 'change' and a `new_label` belong together; one of them is missing.")
    if item.is_decided and item.decision != "drop":
        _check_label(item.outcome, header, where)


def _check_label(label: StoredLabel | None, header: Header, where: str) -> None:
    """Raise `DataError` unless the label is one that the task can have."""
    problem = _PROBLEMS[header.task](label, header)
    if problem:
        raise DataError(f"{where}: {problem}.")


def _single_problem(label: Any, header: Header) -> str:  # noqa: ANN401 (whatever JSON holds)
    if not isinstance(label, str):
        return f"label {label!r} is no name"
    return "" if label in header.labels else _not_among(label, header.labels)


def _multi_problem(label: Any, header: Header) -> str:  # noqa: ANN401 (whatever JSON holds)
    if not isinstance(label, list) or not label:
        return f"label {label!r} is no list of names"
    return next((problem for name in label if (problem := _single_problem(name, header))), "")


def _signals_problem(label: Any, header: Header) -> str:  # noqa: ANN401 (whatever JSON holds)
    if not isinstance(label, list) or not all(isinstance(entry, dict) for entry in label):
        return f"label {label!r} is no list of signals"
    seen: list[object] = []
    for entry in label:
        category, score, tag = entry.get("category"), entry.get("score"), entry.get("tag") or ""
        if not isinstance(category, str) or category not in header.categories:
            return _not_among(category, header.labels)
        if category in seen:
            return f"category {category!r} is listed twice"
        if not _is_number(score) or not -1 <= score <= 1:
            return f"score {score!r} of {category!r} is not a number from -1 to 1"
        if tag and tag not in header.categories[category]:
            return _not_among(tag, header.categories[category])
        seen.append(category)
    return ""


_PROBLEMS = {"single": _single_problem, "multi": _multi_problem, "signals": _signals_problem}


def _not_among(name: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"{name!r} is none of {', '.join(known[:30])}" + (f"; did you mean {near[0]!r}?" if near else "")
