"""Changes of numbers: another number, or the same in words; only where a number is a mere count.

A number that carries meaning stays: ratings ("0 stars"), dates and years, scores (3-1), shares, times, "9/11", numbers
that are part of a name ("50 Cent", "Boeing 747").
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from copydesk.behaviour.change import WORD, Change, in_the_case_of, is_title_case, no_argument
from copydesk.behaviour.words import Words

_COUNT = re.compile(r"(?<![\w.,:/#$£€¥+°'’–—-])(?<![$£€¥] )\d{1,4}(?![\w%°/:+*'’–—-]|[.,:]\d|\s?[%$£€¥°x×/+–—-])")
_YEARS = range(1000, 2100)
_SPELT = range(2, 100)
_TRIES = 20


def numbers(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (whatever YAML holds)
    """Put another number of the same length, from half to twice as much, for one that is a count."""
    no_argument(argument, where)
    rules = _Counts.of(words, where)
    meanings = set(words.known("number_meanings", where))

    def apply(text: str, chance: random.Random) -> str | None:
        found = _first_count(text, rules)
        if found is None:
            return None
        other = _other(int(found[0]), meanings, chance)
        return None if other is None else text[: found.start()] + str(other) + text[found.end() :]

    return Change("numbers", apply)


def spell_number(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write a count from 2 to 99 in words."""
    no_argument(argument, where)
    rules = _Counts.of(words, where)
    numerals, tens = words.known("numerals", where), words.known("tens", where)
    joint = "-" if words.language == "en" else ""

    def apply(text: str, chance: random.Random) -> str | None:
        found = _first_count(text, rules)
        if found is None or int(found[0]) not in _SPELT:
            return None
        spelt = _spelt(int(found[0]), numerals, tens, joint)
        capital = found.start() == 0 or is_title_case(text)
        return text[: found.start()] + in_the_case_of(spelt, "A" if capital else "a") + text[found.end() :]

    return Change("spell_number", apply)


def drop_number(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Leave out a count that begins the text, as of a list of things nobody has counted."""
    no_argument(argument, where)
    rules = _Counts.of(words, where)

    def apply(text: str, chance: random.Random) -> str | None:
        found = _first_count(text, rules)
        if found is None or found.start() > 0:
            return None
        rest = text[found.end() :].lstrip()
        return rest[:1].upper() + rest[1:]

    return Change("drop_number", apply, "first")


def _first_count(text: str, rules: _Counts) -> re.Match[str] | None:
    return next((match for match in _COUNT.finditer(text) if rules.is_count(text, match)), None)


@dataclass(frozen=True)
class _Counts:
    """What tells in a language whether a number is a mere count: the words beside it, and numbers with a meaning."""

    after: frozenset[str]
    before: frozenset[str]
    lead: frozenset[str]
    names: Sequence[str]
    meanings: frozenset[int]
    for_words: frozenset[int]

    @classmethod
    def of(cls, words: Words, where: str) -> _Counts:
        def known(what: str) -> frozenset[Any]:
            return frozenset(words.known(f"number_{what}", where))

        for_words = frozenset(words.known("digits_for_words", where))
        return cls(known("after"), known("before"), known("lead"), sorted(known("names")), known("meanings"), for_words)

    def is_count(self, text: str, match: re.Match[str]) -> bool:
        """Tell whether the number found in a text is a count of what follows it."""
        value, following = int(match[0]), WORD.match(text[match.end() :].lstrip())
        if value < _SPELT.start or value in _YEARS or value in self.meanings or match[0][0] == "0":
            return False
        if following is None or following[0].casefold() in self.after or self._is_in_a_name(text):
            return False
        behind = text[: match.start()].split()
        return not behind or (value not in self.for_words and self._leads(behind[-1]))

    def _is_in_a_name(self, text: str) -> bool:
        folded = text.casefold()
        return any(name in folded for name in self.names)

    def _leads(self, word: str) -> bool:
        """Tell whether a count may follow a word: no name (Boeing 747), and none that makes more of a number."""
        plain = word.strip('"“(,;').casefold()
        if plain in self.lead:
            return True
        return plain.isalpha() and plain not in self.before and not word[0].isupper() and word[-1].isalpha()


def _other(value: int, meanings: set[int], chance: random.Random) -> int | None:
    digits = len(str(value))
    least, most = max(2, value // 2, 10 ** (digits - 1)), min(2 * value, 10**digits - 1)
    for _ in range(_TRIES):
        other = chance.randint(least, most)
        if other != value and other not in meanings and other not in _YEARS:
            return other
    return None


def _spelt(value: int, numerals: list[str], tens: list[str], joint: str) -> str:
    if value < len(numerals):
        return numerals[value]
    ten, one = tens[value // 10 - 2], value % 10
    return f"{ten}{joint}{numerals[one]}" if one else ten
