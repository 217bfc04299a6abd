"""Words and phrases found in texts, each with whether a negation word turns it.

A negation word turns what stands up to some words after it ("not a good film"); in Japanese, what stands before it. In
scripts without spaces characters are counted. It knows no grammar: not where a sentence ends, nor double negation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import yaml

from copydesk.phrases import Found, Phrases

NEGATIONS_FILE = Path(__file__).with_name("negations.yaml")
T = TypeVar("T")


@dataclass(frozen=True)
class Negations:
    """A language's words that negate what follows them, and those that negate what stands before them."""

    before: Sequence[str] = ()
    after: Sequence[str] = ()


@dataclass(frozen=True)
class Spoken(Generic[T]):
    """What a phrase means, its language, and how many words a negation word of that language reaches."""

    meaning: T
    language: str = ""
    window: int = 0


class _Negation(NamedTuple):
    language: str
    behind: bool


class Mentions(Generic[T]):
    """Phrases, found in one pass together with the negation words of their languages."""

    def __init__(self, phrases: Iterable[tuple[str, Spoken[T]]], negations: Mapping[str, Negations]) -> None:
        """`negations` are by language; a language that has none is never negated."""
        meanings: list[tuple[str, Spoken[T] | _Negation]] = list(phrases)
        needed = {said.language for _, said in meanings if isinstance(said, Spoken) and said.window}
        for language in sorted(needed & negations.keys()):
            meanings += [(word, _Negation(language, behind=False)) for word in negations[language].before]
            meanings += [(word, _Negation(language, behind=True)) for word in negations[language].after]
        self._phrases = Phrases(meanings)
        self._negates = any(isinstance(meaning, _Negation) for _, meaning in meanings)

    def found(self, text: str) -> Iterator[tuple[T, bool]]:
        """Yield what each mentioned phrase means, and whether it is negated there."""
        found = list(self._phrases.found(text))
        negations = [(one, one.meaning) for one in found if isinstance(one.meaning, _Negation)] if self._negates else []
        for one in found:
            said = one.meaning
            if isinstance(said, Spoken):
                yield (
                    said.meaning,
                    any(
                        word.language == said.language and _between(negation, one, word.behind) in range(said.window)
                        for negation, word in negations
                    ),
                )


def _between(negation: Found[Any], phrase: Found[Any], behind: bool) -> int:
    """Return how many words stand between; -1 if the phrase is not on the side that the negation word turns."""
    if negation.characters != phrase.characters:
        return -1
    return negation.start - phrase.stop if behind else phrase.start - negation.stop


@cache
def known_negations() -> dict[str, Negations]:
    """Return the negation words that come with Copydesk, by language."""
    return {
        language: Negations(before=words) if isinstance(words, list) else Negations(**words)
        for language, words in yaml.safe_load(NEGATIONS_FILE.read_text("utf-8")).items()
    }
