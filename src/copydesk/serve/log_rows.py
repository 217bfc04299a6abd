"""From answers to rows of the prediction log, many at once.

What a row costs must not be felt by a linear model that answers thousands of texts a second: labels and confidence are
decoded from the outputs of all texts together, and what is dear (traits, vectors, languages) is measured of a sample.
It knows nothing of where rows go.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from copydesk.errors import BundleError, MissingExtra
from copydesk.languages import languages_of
from copydesk.monitor.entry import SHADOW, lists_of, measured, moments, rows_of, spread
from copydesk.monitor.reference import Reference
from copydesk.monitor.traits import Vocabulary
from copydesk.normalise import text_id
from copydesk.personal import redacted
from copydesk.recipe.serve import Logged
from copydesk.runtime.engine import Classifier
from copydesk.serve.answer_log import Batch
from copydesk.tasks import Scores, Task
from copydesk.tasks.columns import Lists, Names
from copydesk.types import ModelVersion

LOG = logging.getLogger("copydesk.monitor")
_LANGUAGES_PER_S = 20.0
_SAVED_S = 10.0
"""What was not measured in so many seconds may be made up for."""
_KNOWN_VERSIONS = 4


@dataclass(frozen=True)
class Terms:
    """On which terms a version's answers are logged: what its recipe says, and the words of its training.

    A model without a reference, or with one that this Copydesk does not read, has no vocabulary: of its texts nothing
    is measured.
    """

    recipe: Logged
    vocabulary: Vocabulary | None

    @classmethod
    def of(cls, classifier: Classifier) -> Terms:
        """Return a classifier's terms."""
        if not classifier.is_bundle:
            return cls(Logged(), None)
        path, recipe = classifier.bundle.layout.reference, classifier.recipe.serve.log
        try:
            return cls(recipe, Reference.load(path).vocabulary if path.is_file() else None)
        except BundleError as error:
            LOG.warning("prediction log: texts are not measured: %s", error)
            return cls(recipe, None)


class Ration:
    """What may be spent of something by now, at so much a second."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second, self._clock = per_second, clock
        self._saved, self._at = per_second, clock()

    def take(self, wanted: int) -> int:
        """Return how many of those wanted there are, and take them."""
        now = self._clock()
        self._saved = min(self._saved + (now - self._at) * self._per_second, _SAVED_S * self._per_second)
        self._at = now
        taken = min(wanted, int(self._saved))
        self._saved -= taken
        return taken


class Rows:
    """Makes rows. It remembers the versions it has seen of late, and what it may measure by now."""

    def __init__(self, *, seed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._random, self._clock = np.random.default_rng(seed), clock
        self._terms: dict[ModelVersion, tuple[Terms, Ration]] = {}
        self._languages = Ration(_LANGUAGES_PER_S, clock)

    def __call__(self, batch: Batch) -> pl.DataFrame:
        """Return the rows of some answers."""
        terms, ration = self._terms_of(batch)
        task, outputs, texts = batch.classifier.task, np.concatenate(batch.outputs), batch.texts
        columns: dict[str, Any] = {
            "at": moments(np.repeat(batch.at, batch.sizes)),
            "id": batch.ids,
            "model": batch.version.name,
            "version": batch.version.version,
            "source": batch.source,
            "text_hash": [text_id(text) for text in texts],
            "confidence": task.confidence(outputs).astype(np.float32),
            "stage": batch.stages or "",
            **labels_of(task, outputs),
        }
        if batch.source == SHADOW:  # the live row of the same id has the text, and what was measured of it
            return rows_of(columns)
        if terms.recipe.text != "none":
            columns["text"] = [KEPT[terms.recipe.text](text) for text in texts]
        if terms.vocabulary is not None:
            chosen = self._random.permutation(len(texts))[: ration.take(len(texts))]
            columns |= measured(texts, terms.vocabulary, np.sort(chosen))
            columns["language"] = self._languages_of(texts, chosen)
        return rows_of(columns)

    def _terms_of(self, batch: Batch) -> tuple[Terms, Ration]:
        known = self._terms.get(batch.version)
        if known is None:
            terms = Terms.of(batch.classifier)
            while len(self._terms) >= _KNOWN_VERSIONS:
                del self._terms[next(iter(self._terms))]
            known = self._terms[batch.version] = terms, Ration(terms.recipe.measured_per_second, self._clock)
        return known

    def _languages_of(self, texts: Sequence[str], chosen: NDArray[np.integer[Any]]) -> pl.Series:
        """Return the languages of the first of the chosen texts, as many as there is time for."""
        places = chosen[: self._languages.take(len(chosen))]
        try:
            found = languages_of([texts[place] for place in places])
        except MissingExtra:
            found, places = [], places[:0]
        return spread(pl.DataFrame({"language": found}, {"language": pl.String}), places, len(texts))["language"]


def labels_of(task: Task, outputs: Scores) -> dict[str, pl.Series]:
    """Return the labels that were given to each text, their scores, and the tags of signals."""
    columns = task.columns(outputs)
    found = columns[task.field]
    if isinstance(found, Names):
        given = found.numbers >= 0
        return _lists(given.astype(np.int64), _names(found, given), np.asarray(columns["score"])[given])
    assert isinstance(found, Lists)
    if isinstance(found.values, Names):
        places = found.values.numbers
        texts = np.repeat(np.arange(len(outputs)), found.lengths)
        return _lists(found.lengths, _names(found.values, places >= 0), outputs[texts, places])
    assert isinstance(found.values, Mapping)
    signals: Mapping[str, Any] = found.values
    present = signals["present"]
    lengths = np.bincount(np.repeat(np.arange(len(outputs)), found.lengths), present, len(outputs)).astype(np.int64)
    lists = _lists(lengths, _names(signals["category"], present), signals["score"][present])
    return {**lists, "tags": lists_of(_names(signals["tag"], present), lengths)}


def _lists(lengths: NDArray[np.integer[Any]], labels: pl.Series, scores: Scores) -> dict[str, pl.Series]:
    nothing = lists_of([], lengths)
    return {"labels": lists_of(labels, lengths), "scores": lists_of(scores, lengths), "tags": nothing}


def _names(column: Names, chosen: NDArray[np.bool_]) -> pl.Series:
    """Return the strings of the chosen entries."""
    return pl.Series("names", column.names, pl.String).gather(column.numbers[chosen].astype(np.uint32))


def writable(text: str) -> str:
    """Return a text as every store takes it: without halves of surrogate pairs and without NUL."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


KEPT: dict[Literal["masked", "full"], Callable[[str], str]] = {
    "masked": lambda text: writable(redacted(text)),
    "full": writable,
}
"""What is kept of a text, by the recipe's `serve.log.text`."""
