"""A batch of rows in, the same rows with their answers out: what every engine runs, on whatever machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from copydesk.data.clean import join_columns
from copydesk.data.stream import Batch
from copydesk.errors import UsageError
from copydesk.normalise import COLUMN_SEPARATOR
from copydesk.runtime.engine import Classifier
from copydesk.score.answers import ERROR, array_of, beside, free_names
from copydesk.score.seen import Seen
from copydesk.tasks import Scores
from copydesk.tasks.columns import Names

FALLBACK = "fallback"
STAGE = "stage"
_STAGED = ("cascade",)
"""Kinds of model that answer in stages."""
_ROWS_AT_ONCE = {"encoder": 1_024}
"""Kinds of model that need seconds for so many rows: more, and nobody would see them go on."""


@dataclass(frozen=True)
class Options:
    """What may be asked of the answers: every label's score, other thresholds; and where the texts are."""

    text: tuple[str, ...]
    scores: bool = False
    thresholds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Scored:
    """Rows with answers; `errors` counts those without one by the reason, `computed` the texts the model saw."""

    table: pa.Table
    errors: Counter[str] = field(default_factory=Counter)
    computed: int = 0


class Scorer:
    """A classifier at work on batches. It remembers the latest texts, and gives identical ones the same answer."""

    def __init__(self, classifier: Classifier, options: Options, columns: pa.Schema) -> None:
        wanted = len(classifier.settings.text)
        if len(options.text) != wanted:
            raise UsageError(
                f"The model reads {wanted} text column{'s' if wanted > 1 else ''} "
                f"({', '.join(classifier.settings.text)}); --text names {len(options.text)}: {', '.join(options.text)}."
            )
        self._classifier, self._options = classifier, options
        thresholds = options.thresholds
        self._task = classifier.task if thresholds is None else classifier.task.with_thresholds(thresholds)
        self._stages: list[str] | None = [] if classifier.settings.model in _STAGED else None
        self._seen = Seen(self._task.outputs + 1)
        nothing = self._answers(np.empty((0, self._task.outputs + 1)))
        self.names = free_names([*nothing, ERROR], columns.names)
        answers = [pa.field(self.names[name], column.type) for name, column in nothing.items()]
        self.answers = pa.schema([*answers, pa.field(self.names[ERROR], pa.string())])
        self.schema = pa.schema([*columns, *self.answers])

    def pieces(self, batch: Batch) -> Iterator[tuple[int, Batch]]:
        """Yield a batch in pieces that do not take long, each with the place of its first row."""
        rows = batch.table.num_rows
        most = _ROWS_AT_ONCE.get(self._classifier.settings.model, rows) or 1
        for start in range(0, rows, most):
            yield start, batch.part(start, min(start + most, rows))

    def __call__(self, batch: Batch) -> Scored:
        """Return the rows with their answers, in their order."""
        texts, reasons = self._texts(batch)
        before = self._seen.computed
        answers = self._answers(self._seen.scores(texts, self._scored))
        places = np.full(batch.table.num_rows, -1)
        places[np.array([reason is None for reason in reasons], bool)] = np.arange(len(texts))
        table = beside(batch.table, answers, places, self.names)
        table = table.append_column(self.names[ERROR], pa.array(reasons, pa.string()))
        errors = Counter(reason for reason in reasons if reason is not None)
        return Scored(table.cast(self.schema), errors, self._seen.computed - before)

    def _scored(self, texts: list[str]) -> Scores:
        """Return the scores, and in a last column the number of the stage that gave them, from 0; -1 for none."""
        scores, stages = self._classifier.scored(texts)
        numbers = np.full(len(texts), -1.0)
        if self._stages is not None:
            self._stages += sorted(set(stages).difference(self._stages))
            numbers[:] = [self._stages.index(stage) for stage in stages]
        return np.column_stack([scores, numbers])

    def _answers(self, rows: Scores) -> dict[str, pa.Array]:
        columns = self._task.columns(rows[:, :-1], all_scores=self._options.scores)
        if self._stages is not None:
            columns[STAGE] = Names(rows[:, -1].astype(np.int64), tuple(self._stages))
        if self._classifier.fallback:
            columns[FALLBACK] = Names(np.zeros(len(rows), np.int64), (self._classifier.fallback,))
        return {name: array_of(column) for name, column in columns.items()}

    def _texts(self, batch: Batch) -> tuple[list[str], list[str | None]]:
        """Return the texts there are, and for each row why it has none."""
        rows = list(zip(*(batch.table[name].to_pylist() for name in self._options.text), strict=True))
        joined = [join_columns(values) for values in rows]
        reasons = [
            None if text.strip(_BLANK) else "missing text" if values.count(None) == len(values) else "empty text"
            for text, values in zip(joined, rows, strict=True)
        ]
        for place, what in batch.odd.items():
            reasons[place] = f"no text: {what}"
        return [text for text, reason in zip(joined, reasons, strict=True) if reason is None], reasons


_BLANK = f" \t\r\n\f\v\xa0{COLUMN_SEPARATOR}"
