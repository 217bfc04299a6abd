"""Which words moved a decision.

For the linear model and for keywords that is exact: each word's weight is what it added, and all weights add up. Of
any other model a word's weight is what is lost when it is left out; in long texts groups of words are left out, since
every one costs a run of the model. A cascade is explained by the stage that answered.

It does not know why a model learned what it did, and leaving one word out does not show what two do together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from copydesk.models.cascade import CascadeModel, Stage
from copydesk.models.keywords import KeywordsModel
from copydesk.models.linear import LinearModel
from copydesk.runtime.engine import Classifier, Text
from copydesk.runtime.sent import SentText
from copydesk.tasks.base import Margin

MOST_TOKENS = 800
"""Tokens that an explanation may cost in all. MiniLM reads 5,000 a second on a core without VNNI (docs/LOG.md)."""
_FEWEST_PARTS = 4
Method = Literal["weights", "keywords", "leave_out"]
Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of the text as it was sent, or of one of its columns, and their weight.

    A positive weight speaks for the label (of a signal: raises the score), a negative one against it.
    """

    start: int
    end: int
    weight: float
    column: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which words moved one label's `value`, in their order; words without weight are left out.

    The value is the label's calibrated logit, less that of `rival` where labels exclude each other. Where the method is
    exact, the weights and `base`, what is there without any word, add up to it; else `base` is None. `stage` names the
    model of a cascade that answered.
    """

    label: str
    rival: str
    method: Method
    value: float
    base: float | None
    spans: tuple[Span, ...]
    stage: str = ""

    @property
    def is_exact(self) -> bool:
        """Tell whether the weights are what the words added, not an estimate."""
        return self.base is not None


def explain(
    classifier: Classifier, text: Text, label: str | None = None, *, most_tokens: int = MOST_TOKENS
) -> list[Explanation]:
    """Explain one text's answer: its label, each of its labels, each present category; or the label asked for.

    An answer without any label needs no explanation and has none. `most_tokens` bounds the work of leaving out. Raises
    `UsageError` for a value that is no text and for an unknown label.
    """
    (read,) = classifier.prepared([text])
    stage, name = _answering(classifier, read)
    logits = stage.logits([read])
    scores = classifier.task.scores(logits, classifier.settings.temperature if _is_squeezed(classifier) else 1.0)
    margins = classifier.task.margins(scores[0], label)
    if not margins:
        return []
    sent = SentText.of(text, classifier.settings.text)
    case = _Case(classifier, sent, read, stage, logits.astype(np.float64), _directions(margins, logits))
    kind = next((kind for kind in _METHODS if isinstance(stage.model, kind)), None)
    found = _METHODS[kind](case) if kind else _by_leaving_out(case, most_tokens)
    return [
        Explanation(
            label=margin.label,
            rival=margin.rival,
            method=found.method,
            value=float(case.logits[0] @ case.directions[:, place]),
            base=None if found.base is None else float(found.base[place]),
            spans=tuple(_spans(case.sent, found, place)),
            stage=name,
        )
        for place, margin in enumerate(margins)
    ]


@dataclass(frozen=True)
class _Case:
    """A text and what is asked of it. `directions`, shape (outputs, margins), make margins of the `logits`."""

    classifier: Classifier
    sent: SentText
    read: str
    stage: Stage
    logits: Weights
    directions: Weights


@dataclass(frozen=True)
class _Found:
    """The weights of runs of words, shape (runs, margins): from word `first[i]` to `last[i]`, both inclusive."""

    method: Method
    weights: Weights
    first: Sequence[int]
    last: Sequence[int]
    base: Weights | None = None


def _answering(classifier: Classifier, read: str) -> tuple[Stage, str]:
    """Return the model that answers, with what calibrates its outputs, and of a cascade its kind."""
    model = classifier.model
    if isinstance(model, CascadeModel):
        stage = model.stage_for(read)
        return stage, stage.model.kind
    return Stage(model, 1.0 if _is_squeezed(classifier) else classifier.settings.temperature), ""


def _is_squeezed(classifier: Classifier) -> bool:
    """Tell whether labels are scores from tanh, which know no temperature; the tags beside them do."""
    return classifier.task.heads[0].kind == "tanh"


def _directions(margins: Sequence[Margin], logits: NDArray[np.float32]) -> Weights:
    directions = np.zeros((logits.shape[1], len(margins)))
    for place, margin in enumerate(margins):
        directions[margin.column, place] = 1
        if margin.rival_column is not None:
            directions[margin.rival_column, place] = -1
    return directions


def _spans(sent: SentText, found: _Found, place: int) -> list[Span]:
    spans = []
    for first, last, weight in zip(found.first, found.last, found.weights[:, place].tolist(), strict=True):
        if weight:
            begin, end = sent.words[first], sent.words[last]
            spans.append(Span(begin.start, end.end, weight, begin.column))
    return spans


def _of_linear(case: _Case) -> _Found:
    """Share each n-gram's contribution equally among the words that it touches."""
    model = case.stage.model
    assert isinstance(model, LinearModel)
    found = model.contributions(case.read, case.directions)
    word_of = case.sent.word_of(case.read)
    touched, number_of = np.unique(word_of[word_of >= 0], return_inverse=True)
    count_before = np.concatenate([[0], np.cumsum(word_of >= 0)])
    begin, end = count_before[found.starts], count_before[found.stops]  # of the characters that are no spaces
    inside = end > begin
    first, last = number_of[begin[inside]], number_of[end[inside] - 1]
    share = found.values[inside] / (last - first + 1)[:, None]
    steps = np.zeros((len(touched) + 1, case.directions.shape[1]))
    np.add.at(steps, first, share)
    np.subtract.at(steps, last + 1, share)
    base = found.base + found.values[~inside].sum(axis=0)
    return _calibrated("weights", steps.cumsum(axis=0)[:-1], touched.tolist(), base, case)


