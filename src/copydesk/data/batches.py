"""Rows taken together, few enough that they fit into memory however long they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_SLICE = 64


@dataclass(frozen=True)
class Bounds:
    """How large a batch may become: so many rows, or about so many characters, whichever comes first."""

    rows: int
    characters: int = 1 << 26


def bounded(rows: Iterable[T], bounds: Bounds, size: Callable[[list[T]], int]) -> Iterator[list[T]]:
    """Yield the rows in batches; `size` counts the characters of a few rows.

    Rows are weighed 64 at a time: a batch may be larger than its bound by as many.
    """
    taken = iter(rows)
    batch: list[T] = []
    weight = 0
    while some := list(islice(taken, min(_SLICE, bounds.rows - len(batch)))):
        batch += some
        weight += size(some)
        if len(batch) >= bounds.rows or weight >= bounds.characters:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch
