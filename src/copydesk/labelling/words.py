"""Labelling functions that look for words and phrases; a negation word near one can turn it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from copydesk.labelling.negation import Mentions, Negations, Spoken
from copydesk.labelling.voters import Batch, Faults, Vote


class Word(NamedTuple):
    """A word or phrase of a language; for `signals` with a score and a tag."""

    phrase: str
    language: str = ""
    score: float | None = None
    tag: str = ""


@dataclass(frozen=True)
class WordFunction:
    """Words that speak for a label (or, unless `yes`, against it).

    One that is negated, up to `window` words from a negation word of its language, speaks for the label `negated`
    instead, for the opposite (False), or not at all (None).
    """

    name: str
    label: str
    words: Sequence[Word]
    yes: bool = True
    window: int = 0
    negated: str | Literal[False] | None = None


class WordVoter:
    """Functions whose words are looked for in one pass; of one function's words in a text the strongest decides."""

    def __init__(
        self, functions: Sequence[WordFunction], negations: Mapping[str, Negations], column: str | None = None
    ) -> None:
        """`negations` are by language; `column` is looked at instead of the text."""
        self._functions, self._column = functions, column
        self._mentions = Mentions(
            (
                (word.phrase, Spoken((number, word), word.language, function.window))
                for number, function in enumerate(functions)
                for word in function.words
            ),
            negations,
        )
        self.names = [function.name for function in functions]
        self.columns = set() if column is None else {column}
        self.faults: dict[str, Faults] = {}

    def votes(self, batch: Batch) -> Iterator[Vote]:
        """Yield the functions' votes."""
        for place, text in enumerate(batch.searched(self._column)):
            said: dict[int, list[Word]] = {}
            negated: set[int] = set()
            for (number, word), is_negated in self._mentions.found(text):
                if is_negated:
                    negated.add(number)
                else:
                    said.setdefault(number, []).append(word)
            for number, words in said.items():
                function = self._functions[number]
                yield Vote(place, function.name, function.label, function.yes, *_strongest(words))
            for number in sorted(negated - said.keys()):
                function = self._functions[number]
                if isinstance(function.negated, str):
                    yield Vote(place, function.name, function.negated, function.yes)
                elif function.negated is False:
                    yield Vote(place, function.name, function.label, not function.yes)


def _strongest(words: Sequence[Word]) -> tuple[float | None, str]:
    """Return the score of the strongest word, and the tag of the strongest that has one."""
    tagged = max((word for word in words if word.tag), key=_strength, default=None)
    return max(words, key=_strength).score, tagged.tag if tagged else ""


def _strength(word: Word) -> float:
    return abs(word.score or 0.0)
