"""What changes know of a language and of a suite: its lists, negations, and words that no change may touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from copydesk.behaviour.chance import is_taught
from copydesk.errors import RecipeError

WORDS_FILE = Path(__file__).with_name("words.yaml")
_DIVIDED_FROM = 4
"""Shorter lists are not divided into words that are asked about and words that are taught."""


@dataclass(frozen=True)
class Words:
    """A suite's words. With `taught`, lists give the words for teaching; else those that are asked about."""

    language: str = "en"
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    taught: bool = False

    def named(self, entries: Any, where: str) -> list[str]:  # noqa: ANN401 (whatever YAML holds)
        """Return words, with the words of a list for its name. Raises `RecipeError` if these are not words."""
        entries = entries if isinstance(entries, list) else [entries]
        words = [word for entry in entries for word in self.lists.get(str(entry), [str(entry)])]
        if not words or not all(isinstance(entry, str | int | float) and str(entry).strip() for entry in entries):
            raise RecipeError(f"{where}: {entries!r} are no words, nor names of lists.")
        return words

    def own(self, values: Sequence[str]) -> list[str]:
        """Return the values of this side: those that are taught, or those that are asked about."""
        return divided(values, taught=self.taught)

    def known(self, what: str, where: str) -> Any:  # noqa: ANN401 (lists or mappings, by what it is)
        """Return what is known of the language. Raises `RecipeError` naming the languages of which it is known."""
        found = _by_language().get(self.language, {}).get(what)
        if found is None:
            languages = sorted(language for language, known in _by_language().items() if what in known)
            raise RecipeError(f"{where} knows {', '.join(languages)}; the suite's language is {self.language!r}.")
        return found


def divided(values: Sequence[str], *, taught: bool) -> list[str]:
    """Return the values for teaching, or those to ask about; where one side would be empty all are asked about.

    Short lists are for both.
    """
    if len(values) < _DIVIDED_FROM:
        return list(values)
    if not is_divided(values):
        return [] if taught else list(values)
    return [value for value in values if is_taught(value) == taught]


def is_divided(values: Sequence[str]) -> bool:
    """Tell whether a list is long enough, and has words on both sides."""
    return len(values) >= _DIVIDED_FROM and len({is_taught(value) for value in values}) == 2


@cache
def _by_language() -> dict[str, Any]:
    return dict(yaml.safe_load(WORDS_FILE.read_text("utf-8")))


def known_words(language: str, what: str) -> list[str]:
    """Return what is known of a language, or nothing."""
    return list(_by_language().get(language, {}).get(what, []))
