"""What the data code must know of a task's labels, and the kinds `single` and `multi`.

How files hold labels, how a Dataset stores them, what makes them usable. Readers are pure: what people should be told
comes back as lines.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import polars as pl

from copydesk.errors import DataError
from copydesk.recipe import Recipe
from copydesk.types import Label

L = TypeVar("L")
Where = Callable[[int], str]
"""Names the place of a row, `file:row`, by its number from 0."""
Trust = Literal["given", "weak", "soft"]
"""Where a label comes from: people; labelling functions; these, with probabilities that training goes by."""
Relation = Literal["exclusive", "independent", "scored"]
"""Of all names one is true of a text; or each is or is not; or each has a score."""

BATCH_ROWS = 10_000
"""How many rows' labels are Python values at a time, besides those that are kept."""
_SEPARATORS = ("|", ";", ",")
_PYTHON_LIST = re.compile(r"""\[\s*(?:(?:'[^'\\]*'|"[^"\\]*")\s*(?:,\s*(?!\])|(?=\])))*\]""")
"""What `str(["a", "b"])` writes; without a comma between two strings it is numpy's, and refused."""


@dataclass(frozen=True)
class ReadLabels:
    """A label per row (None: there is none), lines to say and lines to warn; `separator` is what parted names.

    `trust` tells where each row's label comes from; `probabilities`, with the columns row, label and probability, how
    probable the labels of soft ones are.
    """

    values: list[Label | None]
    said: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    separator: str | None = None
    trust: list[Trust] = field(default_factory=list)
    probabilities: pl.DataFrame | None = None


class LabelKind(Protocol[L]):
    """What the data code must know of one task's labels; `L` is the type of one text's label."""

    column: str
    """The Dataset's column."""
    dtype: pl.DataType
    partial: bool
    """Whether a text's label still says something after one of its names was taken out."""
    relation: Relation

    def read(self, column: pl.Series, recipe: Recipe, where: Where, known: Container[str]) -> ReadLabels:
        """Read a raw column; `known` are a finished model's labels. Raises `DataError` naming the row."""
        ...

    def stored(self, label: L) -> Any:  # noqa: ANN401 (whatever the column holds)
        """Return the value that the Dataset's column holds."""
        ...

    def restored(self, cell: Any) -> L:  # noqa: ANN401 (whatever the column holds)
        """Return the label that `stored` turned into this value."""
        ...

    def present(self, label: L) -> tuple[str, ...]:
        """Return the names that are true of the text: what is counted and stratified."""
        ...

    def known(self, label: L) -> tuple[str, ...]:
        """Return the names of which the label says anything, that they are absent included."""
        ...

    def without(self, label: L, names: Container[str]) -> L | None:
        """Return the label without these names; None if nothing is left."""
        ...

    def renamed(self, label: L, names: Mapping[str, str]) -> L:
        """Return the label with these names replaced."""
        ...

    def merged(self, labels: Sequence[L]) -> L | None:
        """Return the one label that several labels of one text make together; None if they contradict each other."""
        ...

    def shown(self, label: L) -> str:
        """Return the label in words."""
        ...

    def concerns(self, labels: Sequence[L], recipe: Recipe) -> list[str]:
        """Return a line for everything people should know. Raises `DataError` if no model can be trained."""
        ...


class SingleLabels:
    """One name per text."""

    column = "label"
    dtype: pl.DataType = pl.String()
    partial = False
    relation: Relation = "exclusive"

    def read(self, column: pl.Series, recipe: Recipe, where: Where, known: Container[str]) -> ReadLabels:
        """Read integers as they are written and whole floats without `.0`; missing or blank is None."""
        if column.dtype.is_nested():
            raise DataError(
                f"Column {column.name!r} holds {column.dtype}; task 'single' needs one label per row. "
                "For several labels per row set `task: multi`."
            )
        return ReadLabels([sys.intern(name_of(value)) or None for value in cells_of(column)])

    def stored(self, label: str) -> str:
        """Return the name itself."""
        return label

    def restored(self, cell: str) -> str:
        """Return the name itself."""
        return cell

    def present(self, label: str) -> tuple[str, ...]:
        """Return the one name."""
        return (label,)

    known = present

    def without(self, label: str, names: Container[str]) -> str | None:
        """Return the name, or None if it is one of those."""
        return None if label in names else label

    def renamed(self, label: str, names: Mapping[str, str]) -> str:
        """Return what the name became."""
        return names.get(label, label)

    def merged(self, labels: Sequence[str]) -> str | None:
        """Return None: a text has one label, so two contradict each other."""
        return labels[0] if len(set(labels)) == 1 else None

    def shown(self, label: str) -> str:
        """Return the name itself."""
        return label

    def concerns(self, labels: Sequence[str], recipe: Recipe) -> list[str]:
        """Raise `DataError` unless there are two labels or more, each with two rows or more."""
        counts = Counter(labels)
        _require_two(counts, len(labels))
        few = sorted(label for label, count in counts.items() if count < 2)
        if few:
            raise DataError(
                f"{len(few)} of {len(counts)} labels in column {recipe.label!r} have fewer than 2 rows left: "
                f"{listed(few)}. Add rows, or merge or remove these labels."
            )
        return []


