"""Rules instead of training: words and phrases that speak for a label, in several languages at once.

A text is searched for whole words, whatever their case; words of scripts without spaces (Japanese, Chinese, Thai) are
found anywhere, and what begins or ends with a sign (C++, $) as it is written. It knows no inflection: forms that matter
are listed. It answers like any other model: it can stand in where a trained one is missing, and be compared with one.

    en:                                     a language; all are searched
      emergencies:                          a category (task `signals`), or a label
        score: -0.7                         the category's impact, where a word has none of its own
        tags: {fire: [wildfire, {blaze: -0.9}]}
        words: [emergency]                  words without a tag; for a label the list may stand here at once
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from copydesk.errors import RecipeError
from copydesk.files import write_json
from copydesk.tasks import Task

KEYWORDS_FILE = "keywords.json"
_SURE, _UNSURE = 3.0, -3.0
"""Logits of what was found and, where labels are independent, of what was not; of "no tag" where nothing was found."""
_LARGEST_SCORE = 0.99
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


Words = tuple[str, ...]


@dataclass(frozen=True)
class Keyword:
    """A word or phrase and what it speaks for: an output column, and for `signals` a score and the tag's column."""

    phrase: str
    column: int
    score: float = 0.0
    tag_column: int | None = None


class KeywordsModel:
    """Keywords over a task's outputs. Of a category's words in one text the strongest decides score and tag."""

    kind = "keywords"

    def __init__(self, keywords: Sequence[Keyword], outputs: int, head: str, untagged: Sequence[int] = ()) -> None:
        """`head` is the kind of the task's first; `untagged` holds each category's column for "no tag"."""
        self._keywords, self._outputs, self._head, self._untagged = list(keywords), outputs, head, list(untagged)
        self._by_words: dict[Words, list[Keyword]] = defaultdict(list)
        self._anywhere: dict[re.Pattern[str], list[Keyword]] = defaultdict(list)
        self._longest: dict[str, int] = defaultdict(int)
        for keyword in keywords:
            words, phrase = _words(keyword.phrase), keyword.phrase.casefold().strip()
            if _UNSPACED.search(phrase) or not (_WORD.match(phrase[0]) and _WORD.match(phrase[-1])):
                self._anywhere[_as_written(phrase)].append(keyword)
            else:
                self._by_words[words].append(keyword)
                self._longest[words[0]] = max(self._longest[words[0]], len(words))

    @staticmethod
    def labels_in(path: str | Path) -> list[str]:
        """Return the labels that a keyword file names, in its order."""
        return list(dict.fromkeys(str(label) for groups in _languages(path).values() for label in groups))

    @classmethod
    def from_file(cls, path: str | Path, task: Task) -> KeywordsModel:
        """Read a keyword file for a task. Raises `RecipeError` naming the place that is wrong."""
        keywords = [
            keyword
            for language, groups in _languages(path).items()
            for keyword in _read(groups, task, f"Keyword file '{path}', {language}")
        ]
        if not keywords:
            raise RecipeError(f"Keyword file '{path}' holds no words.")
        untagged = [head.start for head in task.heads if head.kind == "softmax" and task.heads[0].kind == "tanh"]
        return cls(keywords, task.outputs, task.heads[0].kind, untagged)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw outputs, shape (n, outputs)."""
        result = np.full((len(texts), self._outputs), _UNSURE if self._head == "sigmoid" else 0.0, np.float32)
        result[:, self._untagged] = _SURE
        for row, text in zip(result, texts, strict=True):
            for keyword in self._found(text):
                self._speak(row, keyword)
        return result

    def _speak(self, row: NDArray[np.float32], keyword: Keyword) -> None:
        if self._head == "softmax":
            row[keyword.column] += _SURE / 2
            return
        if self._head == "sigmoid":
            row[keyword.column] = _SURE
            return
        logit = float(np.arctanh(np.clip(keyword.score, -_LARGEST_SCORE, _LARGEST_SCORE)))
        stronger = abs(logit) > abs(float(row[keyword.column]))
        if stronger:
            row[keyword.column] = logit
        row[self._untagged[keyword.column]] = 0.0  # it is there, whatever its tag: without one all tags are equal
        if keyword.tag_column is not None:
            row[keyword.tag_column] = max(float(row[keyword.tag_column]), _SURE + abs(logit))

    def _found(self, text: str) -> Iterator[Keyword]:
        """Yield the text's keywords, each once; a longer phrase hides the shorter ones inside it."""
        words, place, seen = _words(text), 0, set()
        while place < len(words):
            longest = min(self._longest.get(words[place], 0), len(words) - place)
            spans = (words[place : place + length] for length in range(longest, 0, -1))
            phrase = next((span for span in spans if span in self._by_words), None)
            place += len(phrase) if phrase else 1
            if phrase and phrase not in seen:
                seen.add(phrase)
                yield from self._by_words[phrase]
        folded = text.casefold() if self._anywhere else ""
        for pattern, keywords in self._anywhere.items():
            if pattern.search(folded):
                yield from keywords

    def save(self, folder: Path) -> None:
        """Write `keywords.json`."""
        keywords = [asdict(keyword) for keyword in self._keywords]
        settings = {"outputs": self._outputs, "head": self._head, "untagged": self._untagged}
        write_json(folder / KEYWORDS_FILE, {**settings, "keywords": keywords})

    @classmethod
    def load(cls, folder: Path) -> KeywordsModel:
        """Read what `save` wrote."""
        stored = json.loads((folder / KEYWORDS_FILE).read_text("utf-8"))
        keywords = [Keyword(**keyword) for keyword in stored["keywords"]]
        return cls(keywords, stored["outputs"], stored["head"], stored["untagged"])


