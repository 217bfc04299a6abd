"""Rules instead of training: words and phrases that speak for a label, in several languages at once.

It answers like any other model: it can stand in where a trained one is missing, and be compared with one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copydesk.files import write_json
from copydesk.models.keyword_file import Vocabulary, read_keywords
from copydesk.phrases import Phrases
from copydesk.tasks import Task

KEYWORDS_FILE = "keywords.json"
_SURE, _UNSURE = 3.0, -3.0
"""Logits of what was found and, where labels are independent, of what was not; of "no tag" where nothing was found."""
_LARGEST_SCORE = 0.99


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
        self._phrases = Phrases((keyword.phrase, keyword) for keyword in keywords)

    @classmethod
    def from_file(cls, path: str | Path, task: Task) -> KeywordsModel:
        """Read a keyword file for a task. Raises `RecipeError` naming the place that is wrong."""
        tags: Sequence[Sequence[str]] | None = getattr(task, "tags", None)
        by_category = None if tags is None else dict(zip(task.labels, tags, strict=True))
        keywords = []
        for entry in read_keywords(path, Vocabulary(task.name, task.labels, by_category)):
            column = task.labels.index(entry.label)
            tag_column = None
            if entry.tag and tags is not None:
                head = next(head for head in task.heads if head.target == len(task.labels) + column)
                tag_column = head.start + 1 + tags[column].index(entry.tag)
            keywords.append(Keyword(entry.phrase, column, entry.score, tag_column))
        untagged = [head.start for head in task.heads if head.kind == "softmax" and task.heads[0].kind == "tanh"]
        return cls(keywords, task.outputs, task.heads[0].kind, untagged)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw outputs, shape (n, outputs)."""
        result = np.full((len(texts), self._outputs), _UNSURE if self._head == "sigmoid" else 0.0, np.float32)
        result[:, self._untagged] = _SURE
        for row, text in zip(result, texts, strict=True):
            for keyword in dict.fromkeys(found.meaning for found in self._phrases.found(text)):
                self._speak(row, keyword)
        return result

    def matches(self, text: str, column: int) -> list[tuple[tuple[int, int], float]]:
        """Return the places of the keywords behind one output of a text, each with its share of what they add to it.

        Where the strongest keyword decides, it alone is behind the output; a keyword that occurs twice counts once.
        The shares add up to what the output has gained by them.
        """
        found: dict[Keyword, list[tuple[int, int]]] = defaultdict(list)
        for keyword, span in self._phrases.spans(text):
            if keyword.column == column:
                found[keyword].append(span)
        if not found:
            return []
        deciding = list(found)
        if self._head == "tanh":
            strongest = max(abs(keyword.score) for keyword in found)
            deciding = [next(keyword for keyword in found if abs(keyword.score) == strongest)]
        gained = float(self.logits([text])[0, column] - self.logits([""])[0, column])
        return [(span, gained / len(deciding) / len(found[one])) for one in deciding for span in found[one]]

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
