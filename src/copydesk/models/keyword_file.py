"""Files of keywords: words and phrases that speak for a label, by language.

    en:                                     a language; all are searched
      emergencies:                          a category (task `signals`), or a label
        score: -0.7                         the category's impact, where a word has none of its own
        tags: {fire: [wildfire, {blaze: -0.9}]}
        words: [emergency]                  words without a tag; for a label the list may stand here at once

It does not know what is done with the words; `keywords.py` makes a model of them, `labelling/` functions that vote.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copydesk.errors import RecipeError
from copydesk.recipe.strict_yaml import read_yaml

DEFAULT_SCORE = 0.5


@dataclass(frozen=True)
class Entry:
    """A word or phrase and the label it speaks for; for `signals` also with which score, and with which tag."""

    language: str
    label: str
    phrase: str
    score: float = 0.0
    tag: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """What entries may name: labels (None: any) and, for `signals`, each category's tags."""

    task: str
    labels: Sequence[str] | None = None
    tags: Mapping[str, Sequence[str]] | None = None


def read_keywords(path: str | Path, vocabulary: Vocabulary) -> list[Entry]:
    """Read a keyword file. Raises `RecipeError` naming the place that is wrong, or if there are no words."""
    return entries_of(read_yaml(path, "Keyword file"), vocabulary, f"Keyword file '{path}'")


def labels_in(path: str | Path) -> list[str]:
    """Return the labels that a keyword file names, in its order."""
    languages = _languages(read_yaml(path, "Keyword file"), f"Keyword file '{path}'")
    return list(dict.fromkeys(str(label) for groups in languages.values() for label in groups))


def entries_of(value: Any, vocabulary: Vocabulary, where: str) -> list[Entry]:  # noqa: ANN401 (whatever YAML holds)
    """Return the entries of languages with their labels, as a keyword file holds them. Raises `RecipeError`."""
    entries = [
        entry
        for language, groups in _languages(value, where).items()
        for entry in _entries(str(language), groups, vocabulary, f"{where}, {language}")
    ]
    if not entries:
        raise RecipeError(f"{where} holds no words.")
    return entries


def require_known(name: str, known: Sequence[str], where: str) -> None:
    """Raise `RecipeError` with the nearest known name if this is none of them."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{where}: {name!r} is not one of the task's: {', '.join(known[:30])}.{hint}")


def phrases_in(words: Any, where: str) -> Iterator[tuple[str, float | None]]:  # noqa: ANN401 (whatever YAML holds)
    """Yield a list's phrases with their own score, if they have one. Raises `RecipeError`."""
    if not isinstance(words, list):
        raise RecipeError(f"{where}: {words!r} is no list of words.")
    for item in words:
        entries = item.items() if isinstance(item, dict) else [(item, None)]
        for phrase, score in entries:
            if isinstance(phrase, list):
                raise RecipeError(f"{where}: {phrase!r} is a list inside the list of words.")
            if isinstance(phrase, bool) or not str(phrase or "").strip():
                raise RecipeError(f"{where}: a word is empty or {phrase!r}; YAML needs quotes around words like 'no'.")
            yield str(phrase), None if score is None else score_in(score, where)


def score_in(value: Any, where: str, least: float = -1) -> float:  # noqa: ANN401 (whatever YAML holds)
    """Return a score as a number. Raises `RecipeError` if it is none, or not between `least` and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 1:
        raise RecipeError(f"{where}: the score {value!r} is not between {least:g} and 1.")
    return float(value)


def _languages(value: Any, where: str) -> dict[Any, dict[Any, Any]]:  # noqa: ANN401 (whatever YAML holds)
    if not isinstance(value, dict) or not all(isinstance(groups, dict) for groups in value.values()):
        raise RecipeError(f"{where} holds no languages, each with its labels.")
    return value


def _entries(language: str, groups: Mapping[Any, Any], vocabulary: Vocabulary, place: str) -> Iterator[Entry]:
    for name, group in groups.items():
        label, where = str(name), f"{place}.{name}"
        if vocabulary.labels is not None:
            require_known(label, vocabulary.labels, where)
        if isinstance(group, list):
            group = {"words": group}
        if not isinstance(group, dict) or not set(group) <= {"score", "tags", "words"}:
            raise RecipeError(f"{where}: expected a list of words, or `score`, `tags` and `words`.")
        score = score_in(group.get("score", DEFAULT_SCORE), where)
        lists = [("", group.get("words", []), where)]
        for tag, words in (group.get("tags") or {}).items():
            _require_tag(label, str(tag), vocabulary, where)
            lists.append((str(tag), words, f"{where}.{tag}"))
        for tag, words, there in lists:
            for phrase, own in phrases_in(words, there):
                yield Entry(language, label, phrase, score if own is None else own, tag)


def _require_tag(label: str, tag: str, vocabulary: Vocabulary, where: str) -> None:
    if vocabulary.tags is None:
        raise RecipeError(f"{where}: tags are for task 'signals'; this recipe's is {vocabulary.task!r}.")
    require_known(tag, vocabulary.tags[label], where)
