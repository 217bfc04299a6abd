"""Words and phrases found in texts, thousands of them in one pass.

Whole words, whatever their case; words of scripts without spaces (Japanese, Chinese, Thai) are found anywhere, and what
begins or ends with a sign (C++, $) as it is written. A longer phrase hides the shorter ones inside it. It knows no
inflection and no language, and not what a phrase stands for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
_WORD = re.compile(r"\w+")
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""The characters of scripts without spaces, as a class of a regular expression holds them."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Found(NamedTuple, Generic[T]):
    """A phrase in a text: what it stands for, and between which of the text's words it stands (`stop` is exclusive).

    What was found as it is written stands between `characters` instead.
    """

    meaning: T
    start: int
    stop: int
    characters: bool = False


class Phrases(Generic[T]):
    """Phrases, each with something that it stands for; one phrase may stand for several things."""

    def __init__(self, meanings: Iterable[tuple[str, T]]) -> None:
        self._by_words: dict[tuple[str, ...], list[T]] = defaultdict(list)
        self._longest: dict[str, int] = defaultdict(int)
        self._anywhere: dict[str, list[T]] = defaultdict(list)
        for phrase, meaning in meanings:
            written = phrase.casefold().strip()
            if _UNSPACED.search(written) or not (_WORD.match(written[0]) and _WORD.match(written[-1])):
                self._anywhere[written].append(meaning)
            else:
                words = tuple(_WORD.findall(written))
                self._by_words[words].append(meaning)
                self._longest[words[0]] = max(self._longest[words[0]], len(words))
        self._any_of_them = re.compile("|".join(map(re.escape, self._anywhere)))
        self._patterns = [(_as_written(phrase), meanings) for phrase, meanings in self._anywhere.items()]

    def found(self, text: str) -> Iterator[Found[T]]:
        """Yield every place of every phrase; those that are found as they are written come last."""
        folded = text.casefold()
        words = _WORD.findall(folded)
        if not self._longest.keys().isdisjoint(words):
            yield from self._among(words)
        if self._patterns and self._any_of_them.search(folded):
            for pattern, meanings in self._patterns:
                for match in pattern.finditer(folded):
                    yield from (Found(meaning, *match.span(), characters=True) for meaning in meanings)

    def spans(self, text: str) -> Iterator[tuple[T, tuple[int, int]]]:
        """Yield what `found` yields, each with where it starts and stops (exclusive) in the text."""
        folded = text.casefold()
        words = [match.span() for match in _WORD.finditer(folded)]
        origin = list(range(len(text)))
        if len(folded) != len(text):  # a few letters fold to several: ß, ŉ
            origin = [place for place, character in enumerate(text) for _ in character.casefold()]
        for one in self.found(text):
            start, stop = (one.start, one.stop) if one.characters else (words[one.start][0], words[one.stop - 1][1])
            yield one.meaning, (origin[start], origin[stop - 1] + 1)

    def _among(self, words: list[str]) -> Iterator[Found[T]]:
        stop = 0
        for place, word in enumerate(words):  # few begin a phrase; those that do not cost a look-up
            longest = self._longest.get(word)
            if longest is None or place < stop:
                continue
            for length in range(min(longest, len(words) - place), 0, -1):
                meanings = self._by_words.get(tuple(words[place : place + length]))
                if meanings is not None:
                    stop = place + length
                    for meaning in meanings:
                        yield Found(meaning, place, stop)
                    break


def _as_written(phrase: str) -> re.Pattern[str]:
    """Return what finds the phrase, where it begins or ends with a letter of a script with spaces at word borders."""
    spaced = [bool(_WORD.match(sign)) and not _UNSPACED.match(sign) for sign in (phrase[0], phrase[-1])]
    return re.compile((r"(?<!\w)" if spaced[0] else "") + re.escape(phrase) + (r"(?!\w)" if spaced[1] else ""))