def _words(text: str) -> Words:
    return tuple(_WORD.findall(text.casefold()))


def _as_written(phrase: str) -> re.Pattern[str]:
    """Return what finds the phrase, where it begins or ends with a letter of a script with spaces at word borders."""
    spaced = [bool(_WORD.match(sign)) and not _UNSPACED.match(sign) for sign in (phrase[0], phrase[-1])]
    return re.compile((r"(?<!\w)" if spaced[0] else "") + re.escape(phrase) + (r"(?!\w)" if spaced[1] else ""))


def _languages(path: str | Path) -> dict[str, dict[Any, Any]]:
    try:
        languages = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"Keyword file '{path}' cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(languages, dict) or not all(isinstance(groups, dict) for groups in languages.values()):
        raise RecipeError(f"Keyword file '{path}' holds no languages, each with its labels.")
    return languages


def _read(groups: Mapping[Any, Any], task: Task, place: str) -> Iterator[Keyword]:
    for name, group in groups.items():
        where = f"{place}.{name}"
        column = _place_of(str(name), task.labels, where)
        if isinstance(group, list):
            group = {"words": group}
        if not isinstance(group, dict) or not set(group) <= {"score", "tags", "words"}:
            raise RecipeError(f"{where}: expected a list of words, or `score`, `tags` and `words`.")
        score = _score(group.get("score", 0.5), where)
        for phrase, own in _phrases(group.get("words", []), where):
            yield Keyword(phrase, column, score if own is None else own)
        for tag, words in (group.get("tags") or {}).items():
            tag_column = _tag_column(task, column, str(tag), where)
            for phrase, own in _phrases(words, f"{where}.{tag}"):
                yield Keyword(phrase, column, score if own is None else own, tag_column)


def _phrases(words: Any, where: str) -> Iterator[tuple[str, float | None]]:  # noqa: ANN401 (whatever YAML holds)
    """Yield phrases with their own score, if they have one."""
    if not isinstance(words, list):
        raise RecipeError(f"{where}: {words!r} is no list of words.")
    for item in words:
        entries = item.items() if isinstance(item, dict) else [(item, None)]
        for phrase, score in entries:
            if isinstance(phrase, bool) or not str(phrase or "").strip():
                raise RecipeError(f"{where}: a word is empty or {phrase!r}; YAML needs quotes around words like 'no'.")
            yield str(phrase), None if score is None else _score(score, where)


def _score(value: Any, where: str) -> float:  # noqa: ANN401 (whatever YAML holds)
    if not isinstance(value, int | float) or not -1 <= value <= 1:
        raise RecipeError(f"{where}: the score {value!r} is not between -1 and 1.")
    return float(value)


def _place_of(name: str, known: Sequence[str], where: str) -> int:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{where}: {name!r} is not one of the task's: {', '.join(known[:30])}.{hint}")
    return list(known).index(name)


def _tag_column(task: Task, column: int, tag: str, where: str) -> int:
    """Return the output column of a category's tag. Raises `RecipeError` for a tag it does not have."""
    tags = getattr(task, "tags", None)
    if tags is None:
        raise RecipeError(f"{where}: tags are for task 'signals'; this recipe's is {task.name!r}.")
    head = next(head for head in task.heads if head.target == len(task.labels) + column)
    return head.start + 1 + _place_of(tag, tags[column], where)
