"""A text as it was sent: its words, and which of them each character that the model reads comes from.

Normalisation changes white space, entities, escapes and tags, so that a place in what is read is another one in what
was sent. The two are laid beside each other without their white space; where they differ, the next common characters
are looked for. That is a guess near the differences, and exact elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from copydesk.errors import UsageError
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.phrases import UNSPACED

_WORD = re.compile(f"[{UNSPACED}][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*|[^\\s{UNSPACED}]+")
"""What stands between white space; in scripts without spaces each character, with the marks that stand on it."""
_SAME = ((6, 1_000), (3, 40), (1, 12))
"""So many characters must be alike again after a difference, and up to so many be missing before; tried in turn."""
_MOST_REPLACED = 3
"""So many characters may stand instead of others at one place."""
_AHEAD = 1_010

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Word:
    """Characters `start` to `end` (exclusive) of a column; the column of a text that has no columns is ""."""

    start: int
    end: int
    column: str = ""


class SentText:
    """One text in its columns. `columns` are the texts by name, in the order in which the model reads them."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self.columns = list(columns)

    @classmethod
    def of(cls, text: str | Sequence[str] | Mapping[str, str], names: Sequence[str]) -> SentText:
        """Return a text as a classifier takes it; `names` are the columns that it reads. Raises `UsageError`."""
        if isinstance(text, str):
            return cls([("", text)])
        if isinstance(text, Mapping):
            return cls([(name, text[name]) for name in names])
        if len(text) != len(names):
            raise UsageError(f"The text has {len(text)} columns; the model reads {len(names)}: {', '.join(names)}.")
        return cls(list(zip(names, text, strict=True)))

    @cached_property
    def words(self) -> list[Word]:
        """Every column's words, in order."""
        return [Word(*match.span(), name) for name, text in self.columns for match in _WORD.finditer(text)]

    def without(self, first: int, last: int) -> str | list[str]:
        """Return the text without its words `first` to `last` (inclusive), which stand in one column."""
        start, column = self.words[first].start, self.words[first].column
        after = self.words[last + 1] if last + 1 < len(self.words) else None
        stop = after.start if after and after.column == column else None
        texts = [
            text if name != column else (text[:start].rstrip() if stop is None else text[:start] + text[stop:])
            for name, text in self.columns
        ]
        return texts if self.columns[0][0] else texts[0]

    def word_of(self, read: str) -> Places:
        """Return for each character of the text as it is read the number of the word it comes from, -1 for a space."""
        parts = read.split(COLUMN_SEPARATOR) if len(self.columns) > 1 else [read]
        numbers: list[Places] = []
        done = 0
        for (name, text), part in zip(self.columns, parts, strict=True):
            words = [word for word in self.words if word.column == name]
            starts = np.array([word.start for word in words], np.int64)
            places = aligned(text, part)
            found = np.searchsorted(starts, places, side="right") - 1 + done
            numbers += [np.where((places < 0) | (not words), -1, np.maximum(found, done)), np.array([-1])]
            done += len(words)
        return np.concatenate(numbers[:-1])


def aligned(sent: str, read: str) -> Places:
    """Return for each character of `read` the place in `sent` that it comes from; -1 for white space."""
    shown, wanted = _unspaced(sent), _unspaced(read)
    places = np.full(len(read), -1, np.int64)
    if len(shown) and len(wanted):
        one, other = "".join(sent.split()), "".join(read.split())
        places[wanted] = shown[np.arange(len(one)) if one == other else _walked(one, other)]
    return places


def _unspaced(text: str) -> Places:
    return np.flatnonzero(~np.fromiter(map(str.isspace, text), np.bool_, len(text)))


def _walked(sent: str, read: str) -> Places:
    """Return for each character of `read` its place in `sent`, in ascending order."""
    places = np.empty(len(read), np.int64)
    alike = len(os.path.commonprefix([sent[::-1], read[::-1]]))
    stop, end = len(sent) - alike, len(read) - alike
    places[end:] = np.arange(stop, len(sent))
    place = at = 0
    while at < end:
        if place < stop and sent[place] == read[at]:
            places[at] = place
            place, at = place + 1, at + 1
            continue
        replaced, dropped = _difference(sent[place : min(stop, place + _AHEAD)], read[at : min(end, at + _AHEAD)])
        places[at : at + replaced] = min(place, len(sent) - 1)
        place, at = min(place + dropped, stop), at + replaced
    return places


def _difference(sent: str, read: str) -> tuple[int, int]:
    """Return how many characters at the beginning of `read` stand for how many of `sent`: as few as possible."""
    for same, most in _SAME:
        found = []
        for replaced in range(min(_MOST_REPLACED, len(read) - same) + 1):
            there = sent.find(read[replaced : replaced + same], 0, most + same)
            if there >= 0:
                found.append((replaced + there, replaced, there))
        if found:
            return min(found)[1:]
    return 1, 1
