"""Answers on their way into the prediction log: from a request, a job, or a candidate in the shadow.

Taking one costs a request about a microsecond; everything else is done by the recorder's thread (`monitor/record.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from copydesk.monitor.log import Log, open_log, shown
from copydesk.monitor.record import EVERY_S, Outcome, Recorder, told, uncounted
from copydesk.recipe.serve import Logged
from copydesk.runtime.engine import Answers, Classifier
from copydesk.tasks import Scores
from copydesk.types import ModelVersion

if TYPE_CHECKING:
    from copydesk.monitor.entry import Source

_POLARS_THREADS = "POLARS_MAX_THREADS"


@dataclass(slots=True)
class Batch:
    """Answers of one version as columns, end to end; `sizes` says how many each moment of `at` has.

    An object for each answer would live until it is written, and the garbage collector would go through all of them
    again and again: that cost more than anything else here. Strings and arrays it passes over.
    """

    source: Source
    classifier: Classifier
    version: ModelVersion
    at: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    outputs: list[Scores] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, at: float, ids: Sequence[str], answers: Answers) -> None:
        """Add the answers to one request; `at` is in seconds since 1970."""
        self.at.append(at)
        self.sizes.append(len(ids))
        self.ids += ids
        self.texts += answers.texts
        self.outputs.append(answers.outputs)
        self.stages += answers.stages


class AnswerLog:
    """The prediction log as the server and its workers see it."""

    def __init__(
        self, log: Log, *, every_s: float = EVERY_S, counted: Callable[[Outcome, int], None] = uncounted
    ) -> None:
        from copydesk.serve.log_rows import Rows

        self.log = log
        self._batches: dict[tuple[str, ...], Batch] = {}
        self._lock = threading.Lock()
        self._recorder = Recorder(log, self._gathered, Rows(), counted=counted, every_s=every_s)

    @classmethod
    def open(
        cls, address: str, terms: Logged | None = None, *, counted: Callable[[Outcome, int], None] = uncounted
    ) -> AnswerLog:
        """Open the log at an address; see `open_log`, also for what it raises. Without `terms` no row is dropped.

        It must be opened in the process that answers: its thread does not survive a fork.
        """
        log = _opened(address, terms.keep_days if terms else None)
        return cls(log, every_s=terms.every_seconds if terms else EVERY_S, counted=counted)

    def take(
        self,
        source: Source,
        classifier: Classifier,
        version: ModelVersion,
        ids: Sequence[str],
        answers: Answers,
    ) -> None:
        """Take the answers to some texts; a shadow's have the ids of the live ones. Returns at once."""
        if not self._recorder.has_room(len(ids), sum(map(len, answers.texts))):
            return
        kind = source, version.name, version.version
        with self._lock:
            batch = self._batches.get(kind)
            if batch is None:
                batch = self._batches[kind] = Batch(source, classifier, version)
            batch.add(time.time(), ids, answers)

    def _gathered(self) -> list[Batch]:
        with self._lock:
            batches, self._batches = self._batches, {}
        return list(batches.values())

    def close(self) -> None:
        """Write what waits."""
        self._recorder.close()
        self.log.close()


def notes_on(address: str) -> list[str]:
    """Return what a user must know of a log before texts are answered. Raises `UsageError`, `MissingExtra`."""
    log = _opened(address, None)
    try:
        log.prepare()
    except Exception as error:  # a full disk, a database that is away: the server starts all the same
        away = f"The prediction log at {shown(address)} cannot be written now: {told(error)}."
        return [f"{away} Texts are answered all the same, and logged as soon as it can be."]
    finally:
        log.close()
    return []


def _opened(address: str, keep_days: int | None) -> Log:
    os.environ.setdefault(_POLARS_THREADS, "1")  # before Polars is imported: the cores are the model's
    return open_log(address, keep_days=keep_days)
