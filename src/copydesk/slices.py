"""Slices: parts of the test texts that a rule picks out, and how a model does on each.

A slice is a name and a mask over the texts, made without any model, so that two models can be compared on the same
ones. Slices of one kind (length, language, source) part the texts; rules may overlap. A slice of few texts says nothing
and is left out, as is one that holds nearly all. What rules there are, `labelling/slice_rules.py` knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from copydesk.languages import UNSURE, languages_of
from copydesk.metrics.base import Flags, proportion_interval
from copydesk.types import Slice

LEAST_TEXTS = 30
"""A slice of fewer texts is not judged: of 30 flawless answers the interval still begins at 0.89."""
_MOST_LENGTHS = 4
_MOST_SOURCES = 20

Rules = Callable[[Sequence[str]], Mapping[str, Flags]]
"""One rule, or several that are asked together: by name, which of the texts each picks out."""


@dataclass(frozen=True)
class TextSlice:
    """A part of some texts: `inside` tells of each whether it belongs to it."""

    name: str
    inside: Flags

    @property
    def texts(self) -> int:
        """How many texts it holds."""
        return int(self.inside.sum())


def slices_of(
    texts: Sequence[str],
    *,
    sources: Sequence[str] = (),
    rules: Sequence[Rules] = (),
    least: int = LEAST_TEXTS,
) -> list[TextSlice]:
    """Return the slices by length, language, source, and rule that hold, and leave out, at least so many texts.

    `sources` says where each text comes from, if that is known. Raises `MissingExtra`.
    """
    found = [
        *by_length(texts, least=least),
        *_by_value("language", [code if code != UNSURE else "unknown" for code in languages_of(texts)]),
        *_by_value("source", sources),
        *(TextSlice(f"rule: {name}", inside) for asked in rules for name, inside in asked(texts).items()),
    ]
    return [part for part in found if least <= part.texts <= len(texts) - least]


def by_length(texts: Sequence[str], *, least: int = LEAST_TEXTS) -> list[TextSlice]:
    """Return the quarters of the texts by number of words, the shortest first; of few texts the thirds or halves."""
    lengths = np.fromiter((len(text.split()) for text in texts), np.int64, len(texts))
    parts = min(_MOST_LENGTHS, len(texts) // least)
    if parts < 2:
        return []
    borders = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1), method="nearest"))
    slices: list[TextSlice] = []
    for low, high in zip(borders[:-1], borders[1:], strict=True):
        first = low if not slices else low + 1
        name = f"{first}–{high} words" if first < high else f"{high} words"
        slices.append(TextSlice(name, (lengths >= first) & (lengths <= high)))
    return slices


def _by_value(kind: str, values: Sequence[str]) -> Iterator[TextSlice]:
    column = np.array(values, np.object_)
    for value, _ in Counter(values).most_common(_MOST_SOURCES):
        yield TextSlice(f"{kind}: {value}", column == value)


def judged(slices: Sequence[TextSlice], right: Flags) -> list[Slice]:
    """Return the share of wholly right answers in each slice, with its 95 % Wilson interval."""
    return [_judged(part.name, right[part.inside]) for part in slices]


def _judged(name: str, right: Flags) -> Slice:
    hits = int(right.sum())
    return Slice(name, len(right), hits / max(len(right), 1), proportion_interval(hits, len(right)))