class MultiLabels:
    """A set of names per text, as a sorted tuple."""

    column = "labels"
    dtype: pl.DataType = pl.List(pl.String())
    partial = True
    relation: Relation = "independent"

    def read(self, column: pl.Series, recipe: Recipe, where: Where, known: Container[str]) -> ReadLabels:
        """Read lists, JSON lists (a text that begins with `[`), and names that a separator parts.

        `separator: auto` takes the first of `|`, `;`, `,` that occurs in any row, else white space. Where the recipe
        sets one, texts are no lists. A value that is one of a finished model's labels is not parted.
        """
        cells = column.to_list()
        auto = recipe.separator == "auto"
        lists = auto or bool(known)  # a finished model's separator may be what `auto` found in other rows
        plain = [cell for cell in cells if isinstance(cell, str) and not (lists and cell.lstrip().startswith("["))]
        separator = _separator([text for text in plain if text.strip() not in known]) if auto else recipe.separator
        values: list[Label | None] = []
        for place, cell in enumerate(cells):
            try:
                names = _names_in(cell, separator, lists, known)
            except ValueError as problem:
                raise DataError(f"{where(place)}: column {column.name!r} {problem}") from None
            values.append(tuple(sorted({sys.intern(name) for name in names if name})) or None)
        said = [f"labels are parted by {_SPOKEN.get(separator, repr(separator))}"] if plain and auto else []
        return ReadLabels(values, said, separator=separator if plain else None)

    def stored(self, label: tuple[str, ...]) -> list[str]:
        """Return the names as a list."""
        return list(label)

    def restored(self, cell: Sequence[str]) -> tuple[str, ...]:
        """Return the names as a tuple."""
        return tuple(cell)

    def present(self, label: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names."""
        return label

    known = present

    def without(self, label: tuple[str, ...], names: Container[str]) -> tuple[str, ...] | None:
        """Return the other names, or None if there are none."""
        return tuple(name for name in label if name not in names) or None

    def renamed(self, label: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
        """Return what the names became; two that became one count once."""
        return tuple(sorted({names.get(name, name) for name in label}))

    def merged(self, labels: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
        """Return the union: who gave a text fewer labels did not say that the others are wrong."""
        return tuple(sorted({name for label in labels for name in label}))

    def shown(self, label: tuple[str, ...]) -> str:
        """Return the names with plus signs."""
        return " + ".join(label)

    def concerns(self, labels: Sequence[tuple[str, ...]], recipe: Recipe) -> list[str]:
        """Name the labels that stand on every row. Raises `DataError` unless there are two labels or more."""
        counts = Counter(name for label in labels for name in label)
        _require_two(counts, len(labels))
        everywhere = sorted(name for name, count in counts.items() if count == len(labels))
        return [
            f"Every row has the label {name!r}: a model learns nothing from it and will give it to every text. "
            "Remove it, unless that is what you want."
            for name in everywhere
        ]


_SPOKEN = {" ": "white space", "": "nothing: each value is one of the model's labels"}


def where_in(frame: pl.DataFrame) -> Where:
    """Return what names the place of a raw table's row."""
    sources, rows = frame["_source"], frame["_row"]
    return lambda place: f"{sources[place]}:{rows[place]}"


def cells_of(column: pl.Series) -> Iterator[Any]:
    """Yield the values as Python's, made a batch at a time: a million lists of signals take gigabytes."""
    for batch in column.to_frame().iter_slices(BATCH_ROWS):
        yield from batch.to_series().to_list()


def name_of(value: object) -> str:
    """Return a label as it is written: whole floats without `.0`; missing or NaN is empty."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def counted(count: int, one: str, several: str) -> str:
    """Return a number with what it counts, as people write it: `1 row`, `1,200 rows`."""
    return f"{count:,} {one if count == 1 else several}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, quoted."""
    return ", ".join(repr(name) for name in names[:most]) + (" …" if len(names) > most else "")


def _require_two(counts: Counter[str], rows: int) -> None:
    if len(counts) == 1:
        raise DataError(f"All {rows:,} rows have the label {next(iter(counts))!r}; at least two labels are needed.")


def _separator(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    return next((sign for sign in _SEPARATORS if any(sign in text for text in texts)), " ")


def _names_in(cell: object, separator: str, lists: bool, known: Container[str]) -> list[str]:
    """Return one cell's names, empty ones included. Raises `ValueError` if it holds something else."""
    if isinstance(cell, str):
        parts = [] if cell.strip() in known else _parted(cell, separator)
        if all(part in known for part in parts):
            return parts or [cell.strip()]
        if not (lists and cell.lstrip().startswith("[")):
            return parts
        cell = _parsed_list(cell.strip())
    if isinstance(cell, list):
        if any(isinstance(item, list | dict) for item in cell):
            raise ValueError(f"has {_brief(cell)}; task 'multi' needs a list of names.")
        return [name_of(item) for item in cell]
    if isinstance(cell, dict):
        raise ValueError(f"has {_brief(cell)}; task 'multi' needs a list of names, or names with a separator.")
    return [name_of(cell)]


def _parted(text: str, separator: str) -> list[str]:
    if not separator:
        return [text.strip()]
    return [part.strip() for part in (text.split(separator) if separator.strip() else text.split())]


def _parsed_list(text: str) -> Any:  # noqa: ANN401 (any JSON value)
    if _PYTHON_LIST.fullmatch(text):
        return [found[1:-1] for found in re.findall(r"'[^']*'|\"[^\"]*\"", text)]
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda constant: None)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(
            f'has {_brief(text)}, which is no list such as ["a", "b"]. Write it as JSON, or part the names by a '
            "separator."
        ) from None


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
