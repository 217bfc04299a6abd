"""Changes of how a text is written: typing mistakes, case, punctuation."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from copydesk.behaviour.change import WORD, Change, is_title_case, no_argument
from copydesk.behaviour.words import Words, known_words
from copydesk.errors import RecipeError

_TYPED = re.compile(r"(?<![^\s(\"“‘'])[^\W\d_]{6,}(?=[\s.,;:!?)\"”’']|$)(?!['’]\w)")
"""A whole word of six letters or more; no part of an address, a name of a user, a hyphenated or shortened word."""
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "HANGUL", "LAO", "KHMER", "MYANMAR", "ARABIC", "HEBREW")
_OWN_CASING = ("tr", "az", "lt")
_ABBREVIATED = re.compile(
    r"(?:\b\w|\.\w|\b(?:etc|inc|ltd|co|corp|jr|sr|mr|mrs|dr|st|vs|no|al|bros|mt|ft))\.$", re.IGNORECASE
)


def typo(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (whatever YAML holds)
    """Swap two neighbouring letters, or double one, inside one longer word.

    Never in a negation, a protected word, a name (a capital, but in headlines) or a number, nor so that another word
    comes out.
    """
    no_argument(argument, where)
    if not words.negations:
        raise RecipeError(
            f"{where}: no negation words are known for language {words.language!r}; a mistake in one would change the "
            "meaning. List them in `negations`."
        )
    avoided = frozenset(_other_words(words))

    def apply(text: str, chance: random.Random) -> str | None:
        titled = is_title_case(text)
        places = [match for match in _TYPED.finditer(text) if _may_be_mistyped(match[0], titled, words)]
        for match in chance.sample(places, len(places)):
            mistyped = _mistyped(match[0], chance)
            if mistyped.casefold() not in avoided:
                return text[: match.start()] + mistyped + text[match.end() :]
        return None

    return Change("typo", apply)


def _other_words(words: Words) -> list[str]:
    return [*known_words(words.language, "other_words"), *words.protected, *words.negations]


def _may_be_mistyped(word: str, titled: bool, words: Words) -> bool:
    folded = word.casefold()
    if folded in words.protected or folded in words.negations or (word[0].isupper() and not titled) or word.isupper():
        return False
    return not unicodedata.name(word[0], "").startswith(_WITHOUT_SPACES)


def _mistyped(word: str, chance: random.Random) -> str:
    """Return the word with two inner letters swapped that differ, or else with an inner letter doubled."""
    swaps = [place for place in range(1, len(word) - 2) if word[place].casefold() != word[place + 1].casefold()]
    if swaps and chance.random() < 0.7:
        place = chance.choice(swaps)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    place = chance.randrange(1, len(word) - 1)
    return word[:place] + word[place] + word[place:]


def lower_case(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write all in lower case, unless case tells a word from another: US, us."""
    no_argument(argument, where)
    return _cased("lower_case", str.lower, words, "case_tells", where)


def upper_case(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write all in capitals, unless these make another word of one: us, US. Addresses and names of users stay."""
    no_argument(argument, where)
    return _cased("upper_case", str.upper, words, "capitals_tell", where)


def _cased(name: str, write: Callable[[str], str], words: Words, kind: str, where: str) -> Change:
    """Return the change of a whole text's case; none of a text with a word of the kind that its case tells apart."""
    _require_plain_casing(words, where)
    telling = set(words.known(kind, where))

    def apply(text: str, chance: random.Random) -> str | None:
        return None if telling.intersection(WORD.findall(text)) else _plain(write(text), text)

    return Change(name, apply, "all")


def title_case(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Write Every Word With A Capital, as in headlines; what is written in capitals stays."""
    no_argument(argument, where)
    _require_plain_casing(words, where)

    def apply(text: str, chance: random.Random) -> str | None:
        return _plain(WORD.sub(lambda match: match[0][0].upper() + match[0][1:], text), text)

    return Change("title_case", apply, "all")


def _require_plain_casing(words: Words, where: str) -> None:
    if words.language in _OWN_CASING:
        raise RecipeError(f"{where}: language {words.language!r} has letters whose case is its own (i, İ).")


_LINKS = re.compile(r"(?:https?://|www\.|@|#)\S+")


def _plain(changed: str, text: str) -> str:
    """Return the changed text with addresses, users and hashtags as they were."""
    if len(changed) != len(text):  # ß, SS: places cannot be compared
        return changed if not _LINKS.search(text) else text
    for match in _LINKS.finditer(text):
        changed = changed[: match.start()] + match[0] + changed[match.end() :]
    return changed


def full_stop(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Put a full stop at the end, or take it away; questions, exclamations, dots (…) and abbreviations stay."""
    no_argument(argument, where)

    def apply(text: str, chance: random.Random) -> str | None:
        if text.endswith(".") and not text.endswith("..") and not _ABBREVIATED.search(text):
            return text[:-1]
        last = WORD.search(text.rsplit(None, 1)[-1])
        plain = last is not None and text[-1].isalnum() and not _LINKS.match(text.rsplit(None, 1)[-1])
        return text + "." if plain and text[-1].isascii() else None

    return Change("full_stop", apply, "last")


_CURLY = {"'": "’", '"': "”"}


def quotes(argument: Any, words: Words, where: str) -> Change:  # noqa: ANN401 (the same)
    """Make straight quotation marks and apostrophes curly, or curly ones straight."""
    no_argument(argument, where)

    def apply(text: str, chance: random.Random) -> str | None:
        if any(mark in text for mark in "’‘“”"):
            return text.translate(str.maketrans("’‘“”", "''\"\""))
        opened = re.sub(r"(?<!\S)\"(?=\w)", "“", text)
        return "".join(_CURLY.get(character, character) for character in opened)

    return Change("quotes", apply, "all")