def _of_keywords(case: _Case) -> _Found:
    """Share what the matching keywords add among the words that they stand on."""
    model = case.stage.model
    assert isinstance(model, KeywordsModel)
    word_of = case.sent.word_of(case.read)
    weights = np.zeros((len(case.sent.words), case.directions.shape[1]))
    for column, place in np.argwhere(case.directions):
        for (start, stop), gained in model.matches(case.read, int(column)):
            words = np.unique(word_of[start:stop])
            words = words[words >= 0]
            weights[words, place] += gained * case.directions[column, place] / max(len(words), 1)
    base = model.logits([""])[0].astype(np.float64) @ case.directions
    return _calibrated("keywords", weights, range(len(weights)), base, case)


def _calibrated(method: Method, weights: Weights, words: Sequence[int], base: Weights, case: _Case) -> _Found:
    shifts = np.array(case.stage.shifts or [0.0] * len(case.directions)) @ case.directions
    temperature = case.stage.temperature
    return _Found(method, weights / temperature, words, words, base / temperature + shifts)


def _by_leaving_out(case: _Case, most_tokens: int) -> _Found:
    """Leave out words, or groups of them, each once, in one batch."""
    parts = _parts(case, most_tokens)
    texts = case.classifier.prepared([case.sent.without(first, last) for first, last in parts])
    lost = (case.logits - case.stage.logits(texts)) @ case.directions
    return _Found("leave_out", lost, [first for first, _ in parts], [last for _, last in parts])


def _parts(case: _Case, most_tokens: int) -> list[tuple[int, int]]:
    """Return the runs of words to leave out, first and last of each, within columns and of about one length."""
    reader = getattr(case.stage.model, "reader", None)
    tokens = len(case.sent.words) if reader is None else len(reader.encode([case.read]).ids)
    columns: dict[str, list[int]] = {}
    for word in _words_read(case):
        columns.setdefault(case.sent.words[word].column, []).append(word)
    count = sum(map(len, columns.values()))
    most = max(most_tokens // max(tokens, 1) - 1, _FEWEST_PARTS)  # the whole text was read too
    parts = []
    for words in columns.values():
        pieces = min(len(words), max(round(most * len(words) / count), 1))
        parts += [(int(part[0]), int(part[-1])) for part in np.array_split(words, pieces)]
    return parts


def _words_read(case: _Case) -> list[int]:
    """Return the words of which the model reads anything: an encoder may read only a text's beginning."""
    word_of = case.sent.word_of(case.read)
    reader = getattr(case.stage.model, "reader", None)
    if reader is not None:
        word_of = np.concatenate([word_of[start:stop] for start, stop in reader.reach(case.read)])
    return [int(word) for word in np.unique(word_of) if word >= 0]


_METHODS: dict[type, Callable[[_Case], _Found]] = {LinearModel: _of_linear, KeywordsModel: _of_keywords}
