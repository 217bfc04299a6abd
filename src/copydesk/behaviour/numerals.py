"""Changes of numbers: another number, or the same in words; only where a number is a mere count.

A number that carries meaning stays: ratings ("0 stars"), dates and years, scores (3-1), shares, times, "9/11", numbers
that are part of a name ("50 Cent", "Boeing 747").
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
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
    is_count = _counts(words, where)
    meanings = set(words.known("number_meanings", where))

    def apply(text: str, chance: random.Random) -> str | None:
        found = _first_count(text, is_count)
        if found is None:
            return None
        other = _other(int(found[0]), meanings, chance)
        return None if other is None else text[: found.start()] + str(other) + text[found.end() :]

    return Change("numbers", apply)


def spell_number(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write a count from 2 to 99 in words."""
    no_argument(argument, where)
    is_count = _counts(words, where)
    numerals, tens = words.known("numerals", where), words.known("tens", where)
    joint = "-" if words.language == "en" else ""

    def apply(text: str, chance: random.Random) -> str | None:
        found = _first_count(text, is_count)
        if found is None or int(found[0]) not in _SPELT:
            return None
        spelt = _spelt(int(found[0]), numerals, tens, joint)
        capital = found.start() == 0 or is_title_case(text)
        return text[: found.start()] + in_the_case_of(spelt, "A" if capital else "a") + text[found.end() :]

    return Change("spell_number", apply)


def _first_count(text: str, is_count: Callable[[str, re.Match[str]], bool]) -> re.Match[str] | None:
    return next((match for match in _COUNT.finditer(text) if is_count(text, match)), None)


def _counts(words: Words, where: str) -> Callable[[str, re.Match[str]], bool]:
    """Return what tells whether a number in a text is a mere count."""
    after, before = set(words.known("number_after", where)), set(words.known("number_before", where))
    names, meanings = list(words.known("number_names", where)), set(words.known("number_meanings", where))

    def is_count(text: str, match: re.Match[str]) -> bool:
        value, folded = int(match[0]), text.casefold()
        if (
            value < 2
            or value in _YEARS
            or value in meanings
            or match[0][0] == "0"
            or any(name in folded for name in names)
        ):
            return False
        ahead, behind = text[match.end() :].lstrip(), text[: match.start()].split()
        following, preceding = WORD.match(ahead), behind[-1] if behind else ""
        if following is None or following[0].casefold() in after:
            return False
        if not preceding:
            return True
        plain = preceding.strip('"“(,;').casefold()
        return plain.isalpha() and plain not in before and not preceding[0].isupper() and preceding[-1].isalpha()

    return is_count


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
